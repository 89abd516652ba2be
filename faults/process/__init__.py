"""Faults of a process: killed, stopped, slow, short of memory or of files, with a wrong clock."""
