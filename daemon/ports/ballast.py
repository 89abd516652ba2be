"""Room on a file system: how much there is, and files of ours that take it, or its inodes, away."""
# The seam's paths are strings, and this is where they meet the system calls, one to one: no pathlib in between.
# ruff: noqa: PTH208

import errno
import os
import re
import stat

from daemon.core.filesystem import Room
from daemon.ports import changing
from daemon.ports.directory import held
from daemon.ports.mounts import mounts

_OURS = re.compile(r"(?:ballast|inode)-\d+")
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class LocalBallast:
    """The part of ``Files`` that fills file systems. What it makes is durable only together: nobody needs it."""

    def room(self, path: str) -> Room:
        try:
            found, facts = os.statvfs(path), os.stat(path)  # noqa: PTH116
        except OSError as error:
            raise changing.unreadable(path, error) from None
        return Room(
            free_bytes=found.f_bavail * found.f_frsize,
            total_bytes=found.f_blocks * found.f_frsize,
            free_inodes=found.f_favail,
            total_inodes=found.f_files,
            device=facts.st_dev,
            kind=_kind(facts.st_dev),
        )

    def ballast(self, directory: str, number: int, size: int) -> int:
        name = f"ballast-{number}"
        with changing.translated(directory), held(directory) as here:
            if name in os.listdir(here):
                os.unlink(name, dir_fd=here)
            descriptor = os.open(name, _NEW, 0o600, dir_fd=here)
            try:
                return _take(descriptor, size)
            finally:
                os.close(descriptor)

    def litter(self, directory: str, first: int, count: int) -> int:
        made = 0
        with changing.translated(directory), held(directory) as here:
            for number in range(first, first + count):
                try:
                    os.close(os.open(f"inode-{number}", _NEW & ~os.O_EXCL, 0o600, dir_fd=here))
                except OSError as error:
                    if error.errno not in _NO_ROOM:
                        raise
                    break
                made += 1
        return made

    def clear(self, directory: str) -> int:
        removed = 0
        with changing.translated(directory):
            try:
                with held(directory) as here:
                    for name in os.listdir(here):
                        if _OURS.fullmatch(name) and stat.S_ISREG(os.lstat(name, dir_fd=here).st_mode):
                            os.unlink(name, dir_fd=here)
                            removed += 1
                    os.fsync(here)
            except FileNotFoundError:
                return 0
        return removed


def _take(descriptor: int, size: int) -> int:
    """Take the room at once where the file system can; a refusal takes nothing, so less is tried."""
    while size > 0:
        try:
            os.posix_fallocate(descriptor, 0, size)
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            os.ftruncate(descriptor, 0)
            size //= 2
        else:
            return size
    return 0


def _kind(device: int) -> str:
    number = f"{os.major(device)}:{os.minor(device)}"
    return next((mount.kind for mount in mounts() if mount.device == number), "")
