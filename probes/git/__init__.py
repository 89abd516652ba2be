"""Git probes: ``git-health``, fast and safe on a live clone, and ``git-fsck``, thorough and slow."""

from probes.git.fsck import GitFsck
from probes.git.health import GitHealth

__all__ = ("GitFsck", "GitHealth")
