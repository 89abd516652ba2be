"""Where a clone stood, so that an undo never mistakes another place for it: boot, devices, directories.

An undo record may be older than the world it is carried out in. What can be told apart is told apart; what cannot
is an UndoFailedError that says what to do, never a guess (docs/guide.md, "When the world has changed").
"""

import posixpath
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

from daemon.core.errors import UndoFailedError
from daemon.core.model import Json
from daemon.core.seams import FileStat, World

_WRITTEN_ONCE = ("description", "commondir")  # by git itself, when a clone or a linked work tree is made
_SIBLINGS_MAX = 10_000
_SETTLE = "if it is gone for good, look at what is there now and close the case with `chaosd settle`"


class Standing(StrEnum):
    """What became of the place."""

    SAME = "same"
    GONE = "is gone"
    REPLACED = "was replaced"


def note(git_dir: str, world: World) -> dict[str, Json]:
    """Return what identifies the place now, as data for the undo record."""
    found = ((path, world.files.lstat(path)) for path in _upwards(git_dir))
    written = ((name, world.files.lstat(posixpath.join(git_dir, name))) for name in _WRITTEN_ONCE)
    return {
        "written": next(([name, stat.mtime_ns, stat.size] for name, stat in written if stat is not None), None),
        "boot": world.boot,
        "path": [[path, stat.device, stat.inode] for path, stat in found if stat is not None],
    }


def look(noted: Mapping[str, Any], world: World) -> Standing:
    """Say whether the place still is what it was; raises UndoFailedError when that cannot be told."""
    known = {path: (device, inode) for path, device, inode in noted["path"]}
    if noted["boot"] and world.boot and noted["boot"] != world.boot:
        return _after_a_boot(known, world)
    for path in reversed(known):  # from the root down: the first difference is the one that explains the others
        now = world.files.lstat(path)
        if now is None:
            _expect_no_mount_point(path, known)
            _expect_not_moved(path, known, world)
            return Standing.GONE
        if now.device != known[path][0]:
            raise _other_file_system(path)
        if now.inode != known[path][1]:
            return Standing.REPLACED  # by a worker that cloned anew, wherever it put the old one
    return Standing.SAME


def made_anew(git_dir: str, noted: Mapping[str, Any], world: World) -> bool:
    """Tell whether a repository with the noted inodes was made since all the same.

    A file system gives the inodes of what was deleted to what is made next: after ``rm -rf`` and ``git clone``,
    ext4 mostly gives the same ones to the same directories.
    """
    if not noted.get("written"):
        return False
    name, mtime_ns, size = noted["written"]
    now = world.files.lstat(posixpath.join(git_dir, name))
    return now is not None and now.size == size and now.mtime_ns != mtime_ns


def _upwards(path: str) -> Iterator[str]:
    while True:
        yield path
        if path == (above := posixpath.dirname(path)):
            return
        path = above


def _after_a_boot(known: Mapping[str, tuple[int, int]], world: World) -> Standing:
    """Files survive a boot, device numbers do not: a directory is itself when clone and .git kept their inodes."""
    for path in list(known)[:2]:
        now = world.files.lstat(path)
        if now is None or now.inode != known[path][1]:
            what = "is not there" if now is None else "is another directory"
            raise UndoFailedError(
                f"not taken back: the machine was started anew since, and {path} {what}: not mounted yet, or gone?",
                hint=f"mount what was there, then `chaosd recover`; {_SETTLE}",
            )
    return Standing.SAME


def _expect_no_mount_point(path: str, known: Mapping[str, tuple[int, int]]) -> None:
    above = known.get(posixpath.dirname(path))
    if above is not None and above[0] != known[path][0]:
        raise _other_file_system(path)


def _expect_not_moved(path: str, known: Mapping[str, tuple[int, int]], world: World) -> None:
    above = posixpath.dirname(path)
    for name in world.files.names(above)[:_SIBLINGS_MAX]:
        beside = posixpath.join(above, name)
        if _is(world.files.lstat(beside), known[path]):
            raise UndoFailedError(
                f"not taken back: {path} was moved to {beside}, and what chaosd did to it with it",
                hint=f"move it back, then `chaosd recover`; {_SETTLE}",
            )


def _is(now: FileStat | None, known: tuple[int, int]) -> bool:
    return now is not None and now.kind == "directory" and (now.device, now.inode) == known


def _other_file_system(path: str) -> UndoFailedError:
    return UndoFailedError(
        f"not taken back: another file system is at {path} than when the fault was injected",
        hint=f"mount what was there, then `chaosd recover`; {_SETTLE}",
    )
