"""Git probes: ``git-health``, fast and safe on a live clone, and ``git-fsck``, thorough and slow."""
