"""Changes of the file system that are no new content of a file: moves, bytes in place, special files, dress."""
# The seam's paths are strings, and this is where they meet the system calls, one to one: no pathlib in between.
# ruff: noqa: PTH101, PTH119, PTH120, PTH123

import errno
import os
import stat
from collections.abc import Sequence
from contextlib import suppress

from daemon.core.errors import ChaosdError, RefusedError, TargetAbsentError
from daemon.core.seams import FileStat, Piece
from daemon.ports import changing
from daemon.ports.directory import held

_CHUNK_BYTES = 1 << 20
_MARGIN_BYTES = 1 << 16


class LocalNodes:
    """The part of ``Files`` that deals in whole nodes and in single bytes."""

    def link_target(self, path: str) -> str:
        try:
            with held(os.path.dirname(path)) as directory:
                return os.readlink(os.path.basename(path), dir_fd=directory)
        except OSError as error:
            raise changing.unreadable(path, error) from None

    def free_bytes(self, path: str) -> tuple[int, int]:
        try:
            found = os.statvfs(path)
        except OSError as error:
            raise changing.unreadable(path, error) from None
        return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize

    def move(self, source: str, destination: str) -> bool:
        try:
            with changing.changing(source) as (here, old), changing.changing(destination) as (there, new):
                if _there(there, new):
                    return False
                if stat.S_ISDIR(os.lstat(old, dir_fd=here).st_mode):
                    os.rename(old, new, src_dir_fd=here, dst_dir_fd=there)  # never onto one that is not empty
                else:
                    os.link(old, new, src_dir_fd=here, dst_dir_fd=there, follow_symlinks=False)
                    os.unlink(old, dir_fd=here)
                os.fsync(here)
                os.fsync(there)
        except TargetAbsentError:
            return False
        return True

    def patch(self, path: str, like: FileStat, pieces: Sequence[Piece], *, shared: bool = False) -> bool:
        with changing.changing(path) as (directory, name):
            try:
                own = os.lstat(name, dir_fd=directory)
            except FileNotFoundError:
                return False
            if not stat.S_ISREG(own.st_mode) or own.st_ino != like.inode:
                return False
            if own.st_nlink > 1 and not shared:
                raise RefusedError(f"not changed: {path} has {own.st_nlink} hard links", rule="shared")
            descriptor = os.open(name, changing.LOOK, dir_fd=directory)
            try:
                if os.fstat(descriptor).st_ino != like.inode or not _hold(descriptor, pieces):
                    return False
            finally:
                os.close(descriptor)
            descriptor = _open_to_write(directory, name, own.st_mode)
            try:
                for piece in pieces:
                    os.pwrite(descriptor, piece.new, piece.offset)
            finally:
                changing.dress(descriptor, like)
                os.close(descriptor)
            return True

    def duplicate(self, source: str, path: str, pieces: Sequence[Piece], like: FileStat, *, temporary: str) -> bool:
        with changing.changing(path) as (directory, name), held(os.path.dirname(source)) as there:
            aside = changing.beside(path, temporary)
            reading = os.open(os.path.basename(source), changing.LOOK, dir_fd=there)
            with open(reading, "rb", buffering=0) as original:
                changing.write_new(directory, aside, b"", like)
                writing = _open_to_write(directory, aside, like.mode)
                try:
                    while part := original.read(_CHUNK_BYTES):
                        os.write(writing, part)
                    for piece in pieces:
                        os.pwrite(writing, piece.new, piece.offset)
                    changing.dress(writing, like)
                finally:
                    os.close(writing)
            return _link_into_place(directory, aside, name)

    def make_special(self, path: str, what: str, like: FileStat, *, temporary: str) -> bool:
        with changing.changing(path) as (directory, name):
            aside = changing.beside(path, temporary)
            with suppress(FileNotFoundError):
                os.unlink(aside, dir_fd=directory)
            _make(directory, aside, what, like)
            return _link_into_place(directory, aside, name)

    def dress(self, path: str, like: FileStat) -> None:
        with changing.changing(path) as (directory, name):
            # O_PATH: the mode may be what forbids to open it.
            descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
            try:
                own, handle = os.fstat(descriptor), f"/proc/self/fd/{descriptor}"
                if stat.S_ISLNK(own.st_mode):
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                if (own.st_uid, own.st_gid) != (like.uid, like.gid):
                    os.chown(handle, like.uid, like.gid)
                os.chmod(handle, like.mode)
                os.utime(handle, ns=(own.st_atime_ns, like.mtime_ns))
                os.fsync(directory)
            finally:
                os.close(descriptor)


def _there(directory: int, name: str) -> bool:
    try:
        os.lstat(name, dir_fd=directory)
    except FileNotFoundError:
        return False
    return True


def _hold(descriptor: int, pieces: Sequence[Piece]) -> bool:
    """Tell whether every byte is the old one, or already the new one: a crash may have left a mixture."""
    for piece in pieces:
        now = os.pread(descriptor, len(piece.new), piece.offset)
        if len(now) != len(piece.new) or any(
            b not in pair for b, *pair in zip(now, piece.old, piece.new, strict=True)
        ):
            return False
    return True


def _open_to_write(directory: int, name: str, mode: int) -> int:
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(name, flags, dir_fd=directory)
    except PermissionError:
        os.chmod(name, stat.S_IMODE(mode) | stat.S_IWUSR, dir_fd=directory)  # git's packs and objects are read-only
        return os.open(name, flags, dir_fd=directory)


def _link_into_place(directory: int, aside: str, name: str) -> bool:
    try:
        os.link(aside, name, src_dir_fd=directory, dst_dir_fd=directory, follow_symlinks=False)
    except FileExistsError:
        made = False
    else:
        made = True
    os.unlink(aside, dir_fd=directory)
    os.fsync(directory)
    return made


def _make(directory: int, name: str, what: str, like: FileStat) -> None:
    kind, _, argument = what.partition(":")
    if kind == "symlink":
        os.symlink(argument, name, dir_fd=directory)
        os.chown(name, like.uid, like.gid, dir_fd=directory, follow_symlinks=False)
        os.utime(name, ns=(like.mtime_ns, like.mtime_ns), dir_fd=directory, follow_symlinks=False)
        return
    if kind == "fifo":
        os.mkfifo(name, 0o600, dir_fd=directory)
        os.chown(name, like.uid, like.gid, dir_fd=directory, follow_symlinks=False)
        os.chmod(name, like.mode, dir_fd=directory)
        os.utime(name, ns=(like.mtime_ns, like.mtime_ns), dir_fd=directory, follow_symlinks=False)
        return
    changing.write_new(directory, name, b"", like)
    descriptor = _open_to_write(directory, name, like.mode)
    try:
        if kind == "sparse":
            os.ftruncate(descriptor, int(argument))
        elif kind == "ballast":
            _fill(descriptor)
        else:
            raise ChaosdError(f"not made: {what!r} is nothing we know")
        changing.dress(descriptor, like)
    finally:
        os.close(descriptor)


def _fill(descriptor: int) -> None:
    """Take all the room that is left on the file system, the last block included."""
    end, step = 0, 1 << 30
    while step >= _MARGIN_BYTES // 64:
        try:
            os.posix_fallocate(descriptor, end, step)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            step //= 2
        else:
            end += step
