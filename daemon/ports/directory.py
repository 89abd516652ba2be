"""A directory held by its descriptor, reached from the root name by name and never through a symbolic link.

A path that was checked can be another one when it is used. So nothing is checked and then used: each name on the
way is opened relative to the directory before it, a symlink ends the walk, and changes are made relative to the
descriptor at its end. Without symlinks a path is its own real path, so an allow-list that held for the text holds
for the directory.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from daemon.core.errors import RefusedError

_ON = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Passing through a directory needs the right to search it, not to list it; macOS has another word for that.
_THROUGH = _ON | getattr(os, "O_PATH", getattr(os, "O_SEARCH", os.O_RDONLY))
_HERE = _ON | os.O_RDONLY


@contextmanager
def held(path: str) -> Iterator[int]:
    """Yield a descriptor of the directory ``path``, good inside the context.

    Raises RefusedError (rule ``changed``) when a symbolic link or ``..`` is on the way, OSError as the system does.
    """
    names = path.split("/")[1:] if path != "/" else []
    if not path.startswith("/") or any(name in ("", ".", "..") for name in names):
        raise RefusedError(f"not touched: {path} is no real path", rule="changed")
    here = os.open("/", _THROUGH if names else _HERE)
    try:
        for number, name in enumerate(names, 1):
            there = _step(here, name, _HERE if number == len(names) else _THROUGH, path)
            os.close(here)
            here = there
        yield here
    finally:
        os.close(here)


def _step(directory: int, name: str, flags: int, path: str) -> int:
    try:
        return os.open(name, flags, dir_fd=directory)
    except OSError as error:
        # The system says "too many links" or "not a directory", as it pleases: ask what stands there.
        if error.errno not in (errno.ELOOP, errno.ENOTDIR) or not _is_link(directory, name):
            raise
    raise RefusedError(
        f"not touched: {path}: {name!r} on the way is a symbolic link, which is never followed",
        rule="changed",
        hint="put the real directory back where it was, then `chaosd recover`; or name the real path",
    )


def _is_link(directory: int, name: str) -> bool:
    try:
        return stat.S_ISLNK(os.lstat(name, dir_fd=directory).st_mode)
    except OSError:
        return False
