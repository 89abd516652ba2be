"""The lease on taking back: of all processes and threads that could revert one injection, one at a time does.

Two locks, both the kernel's, which gives them back whoever dies, however; a holder that is only stopped keeps them:
one byte of the file ``reverting`` for each injection, and a shared flock on ``private`` (the state directory has a
lock itself). Where the file cannot be opened for writing (a full or read-only disk) the flock is taken for oneself
alone instead, which needs no room and no right to write: then nobody else reverts anything.
"""

import errno
import fcntl
import os
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from daemon.core.errors import BusyError, ChaosdError
from daemon.core.seams import Clock
from daemon.ports.holders import holders, said

NAME = "reverting"
WAIT_S = 1900.0  # longer than the longest revert may wait (a sweep of a queue: 1800 s)
TELL_S = 2.0
_LOOK_S = 0.05
_FLOCK = struct.Struct("hhqqi4x")  # struct flock: type, whence, start, length, pid
_NO_WRITING = frozenset({errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EDQUOT})
_NO_SUCH_LOCK = frozenset({errno.EINVAL, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS})
_TAKEN = frozenset({errno.EWOULDBLOCK, errno.EACCES})


def nobody_is_told(_: str) -> None:
    """Say nothing about waiting."""


class RevertLease:
    """The leases of one state directory. Reentrant in a thread; threads of one process exclude each other too.

    ``tell`` is given a sentence when somebody else holds a lease for more than ``TELL_S``.
    """

    def __init__(
        self, directory: Path, clock: Clock, *, wait_s: float = WAIT_S, tell: Callable[[str], None] = nobody_is_told
    ) -> None:
        self._directory = directory
        self._clock = clock
        self._wait_s = wait_s
        self._tell = tell
        self._mine = threading.local()
        self._guard, self._here = threading.Lock(), set[str]()

    @contextmanager
    def held(self, name: str) -> Iterator[None]:
        """Hold the lease on one injection; raises BusyError when somebody keeps it for longer than ``wait_s``.

        ChaosdError when it cannot be asked for (no descriptor left).
        """
        mine: set[str] = self._mine.__dict__.setdefault("names", set())
        if name in mine:
            yield
            return
        locks = self._take(name)
        mine.add(name)
        try:
            yield
        finally:
            mine.discard(name)
            with self._guard:
                self._here.discard(name)
                _close(locks)

    def _take(self, name: str) -> list[int]:
        began_s = self._clock.instant().mono_s
        told = False
        while (locks := self._try(name)) is None:
            waited_s = self._clock.instant().mono_s - began_s
            if waited_s >= self._wait_s:
                raise BusyError(
                    f"not reverting {name}: {self._who()} has been reverting for too long",
                    hint="see whether that process is stopped or hangs; end it, then `chaosd recover`",
                )
            if waited_s >= TELL_S and not told:
                told = True
                self._tell(f"waiting: {self._who()} is reverting {name}")
            self._clock.wait(None, _LOOK_S)
        return locks

    def _try(self, name: str) -> list[int] | None:
        with self._guard:
            if name in self._here:
                return None
            try:
                locks = _try(self._directory, name)
            except FileNotFoundError:
                # Moved or removed, with all that another process could revert from: what is active here must end.
                locks = []
            except OSError as error:
                raise ChaosdError(
                    f"not reverting {name}: whether another does cannot be told: {error.strerror}",
                    hint="see to it, then `chaosd recover`; a daemon and its guardian try again by themselves",
                ) from error
            if locks is not None:
                self._here.add(name)
            return locks

    def _who(self) -> str:
        return said(holders(self._directory / "private"))


def free(directory: Path, name: str) -> bool:
    """Tell whether nobody reverts that injection at the moment; where that cannot be asked somebody may."""
    try:
        locks = _try(directory, name)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    _close(locks or [])
    return locks is not None


def _try(directory: Path, name: str) -> list[int] | None:
    """Return the descriptors that hold the lease, None when somebody else does. Raises OSError."""
    locks = [os.open(directory / "private", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)]
    try:
        own = _own_byte(directory / NAME, name, locks)
        if own is not False and _taken(lambda: fcntl.flock(locks[0], _flock(shared=own is True))):
            return locks
    except BaseException:
        _close(locks)
        raise
    _close(locks)
    return None


def _own_byte(path: Path, name: str, locks: list[int]) -> bool | None:
    """Lock the injection's byte: True when we have it, False when somebody else has, None when nobody can."""
    if not hasattr(fcntl, "F_OFD_SETLK"):  # macOS
        return None
    try:
        locks.append(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        wanted = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, zlib.crc32(name.encode()), 1, 0)
        return _taken(lambda: fcntl.fcntl(locks[-1], fcntl.F_OFD_SETLK, wanted))
    except OSError as error:
        if error.errno in _NO_WRITING | _NO_SUCH_LOCK:
            return None
        raise


def _flock(*, shared: bool) -> int:
    return (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB


def _taken(lock: Callable[[], object]) -> bool:
    try:
        lock()
    except OSError as error:
        if error.errno not in _TAKEN:
            raise
        return False
    return True


def _close(locks: list[int]) -> None:
    for lock in locks:
        os.close(lock)  # closing drops the lock; the file stays, removing it would race
