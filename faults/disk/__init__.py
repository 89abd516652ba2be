"""Faults of the disk: full, and slow."""
