"""The local file system: every change atomic, durable when the call returns, and never through a symbolic link."""
# The seam's paths are strings, and this is where they meet the system calls, one to one: no pathlib in between.
# ruff: noqa: PTH119, PTH120, PTH123, PTH207, PTH208

import errno
import glob
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from daemon.core.errors import ChaosdError, RefusedError, TargetAbsentError
from daemon.core.seams import FileStat
from daemon.ports.directory import held

_PERMISSION = (errno.EACCES, errno.EPERM, errno.EROFS)
_ABSENT = (errno.ENOENT, errno.ENOTDIR)
_PART_BYTES = 1 << 20
_SOMETHING_THERE = (errno.ENOTEMPTY, errno.EEXIST)
# O_NONBLOCK: a FIFO in the way must not hang us; it is refused by its kind after opening.
_LOOK = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class LocalFiles:
    """Implements ``Files``: a change is a whole new file renamed into place, so hard links keep the old one."""

    def lstat(self, path: str) -> FileStat | None:
        try:
            found = os.lstat(path)
        except OSError as error:
            if error.errno in _ABSENT:
                return None
            raise _unreadable(path, error) from None
        return FileStat(
            kind=_kind(found.st_mode),
            size=found.st_size,
            mode=stat.S_IMODE(found.st_mode),
            mtime_ns=found.st_mtime_ns,
            uid=found.st_uid,
            gid=found.st_gid,
            inode=found.st_ino,
            device=found.st_dev,
            links=found.st_nlink,
            ctime_ns=found.st_ctime_ns,
        )

    def resolve(self, path: str) -> str:
        try:
            return os.path.realpath(path)
        except OSError as error:  # a link that was replaced between seeing and reading it
            raise _unreadable(path, error) from None

    def read(self, path: str, *, offset: int = 0, limit: int = 1 << 30, straight: bool = False) -> bytes:
        try:
            descriptor = _open_straight(path) if straight else os.open(path, _LOOK)
            with open(descriptor, "rb", buffering=0) as file:
                found = os.fstat(descriptor)
                if not stat.S_ISREG(found.st_mode):
                    raise TargetAbsentError(f"not read: {path} is no regular file")
                file.seek(offset)
                return _read(descriptor, limit, expected=max(0, found.st_size - offset))
        except OSError as error:
            raise _unreadable(path, error) from None

    def names(self, directory: str) -> tuple[str, ...]:
        try:
            return tuple(sorted(os.listdir(directory)))
        except OSError as error:
            if error.errno in _ABSENT:
                return ()
            raise _unreadable(directory, error) from None

    def glob(self, pattern: str) -> tuple[str, ...]:
        # A path may hold characters that mean something in a pattern: what exists under that very name counts too,
        # and so does what we may not see: whoever looks at it next says why.
        found = set(glob.glob(pattern, include_hidden=True))
        try:
            os.lstat(pattern)
        except OSError as error:
            return tuple(sorted(found | {pattern} if error.errno in _PERMISSION else found))
        return tuple(sorted(found | {pattern}))

    def put(self, path: str, content: bytes, like: FileStat, *, temporary: str) -> None:
        with _changing(path) as (directory, name):
            beside = _beside(path, temporary)
            _write(directory, beside, content, like)
            os.rename(beside, name, src_dir_fd=directory, dst_dir_fd=directory)
            os.fsync(directory)

    def create(self, path: str, content: bytes, like: FileStat, *, temporary: str) -> bool:
        with _changing(path) as (directory, name):
            beside = _beside(path, temporary)
            _write(directory, beside, content, like)
            try:
                os.link(beside, name, src_dir_fd=directory, dst_dir_fd=directory, follow_symlinks=False)
            except FileExistsError:
                created = False
            else:
                created = True
            os.unlink(beside, dir_fd=directory)
            os.fsync(directory)
            return created

    def remove(self, path: str, *, directory_mtime_ns: int | None = None) -> bool:
        with _translated(path):
            try:
                with held(os.path.dirname(path)) as directory:
                    os.unlink(os.path.basename(path), dir_fd=directory)
                    _sync(directory, directory_mtime_ns)
            except FileNotFoundError:
                return False
            return True

    def make_directory(self, path: str, like: FileStat) -> bool:
        with _changing(path) as (directory, name):
            try:
                os.mkdir(name, 0o700, dir_fd=directory)
            except FileExistsError:
                return False
            descriptor = os.open(name, _LOOK | os.O_DIRECTORY, dir_fd=directory)
            try:
                _dress(descriptor, like)
            except OSError:
                os.rmdir(name, dir_fd=directory)  # refused must mean nothing was touched
                raise
            finally:
                os.close(descriptor)
            os.fsync(directory)
            return True

    def remove_directory(self, path: str, *, directory_mtime_ns: int | None = None) -> bool:
        with _translated(path):
            try:
                with held(os.path.dirname(path)) as directory:
                    os.rmdir(os.path.basename(path), dir_fd=directory)
                    _sync(directory, directory_mtime_ns)
            except OSError as error:
                if error.errno in (*_ABSENT, *_SOMETHING_THERE):
                    return False
                raise
            return True

    def set_mtime(self, path: str, mtime_ns: int) -> None:
        with _changing(path) as (directory, name):
            descriptor = os.open(name, _LOOK, dir_fd=directory)
            try:
                _set_mtime(descriptor, mtime_ns)
            finally:
                os.close(descriptor)


def _kind(mode: int) -> str:
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "directory"
    return "symlink" if stat.S_ISLNK(mode) else "other"


def _open_straight(path: str) -> int:
    with held(os.path.dirname(path)) as directory:
        return os.open(os.path.basename(path), _LOOK, dir_fd=directory)


def _read(descriptor: int, limit: int, *, expected: int) -> bytes:
    # Python makes room for all that is asked for: a megabyte for each small file, in every thread's own heap. One
    # byte more than expected, so that a file that grows meanwhile is read to its end.
    parts = []
    room = min(expected + 1, _PART_BYTES)
    while limit > 0 and (part := os.read(descriptor, min(limit, room))):
        parts.append(part)
        limit -= len(part)
        room = _PART_BYTES if len(part) == room else room
    return b"".join(parts)


def _beside(path: str, temporary: str) -> str:
    """Return the temporary's name; it lies in the directory we hold, or nowhere."""
    if os.path.dirname(path) != os.path.dirname(temporary):
        raise ValueError(f"{temporary} is not beside {path}")
    return os.path.basename(temporary)


def _write(directory: int, name: str, content: bytes, like: FileStat) -> None:
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=directory)  # left by a crash, perhaps read-only: it cannot be opened for writing
    descriptor = os.open(name, _WRITE, 0o600, dir_fd=directory)
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        _dress(descriptor, like)
    except OSError:
        os.unlink(name, dir_fd=directory)
        raise
    finally:
        os.close(descriptor)


def _dress(descriptor: int, like: FileStat) -> None:
    """Give mode, owner and mtime, and make it durable; the owner first, because chown clears bits of the mode."""
    own = os.fstat(descriptor)
    if (own.st_uid, own.st_gid) != (like.uid, like.gid):
        os.fchown(descriptor, like.uid, like.gid)
    os.fchmod(descriptor, like.mode)
    _set_mtime(descriptor, like.mtime_ns)


def _set_mtime(descriptor: int, mtime_ns: int) -> None:
    os.utime(descriptor, ns=(os.fstat(descriptor).st_atime_ns, mtime_ns))
    os.fsync(descriptor)


def _sync(directory: int, mtime_ns: int | None) -> None:
    if mtime_ns is None:
        os.fsync(directory)
    else:
        _set_mtime(directory, mtime_ns)


@contextmanager
def _changing(path: str) -> Iterator[tuple[int, str]]:
    """Hold the directory of what is changed and yield it with the name in it."""
    with _translated(path), held(os.path.dirname(path)) as directory:
        yield directory, os.path.basename(path)


@contextmanager
def _translated(path: str) -> Iterator[None]:
    """Translate what the system says when a change fails."""
    try:
        yield
    except OSError as error:
        if error.errno in _PERMISSION:
            raise RefusedError(
                f"not changed: {path}: {_reason(error)}",
                rule="permission",
                hint="run chaosd as the user who owns the repository, or as root",
            ) from None
        if error.errno in _ABSENT:
            raise TargetAbsentError(f"not changed: {path}: {_reason(error)}") from None
        if error.errno == errno.ELOOP:
            raise RefusedError(f"not changed: {path} is a symbolic link", rule="changed") from None
        raise ChaosdError(
            f"not changed: {path}: {_reason(error)}",
            hint="free space or repair the file system, then `chaosd recover`",
        ) from None


def _unreadable(path: str, error: OSError) -> TargetAbsentError:
    if error.errno in _PERMISSION:
        hint = "run chaosd as the user who owns the repository, or as root"
    elif error.errno == errno.ELOOP:
        return TargetAbsentError(f"not read: {path} is a symbolic link")
    else:
        hint = "check the path"
    return TargetAbsentError(f"not read: {path}: {_reason(error)}", hint=hint)


def _reason(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()
