"""What happens: the one way of an injection, the probes, the schedule."""
