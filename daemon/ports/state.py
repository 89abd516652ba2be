"""The state directory: where it is, who owns it, and which boot this is."""

import errno
import fcntl
import itertools
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from daemon.core.errors import BusyError, ChaosdError, RefusedError
from daemon.ports.holders import holders, said


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


def machine_id() -> str:
    """Return what tells this machine from others; empty where the system does not say (containers, macOS)."""
    try:
        return Path("/etc/machine-id").read_text().strip()
    except (OSError, UnicodeDecodeError):
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


def _expect_ours(directory: Path) -> None:
    """Refuse a directory whose undo records somebody else could have written; close one that others could read."""
    facts = directory.stat()
    mode = stat.S_IMODE(facts.st_mode)
    if facts.st_uid != os.geteuid():
        raise RefusedError(
            f"nothing was started: the state directory {directory} belongs to uid {facts.st_uid}, not to us",
            rule="state-directory",
            hint="run chaosd as its owner (sudo -u), or name another --state-dir",
        )
    if mode & 0o022:
        raise RefusedError(
            f"nothing was started: others may write to the state directory {directory} (mode {mode:04o})",
            rule="state-directory",
            hint=f"see that nothing in it is somebody else's, then: chmod 0700 {directory}",
        )
    if mode & 0o055:
        with suppress(OSError):  # a read-only file system: what is there can still be undone
            directory.chmod(0o700)


class StateDirectory:
    """The directory with journal, lock and socket, mode 0700. A context manager that holds the lock.

    Entering raises BusyError when another engine holds it: two engines on one journal are impossible. On a
    read-only file system the lock is held too, so that what is active can be undone.
    """

    _UNSUPPORTED = frozenset({errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.EOPNOTSUPP})
    _READ_ONLY = frozenset({errno.EROFS, errno.EACCES, errno.ENOSPC, errno.EDQUOT})

    def __init__(self, path: Path) -> None:
        self.path = path
        self._locks: list[int] = []

    @property
    def journal(self) -> Path:
        return self.path / "journal.sqlite"

    @property
    def used(self) -> bool:
        """Tell whether an engine has worked here, also when its journal has gone since."""
        return any((self.path / name).exists() for name in (self.journal.name, "identity", "undo"))

    @property
    def socket(self) -> Path:
        return self.path / "control.sock"

    @property
    def halt_file(self) -> Path:
        """Return the file that halts while it exists; its text is the reason."""
        return self.path / "HALT"

    def halt(self, reason: str) -> None:
        """Halt by that file, which needs no lock and no journal; one that is there is left. Raises ChaosdError."""
        try:
            file = os.open(
                self.halt_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
            )
        except FileExistsError:
            return
        except OSError as error:
            raise ChaosdError(
                f"not halted: {self.halt_file} cannot be made: {error.strerror}",
                hint="stop chaosd (`systemctl stop chaosd`): what is active is undone then",
            ) from error
        try:
            with suppress(OSError):  # a full disk: an empty file halts as well
                os.write(file, reason.encode())
        finally:
            os.close(file)

    @property
    def private(self) -> Path:
        return self.path / "private"

    def within_reach(self) -> Self:
        """Raise ChaosdError where it cannot be told what is in it; one that is not there yet is empty.

        What nobody may look into must not read as an all-clear.
        """
        try:
            self.journal.stat()
        except FileNotFoundError:
            if not self.path.is_symlink() or self.path.exists():
                return self
            why = "a symbolic link that leads nowhere"
        except OSError as error:
            why = str(error.strerror)
        else:
            return self
        raise ChaosdError(
            f"nothing was done: the state directory {self.path} cannot be looked into: {why}",
            hint="run this as its owner (sudo), or mount what it is on; what is outstanding there is not known",
        )

    def make(self) -> Self:
        """Create what is missing, and let nobody else look in; idempotent.

        Raises ChaosdError when that is not permitted, RefusedError when somebody else could have written there.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.private.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise ChaosdError(
                f"nothing was started: the state directory {self.path} cannot be made: {error.strerror}",
                hint="name a writable one with --state-dir or CHAOSD_STATE_DIR",
            ) from error
        for directory in (self.path, self.private):
            _expect_ours(directory)
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
        try:
            # The directory itself: unlike a lock file it cannot be removed while we are in it.
            self._take(self.path, os.O_RDONLY | os.O_DIRECTORY, self._UNSUPPORTED)
            # And a file, for file systems that lock no directories (NFS); not needed where there is no writing.
            refused = self._READ_ONLY if self._locks else frozenset[int]()
            self._take(self.path / "lock", os.O_RDWR | os.O_CREAT, refused)
        except BaseException:
            self._release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._release()  # closing drops the flock; the file stays, removing it would race

    @property
    def held(self) -> bool:
        """Tell whether this process holds the lock."""
        return bool(self._locks)

    def _take(self, path: Path, flags: int, tolerated: frozenset[int]) -> None:
        lock = -1
        try:
            lock = os.open(path, flags | os.O_CLOEXEC, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if lock >= 0:
                os.close(lock)
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES) and lock >= 0:
                raise BusyError(
                    f"nothing was started: another chaosd works in {self.path}: {said(holders(path))}",
                    hint="`chaosd status` shows what it does; wait, or name another --state-dir. If it hangs:"
                    " `kill -9`, and its guardian undoes what is active",
                ) from error
            if error.errno not in tolerated:
                raise ChaosdError(
                    f"nothing was started: the state directory {self.path} cannot be locked: {error.strerror}",
                    hint="check its permissions and free space, or name another with --state-dir",
                ) from error
        else:
            self._locks.append(lock)

    def _release(self) -> None:
        while self._locks:
            os.close(self._locks.pop())


def _taken(lock: int) -> bool:
    """Take the lock on an open file or directory; True when somebody else has it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise
        return True
    return False
