"""The local file system: every change atomic, durable when the call returns, and never through a symbolic link."""
# The seam's paths are strings, and this is where they meet the system calls, one to one: no pathlib in between.
# ruff: noqa: PTH119, PTH120, PTH123, PTH207, PTH208

import glob
import os
import stat

from daemon.core.errors import TargetAbsentError
from daemon.core.seams import FileStat
from daemon.ports import changing
from daemon.ports.ballast import LocalBallast
from daemon.ports.changing import ABSENT, LOOK, PERMISSION, SOMETHING_THERE
from daemon.ports.directory import held
from daemon.ports.nodes import LocalNodes


class LocalFiles(LocalNodes, LocalBallast):
    """Implements ``Files``: a change is a whole new file renamed into place, so hard links keep the old one."""

    def lstat(self, path: str) -> FileStat | None:
        try:
            found = os.lstat(path)
        except OSError as error:
            if error.errno in ABSENT:
                return None
            raise changing.unreadable(path, error) from None
        return FileStat(
            kind=changing.kind_of(found.st_mode),
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
            raise changing.unreadable(path, error) from None

    def read(self, path: str, *, offset: int = 0, limit: int = 1 << 30, straight: bool = False) -> bytes:
        try:
            descriptor = changing.open_straight(path) if straight else os.open(path, LOOK)
            with open(descriptor, "rb", buffering=0) as file:
                found = os.fstat(descriptor)
                if not stat.S_ISREG(found.st_mode):
                    raise TargetAbsentError(f"not read: {path} is no regular file")
                file.seek(offset)
                return changing.read_all(descriptor, limit, expected=max(0, found.st_size - offset))
        except OSError as error:
            raise changing.unreadable(path, error) from None

    def names(self, directory: str) -> tuple[str, ...]:
        try:
            return tuple(sorted(os.listdir(directory)))
        except OSError as error:
            if error.errno in ABSENT:
                return ()
            raise changing.unreadable(directory, error) from None

    def glob(self, pattern: str) -> tuple[str, ...]:
        # A path may hold characters that mean something in a pattern: what exists under that very name is what is
        # meant. What we may not see counts as well: whoever looks at it next says why.
        hidden = False
        try:
            os.lstat(pattern)
        except OSError as error:
            hidden = error.errno in PERMISSION
        else:
            return (pattern,)
        found = set(glob.glob(pattern, include_hidden=True))
        return tuple(sorted(found | {pattern} if hidden else found))

    def put(self, path: str, content: bytes, like: FileStat, *, temporary: str) -> None:
        with changing.changing(path) as (directory, name):
            beside = changing.beside(path, temporary)
            changing.write_new(directory, beside, content, like)
            os.rename(beside, name, src_dir_fd=directory, dst_dir_fd=directory)
            os.fsync(directory)

    def create(self, path: str, content: bytes, like: FileStat, *, temporary: str) -> bool:
        with changing.changing(path) as (directory, name):
            beside = changing.beside(path, temporary)
            changing.write_new(directory, beside, content, like)
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
        with changing.translated(path):
            try:
                with held(os.path.dirname(path)) as directory:
                    os.unlink(os.path.basename(path), dir_fd=directory)
                    changing.sync_directory(directory, directory_mtime_ns)
            except FileNotFoundError:
                return False
            return True

    def make_directory(self, path: str, like: FileStat) -> bool:
        with changing.changing(path) as (directory, name):
            try:
                os.mkdir(name, 0o700, dir_fd=directory)
            except FileExistsError:
                return False
            descriptor = os.open(name, LOOK | os.O_DIRECTORY, dir_fd=directory)
            try:
                changing.dress(descriptor, like)
            except OSError:
                os.rmdir(name, dir_fd=directory)  # refused must mean nothing was touched
                raise
            finally:
                os.close(descriptor)
            os.fsync(directory)
            return True

    def remove_directory(self, path: str, *, directory_mtime_ns: int | None = None) -> bool:
        with changing.translated(path):
            try:
                with held(os.path.dirname(path)) as directory:
                    os.rmdir(os.path.basename(path), dir_fd=directory)
                    changing.sync_directory(directory, directory_mtime_ns)
            except OSError as error:
                if error.errno in (*ABSENT, *SOMETHING_THERE):
                    return False
                raise
            return True

    def set_mtime(self, path: str, mtime_ns: int) -> None:
        with changing.changing(path) as (directory, name):
            descriptor = os.open(name, LOOK, dir_fd=directory)
            try:
                changing.set_mtime(descriptor, mtime_ns)
            finally:
                os.close(descriptor)
