"""Faults of the ECS service: tasks stopped, the service scaled or deployed anew, its hosts drained."""
