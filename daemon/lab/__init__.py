"""The embedded target: an AWS emulator, a task engine of real processes, the reference worker."""
