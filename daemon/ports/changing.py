"""What every change of the file system is made of: a held directory, a dressed new file, translated errors."""
# The seam's paths are strings, and this is where they meet the system calls, one to one: no pathlib in between.
# ruff: noqa: PTH119, PTH120

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from daemon.core.errors import ChaosdError, RefusedError, TargetAbsentError
from daemon.core.seams import FileStat
from daemon.ports.directory import held

PERMISSION = (errno.EACCES, errno.EPERM, errno.EROFS)
ABSENT = (errno.ENOENT, errno.ENOTDIR)
_PART_BYTES = 1 << 20
SOMETHING_THERE = (errno.ENOTEMPTY, errno.EEXIST)
# O_NONBLOCK: a FIFO in the way must not hang us; it is refused by its kind after opening.
LOOK = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def kind_of(mode: int) -> str:
    """Return the kind of what has this mode."""
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "directory"
    return "symlink" if stat.S_ISLNK(mode) else "other"


def open_straight(path: str) -> int:
    """Open a file to which no symbolic link leads."""
    with held(os.path.dirname(path)) as directory:
        return os.open(os.path.basename(path), LOOK, dir_fd=directory)


def read_all(descriptor: int, limit: int, *, expected: int) -> bytes:
    """Read until the end or the limit."""
    # Python makes room for all that is asked for: a megabyte for each small file, in every thread's own heap. One
    # byte more than expected, so that a file that grows meanwhile is read to its end.
    parts = []
    room = min(expected + 1, _PART_BYTES)
    while limit > 0 and (part := os.read(descriptor, min(limit, room))):
        parts.append(part)
        limit -= len(part)
        room = _PART_BYTES if len(part) == room else room
    return b"".join(parts)


def beside(path: str, temporary: str) -> str:
    """Return the temporary's name; it lies in the directory we hold, or nowhere."""
    if os.path.dirname(path) != os.path.dirname(temporary):
        raise ValueError(f"{temporary} is not beside {path}")
    return os.path.basename(temporary)


def write_new(directory: int, name: str, content: bytes, like: FileStat) -> None:
    """Make a file in a held directory, in place of what a crash left there."""
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=directory)  # left by a crash, perhaps read-only: it cannot be opened for writing
    descriptor = os.open(name, _WRITE, 0o600, dir_fd=directory)
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        dress(descriptor, like)
    except OSError:
        os.unlink(name, dir_fd=directory)
        raise
    finally:
        os.close(descriptor)


def dress(descriptor: int, like: FileStat) -> None:
    """Give mode, owner and mtime, and make it durable; the owner first, because chown clears bits of the mode."""
    own = os.fstat(descriptor)
    if (own.st_uid, own.st_gid) != (like.uid, like.gid):
        os.fchown(descriptor, like.uid, like.gid)
    os.fchmod(descriptor, like.mode)
    set_mtime(descriptor, like.mtime_ns)


def set_mtime(descriptor: int, mtime_ns: int) -> None:
    """Set the mtime, durably."""
    os.utime(descriptor, ns=(os.fstat(descriptor).st_atime_ns, mtime_ns))
    os.fsync(descriptor)


def sync_directory(directory: int, mtime_ns: int | None) -> None:
    """Make a change of a directory durable, with the mtime given."""
    if mtime_ns is None:
        os.fsync(directory)
    else:
        set_mtime(directory, mtime_ns)


@contextmanager
def changing(path: str) -> Iterator[tuple[int, str]]:
    """Hold the directory of what is changed and yield it with the name in it."""
    with translated(path), held(os.path.dirname(path)) as directory:
        yield directory, os.path.basename(path)


@contextmanager
def translated(path: str) -> Iterator[None]:
    """Translate what the system says when a change fails."""
    try:
        yield
    except OSError as error:
        if error.errno in PERMISSION:
            raise RefusedError(
                f"not changed: {path}: {reason(error)}",
                rule="permission",
                hint="run chaosd as the user who owns the repository, or as root",
            ) from None
        if error.errno in ABSENT:
            raise TargetAbsentError(f"not changed: {path}: {reason(error)}") from None
        if error.errno == errno.ELOOP:
            raise RefusedError(f"not changed: {path} is a symbolic link", rule="changed") from None
        raise ChaosdError(
            f"not changed: {path}: {reason(error)}",
            hint="free space or repair the file system, then `chaosd recover`",
        ) from None


def unreadable(path: str, error: OSError) -> TargetAbsentError:
    """Translate what the system says when a look fails."""
    if error.errno in PERMISSION:
        hint = "run chaosd as the user who owns the repository, or as root"
    elif error.errno == errno.ELOOP:
        return TargetAbsentError(f"not read: {path} is a symbolic link")
    else:
        hint = "check the path"
    return TargetAbsentError(f"not read: {path}: {reason(error)}", hint=hint)


def reason(error: OSError) -> str:
    """Return what the system says, in lower case."""
    return (error.strerror or type(error).__name__).lower()
