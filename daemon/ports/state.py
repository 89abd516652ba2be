"""The state directory: where it is, who owns it, and which boot this is."""

import errno
import fcntl
import itertools
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from daemon.core.errors import BusyError, ChaosdError


def find(flag: str | None, environment: Mapping[str, str]) -> Path:
    """Return the state directory: flag, ``CHAOSD_STATE_DIR``, systemd's ``STATE_DIRECTORY``, the XDG state home."""
    # systemd joins several directories with colons; the first is the unit's own.
    named = flag or environment.get("CHAOSD_STATE_DIR") or environment.get("STATE_DIRECTORY", "").split(":")[0]
    if named:
        return Path(named).absolute()
    home = environment.get("XDG_STATE_HOME") or str(Path(environment.get("HOME", "/")) / ".local/state")
    return Path(home) / "chaosd"


def boot_id() -> str:
    """Return what tells this boot from others; empty where the system does not say (macOS)."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


SOCKET_NAME_MAX = 100  # bytes; the kernel takes 108 on Linux, 104 on macOS


@contextmanager
def socket_name(path: Path) -> Iterator[str]:
    """Yield a name for a Unix socket that is short enough for the kernel; it is good inside the context only.

    In a deep directory we go through ``/proc/self/fd``, where there is one. Raises ChaosdError where there is none.
    """
    if len(os.fsencode(path)) <= SOCKET_NAME_MAX:
        yield str(path)
        return
    if not Path("/proc/self/fd").exists():
        raise ChaosdError(
            f"no socket at {path}: the path is longer than the {SOCKET_NAME_MAX} bytes a socket's name may have",
            hint="name a shorter directory with --state-dir or CHAOSD_STATE_DIR",
        )
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)


class StateDirectory:
    """The directory with journal, lock and socket, mode 0700. A context manager that holds the lock.

    Entering raises BusyError when another engine holds it: two engines on one journal are impossible.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    @property
    def journal(self) -> Path:
        return self.path / "journal.sqlite"

    @property
    def socket(self) -> Path:
        return self.path / "control.sock"

    @property
    def private(self) -> Path:
        return self.path / "private"

    def make(self) -> Self:
        """Create what is missing; idempotent; raises ChaosdError when that is not permitted."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.private.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise ChaosdError(
                f"nothing was started: the state directory {self.path} cannot be made: {error.strerror}",
                hint="name a writable one with --state-dir or CHAOSD_STATE_DIR",
            ) from error
        return self

    @contextmanager
    def room(self) -> Iterator[Path]:
        """Lend a private directory that nobody else uses meanwhile, another process neither.

        Rooms are used again, so that a mirror in one need not be made anew for each run of a scenario.
        """
        for number in itertools.count():
            room = self.private / f"room-{number}"
            room.mkdir(mode=0o700, exist_ok=True)
            lock = os.open(room, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                if _taken(lock):
                    continue
                yield room
                return
            finally:
                os.close(lock)  # closing drops the flock

    def __enter__(self) -> Self:
        self.make()
        lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if _taken(lock):
            os.close(lock)
            raise BusyError(
                f"nothing was started: another chaosd works in {self.path}",
                hint="`chaosd status` shows what it does; wait, or name another --state-dir",
            )
        self._lock = lock
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lock is not None:
            os.close(self._lock)  # closing drops the flock; the file stays, removing it would race
            self._lock = None


def _taken(lock: int) -> bool:
    """Take the lock on an open file or directory; True when somebody else has it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise
        return True
    return False
