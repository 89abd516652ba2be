"""Faults of the worker's queue; every message they send is marked, and removed again if it is left."""
