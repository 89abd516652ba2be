"""The file system as a seam: what is asked of it, as a protocol. ``daemon.core.seams`` passes these names on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class FileStat:
    """What ``lstat`` says. ``kind`` is ``file``, ``directory``, ``symlink`` or ``other``.

    ``ctime_ns`` cannot be set by anyone: with the inode it tells a cache that a content may be new.
    """

    kind: str
    size: int
    mode: int
    mtime_ns: int
    uid: int
    gid: int
    inode: int
    links: int
    ctime_ns: int = 0
    device: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """The file system a path is on: what is free for a plain user, all there is, which it is, of what kind.

    ``device`` is that of ``FileStat``, ``kind`` the kernel's name for it (``ext4``, ``tmpfs``), empty when unknown.
    """

    free_bytes: int
    total_bytes: int
    free_inodes: int
    total_inodes: int
    device: int
    kind: str


@dataclass(frozen=True, slots=True)
class Piece:
    """A few bytes of a file: where, what they are, and what they become (the same number)."""

    offset: int
    old: bytes
    new: bytes


class Files(Protocol):
    """The file system. Paths are absolute strings; every change is durable (fsynced) when the call returns.

    What changes something takes real paths: a symbolic link or ``..`` on the way is a RefusedError (rule
    ``changed``), and a directory that is swapped for a link meanwhile is not followed.
    """

    def lstat(self, path: str) -> FileStat | None: ...
    def resolve(self, path: str) -> str:
        """Return the real path, all symlinks followed; parts that do not exist are kept."""
        ...

    def read(self, path: str, *, offset: int = 0, limit: int = 1 << 30, straight: bool = False) -> bytes:
        """Return at most ``limit`` bytes of a regular file from ``offset``, never following a symlink.

        ``straight``: nor one on the way to it, which then is a RefusedError; for what is kept or put back.
        Raises TargetAbsentError when it is absent, unreadable or no regular file.
        """
        ...

    def names(self, directory: str) -> tuple[str, ...]:
        """Return the sorted names in a directory; empty when it is absent."""
        ...

    def glob(self, pattern: str) -> tuple[str, ...]:
        """Return the existing paths that match, sorted; what exists under that very name is the only one."""
        ...

    def put(self, path: str, content: bytes, like: FileStat, *, temporary: str) -> None:
        """Replace or create ``path`` atomically with mode, owner and mtime of ``like``.

        Writes ``temporary`` (same directory) first and renames it, so other hard links keep the old content.
        A ``temporary`` left by a crash is overwritten.
        """
        ...

    def create(self, path: str, content: bytes, like: FileStat, *, temporary: str) -> bool:
        """Create ``path`` atomically and only if it is absent; False when something is there already."""
        ...

    def remove(self, path: str, *, directory_mtime_ns: int | None = None) -> bool:
        """Unlink; False when it was not there.

        ``directory_mtime_ns`` is given back to the directory in the same step: whoever finds the file gone and
        that mtime knows that chaosd removed it, not somebody else.
        """
        ...

    def make_directory(self, path: str, like: FileStat) -> bool:
        """Make one directory with mode, owner and mtime of ``like``; False when something is there already."""
        ...

    def remove_directory(self, path: str, *, directory_mtime_ns: int | None = None) -> bool:
        """Remove an empty directory (``directory_mtime_ns`` as for ``remove``); False when absent or not empty."""
        ...

    def set_mtime(self, path: str, mtime_ns: int) -> None:
        """Set the mtime of a file or directory; the atime stays."""
        ...

    def link_target(self, path: str) -> str:
        """Return what a symbolic link says; raises TargetAbsentError when it is none."""
        ...

    def free_bytes(self, path: str) -> tuple[int, int]:
        """Return the bytes that are free for a plain user on the path's file system, and its size."""
        ...

    def move(self, source: str, destination: str) -> bool:
        """Give a node another name on the same file system; its inode, content and times stay.

        False when the source is gone or something is at the destination. A file may be found under both names
        after a crash, a directory under one of them.
        """
        ...

    def patch(self, path: str, like: FileStat, pieces: Sequence[Piece], *, shared: bool = False) -> bool:
        """Write bytes into the file in place, and give it mode, owner and mtime of ``like``.

        False, and nothing is touched, when it has another inode than ``like`` or a byte that is neither the old
        nor the new one. Raises RefusedError (rule ``shared``) when it has other hard links and may not.
        """
        ...

    def duplicate(self, source: str, path: str, pieces: Sequence[Piece], like: FileStat, *, temporary: str) -> bool:
        """Create ``path`` as a copy of ``source`` with other bytes; False when something is there already."""
        ...

    def make_special(self, path: str, what: str, like: FileStat, *, temporary: str) -> bool:
        """Create ``symlink:TARGET``, ``fifo``, ``sparse:BYTES`` or ``ballast`` (all the room), as ``create``."""
        ...

    def dress(self, path: str, like: FileStat) -> None:
        """Give a file or directory mode, owner and mtime of ``like``, however unreadable it is."""
        ...

    def room(self, path: str) -> Room:
        """Return what is free where a path is; raises TargetAbsentError when there is none."""
        ...

    def ballast(self, directory: str, number: int, size: int) -> int:
        """Take so many bytes with one file of ours in a directory; returns those taken: fewer, if no more are free.

        One of that number that is there already is made anew.
        """
        ...

    def litter(self, directory: str, first: int, count: int) -> int:
        """Make empty files of ours, numbered; returns how many were made, fewer when there are no inodes."""
        ...

    def clear(self, directory: str) -> int:
        """Remove what ``ballast`` and ``litter`` made in a directory; returns how many files. Idempotent."""
        ...
