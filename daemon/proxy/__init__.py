"""The fault proxy, a process of its own: the worker's AWS calls and its git remote go through it.

It reads its rules from the state directory and drops each by itself when its time is over, so it needs nobody else
to be alive. What it knows goes out over a Unix socket; ``daemon.ports.proxying`` is the other end.
"""
