"""The lease on reverting: of all processes that could take something back, one at a time does.

An flock on a file in the state directory. The kernel gives it back whoever dies, however; a holder that is only
stopped keeps it, and its pid stands in the file for the guardian and for people.
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

NAME = "revert.lock"
WAIT_S = 1900.0  # longer than the longest revert may wait (a sweep of a queue: 1800 s)
_LOOK_S = 0.05


class RevertLease:
    """The lease of one state directory. Reentrant in a thread; threads of one process exclude each other too."""

    def __init__(self, directory: Path, clock: Clock, *, wait_s: float = WAIT_S) -> None:
        self._path = directory / NAME
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
        lock = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        until_s = self._clock.instant().mono_s + self._wait_s
        while not _locked(lock):
            if self._clock.instant().mono_s >= until_s:
                os.close(lock)
                raise BusyError(
                    f"not reverting: process {holder(self._path.parent) or '?'} has been reverting for too long",
                    hint="see whether that process is stopped or hangs; end it, then `chaosd recover`",
                )
            self._clock.wait(None, _LOOK_S)
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        return lock


def free(directory: Path) -> bool:
    """Tell whether nobody reverts in this state directory at the moment."""
    try:
        lock = os.open(directory / NAME, os.O_RDWR | os.O_CLOEXEC)
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


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise
        return False
    return True
