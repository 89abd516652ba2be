"""Control groups as a seam: what bounds the processor time, the memory and the disk traffic of processes."""

from dataclasses import dataclass
from typing import Protocol

from daemon.core.processes import Process


@dataclass(frozen=True, slots=True, kw_only=True)
class Cgroup:
    """The control group of a process, for one controller. ``version`` is 1 or 2, ``path`` its directory."""

    path: str
    version: int
    root: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What can be had before anything is killed, and all there is: of the machine, or of chaosd's group if less.

    ``groups`` are the directories of the groups that bound chaosd's own memory, from its own upwards.
    """

    free_bytes: int
    total_bytes: int
    groups: tuple[str, ...] = ()


class Cgroups(Protocol):
    """The control groups of this machine. ``path`` is the directory of one, ``name`` one of its files."""

    def memory(self) -> Memory: ...
    def of(self, process: Process, controller: str) -> Cgroup:
        """Return the group of a process.

        Raises RefusedError (rule ``cgroup``) when no such controller is in reach, TargetAbsentError when the
        process is gone.
        """
        ...

    def device(self, path: str) -> str:
        """Return ``MAJOR:MINOR`` of the whole disk that a path is on; raises RefusedError when it is on none."""
        ...

    def writable(self, path: str) -> bool:
        """Tell whether groups may be made there, or its own files be written."""
        ...

    def read(self, path: str, name: str) -> str | None:
        """Return what a file of a group says; None when the group or the file is not there."""
        ...

    def members(self, path: str) -> tuple[int, ...]:
        """Return the pids in a group; none when there is no such group."""
        ...

    def make(self, path: str) -> bool:
        """Make a group; False when it is there already. Raises RefusedError without permission."""
        ...

    def write(self, path: str, name: str, value: str) -> None:
        """Write one value into a file of a group; raises RefusedError when the kernel does not take it."""
        ...

    def join(self, path: str, pid: int) -> bool:
        """Move a process, all its threads, into a group; False when it is gone. Raises RefusedError if not let."""
        ...

    def remove(self, path: str) -> bool:
        """Remove an empty group; False when it is not there, or not empty."""
        ...
