"""What the kernel tells of one process, and the one limit of it that faults change. Linux: it is all in /proc."""

import errno
import os
import resource
import signal
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daemon.core.errors import RefusedError
from daemon.core.processes import OpenFiles, Process

_STATE, _PARENT = 0, 1  # proc(5): fields of /proc/PID/stat, counted after the name


class LocalInsides(ABC):
    """The part of ``ProcessTable`` that looks into one process."""

    @abstractmethod
    def alive(self, process: Process) -> bool: ...

    def state(self, process: Process) -> str:
        letter = _fields(process.pid, _STATE)
        return letter if letter and self.alive(process) else ""

    def variable(self, process: Process, name: str) -> str | None:
        wanted = os.fsencode(f"{name}=")
        with held_open(process.pid):
            if not self.alive(process):
                return None
            with _translated(process, "its environment is not read"):
                entries = Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
        found = next((entry for entry in entries if entry.startswith(wanted)), None)
        return None if found is None else os.fsdecode(found[len(wanted) :])

    def open_files(self, process: Process) -> OpenFiles | None:
        with held_open(process.pid):
            if not self.alive(process):
                return None
            try:
                with _translated(process, "what it has open is not read"):
                    numbers = frozenset(map(int, os.listdir(f"/proc/{process.pid}/fd")))  # noqa: PTH208  10^5 of them
                    soft, hard = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
            except (ProcessLookupError, FileNotFoundError):
                return None
        return OpenFiles(numbers=numbers, soft=soft, hard=hard)

    def limit_files(self, process: Process, soft: int, *, was: int) -> bool:
        """Compare and set: between the two calls somebody else may set it, which the kernel lets nobody prevent."""
        with held_open(process.pid):
            if not self.alive(process):
                return False
            try:
                with _translated(process, "its limit is not changed"):
                    now, hard = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
                    if now != was:
                        return False
                    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (soft, hard))
            except ProcessLookupError:
                return False
        return True


def descendants(pid: int) -> set[int]:
    """Return the pids of all that descend from a process, as one look at /proc shows them."""
    below: dict[int, list[int]] = {}
    for one in map(int, filter(str.isdecimal, os.listdir("/proc"))):  # noqa: PTH208  quick
        parent = _fields(one, _PARENT)
        if parent:
            below.setdefault(int(parent), []).append(one)
    found: set[int] = set()
    ahead = [pid]
    while ahead:
        children = [child for child in below.get(ahead.pop(), []) if child not in found]
        found.update(children)
        ahead += children
    return found - {pid}


@contextmanager
def held_open(pid: int) -> Iterator[int | None]:
    """Hold a process open so that its pid keeps its meaning; None where the kernel has no pidfd."""
    handle: int | None = None
    if hasattr(os, "pidfd_open") and hasattr(signal, "pidfd_send_signal"):
        try:
            handle = os.pidfd_open(pid)
        except OSError as error:
            # gone is found by the check that follows; without the call (old kernel, seccomp) it must do alone
            if error.errno not in (errno.ESRCH, errno.EINVAL, errno.ENOSYS, errno.EPERM, errno.EMFILE):
                raise
    try:
        yield handle
    finally:
        if handle is not None:
            os.close(handle)


def _fields(pid: int, number: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[number]
    except (OSError, IndexError):
        return ""


@contextmanager
def _translated(process: Process, what: str) -> Iterator[None]:
    try:
        yield
    except PermissionError:
        raise RefusedError(
            f"{what}: no permission for pid {process.pid} ({process.command})",
            rule="permission",
            hint="run chaosd as the same user as the process, or with CAP_SYS_PTRACE and CAP_SYS_RESOURCE",
        ) from None
