"""The lease on reverting: of all processes that could take something back, one at a time does.

An flock on ``private`` in the state directory (which has a lock itself): it needs no room on the disk, no right to
write. The kernel gives it back whoever dies, however; a holder that is only stopped keeps it. Its pid stands in a
file, for people.
"""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import RLock

from daemon.core.errors import BusyError
from daemon.core.seams import Clock

NAME = "reverting"
WAIT_S = 1900.0  # longer than the longest revert may wait (a sweep of a queue: 1800 s)
_LOOK_S = 0.05


class RevertLease:
    """The lease of one state directory. Reentrant in a thread; threads of one process exclude each other too."""

    def __init__(self, directory: Path, clock: Clock, *, wait_s: float = WAIT_S) -> None:
        self._directory = directory
        self._clock = clock
        self._wait_s = wait_s
        self._threads = RLock()
        self._depth = 0

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lease; raises BusyError when somebody else keeps it for longer than ``wait_s``."""
        with self._threads:
            lock = None if self._depth else self._take()
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                if lock is not None:
                    os.close(lock)  # closing drops the flock; the file stays, removing it would race

    def _take(self) -> int:
        lock = _open(self._directory)
        until_s = self._clock.instant().mono_s + self._wait_s
        while not _locked(lock):
            if self._clock.instant().mono_s >= until_s:
                os.close(lock)
                raise BusyError(
                    f"not reverting: process {holder(self._directory) or '?'} has been reverting for too long",
                    hint="see whether that process is stopped or hangs; end it, then `chaosd recover`",
                )
            self._clock.wait(None, _LOOK_S)
        with suppress(OSError):  # a full or read-only disk keeps nobody from reverting
            _note(self._directory / NAME, f"{os.getpid()}\n")
        return lock


def free(directory: Path) -> bool:
    """Tell whether nobody reverts in this state directory at the moment."""
    try:
        lock = _open(directory)
    except FileNotFoundError:
        return True
    try:
        return _locked(lock)
    finally:
        os.close(lock)


def holder(directory: Path) -> int | None:
    """Return the pid of whoever took the lease last, or None."""
    with suppress(OSError, ValueError):
        return int((directory / NAME).read_bytes())
    return None


def _note(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def _open(directory: Path) -> int:
    return os.open(directory / "private", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise
        return False
    return True
