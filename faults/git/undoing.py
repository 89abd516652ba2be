"""Take back what is no content of a file: moves, things made, modes and owners, bytes in place, processes."""

import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from daemon.core.errors import UndoFailedError
from daemon.core.model import Outcome
from daemon.core.seams import FileStat, Piece, World
from faults.git.kinds import Dress, Edit, Hold, Make, Move, Patch, creates
from faults.git.looks import directory_now, remove
from faults.git.records import Directory, Record, digest

GONE = "absent"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one edit; ``before`` and ``now`` stand for what was there and what is.

    ``partly``: superseded only in part, the rest was taken back by us.
    """

    edit: Edit
    outcome: Outcome
    before: str
    now: str
    note: str = ""
    partly: bool = False


def revert(record: Record, edit: Edit, world: World) -> Result:
    """Take one edit back if its effect still is as we left it; idempotent."""
    return _BACK[type(edit)](record, edit, world)


def post(record: Record, world: World) -> None:
    """Post the sentinel: from now on, until it is gone, what is missing was removed by us."""
    if record.sentinel:
        like = next((edit.like for edit in record.edits if not isinstance(edit, Move | Dress | Patch | Hold)), None)
        if like is not None:
            like = replace(like, mode=0o644)
            world.files.put(record.sentinel, record.mark, like, temporary=record.sentinel_temporary)


def who_removed(record: Record, edit: Edit, world: World) -> Outcome:
    """Tell whether something we made and that is gone was removed by us."""
    if record.sentinel and world.files.lstat(record.sentinel) is not None:
        return Outcome.RESTORED
    if _may_be_unmade(record, edit, world):
        return Outcome.UNTOUCHED
    nearest = _nearest(record, edit)
    if nearest is None:  # its directory was taken away while the record was made: not by us
        return Outcome.SUPERSEDED
    same = directory_now(world, nearest.path).mtime_ns == nearest.mtime_ns
    return Outcome.UNTOUCHED if same else Outcome.SUPERSEDED


def _nearest(record: Record, edit: Edit) -> Directory | None:
    """Return the innermost directory above an edit that was there before."""
    above = [d for d in record.directories if edit.path.startswith(f"{d.path}/")]
    return max(above, key=lambda directory: len(directory.path), default=None)


def _may_be_unmade(record: Record, edit: Edit, world: World) -> bool:
    """Tell whether injecting may have died before it: then our own changes are why its directory has another time.

    What was moved away from its place is away still, or another thing that we made stands: beside it, or a
    directory that was made for it, or beside that.
    """
    moved = [other for other in record.edits if isinstance(other, Move)]
    away = [other.kept for other in moved if f"{edit.path}/".startswith(f"{other.path}/")]
    nearest = _nearest(record, edit)
    beside = {posixpath.dirname(edit.path), nearest.path if nearest else ""}
    ours = (*record.made, *(other.path for other in record.edits if other is not edit and creates(other)))
    around = [path for path in ours if posixpath.dirname(path) in beside or edit.path.startswith(f"{path}/")]
    return any(world.files.lstat(path) is not None for path in (*away, *around))


def _move(_record: Record, edit: Move, world: World) -> Result:
    files, was = world.files, f"inode {edit.stat.inode}"
    kept, now = files.lstat(edit.kept), files.lstat(edit.path)
    if not _same(kept, edit.stat):
        if not _same(now, edit.stat):
            raise UndoFailedError(
                f"not taken back: what was at {edit.path} is neither there nor at {edit.kept}, where it was kept",
                hint="somebody removed it; see what was lost, then close the case with `chaosd settle`",
            )
        return Result(edit, Outcome.UNTOUCHED, was, _inode(now))
    if now is not None and _same(now, edit.stat) and edit.stat.kind == "file":
        files.remove(edit.kept)
        return Result(edit, Outcome.RESTORED, was, was)
    directory = posixpath.dirname(edit.path)
    above = files.lstat(posixpath.dirname(directory))
    if now is None and above is not None:
        files.make_directory(directory, above)  # git removes an object directory that has become empty
        if files.move(edit.kept, edit.path):
            return Result(edit, Outcome.RESTORED, was, _inode(files.lstat(edit.path)))
    return Result(
        edit, Outcome.SUPERSEDED, was, _inode(files.lstat(edit.path)), f"what was there is kept as {edit.kept}"
    )


def _make(record: Record, edit: Make, world: World) -> Result:
    now = world.files.lstat(edit.path)
    if now is None:
        return Result(edit, who_removed(record, edit, world), GONE, GONE)
    if not is_ours(edit, now, world):
        return Result(edit, Outcome.SUPERSEDED, GONE, _inode(now))
    if edit.what != "ballast":  # which has taken the block that the sentinel needs
        post(record, world)
    if edit.what == "directory":
        if not world.files.remove_directory(edit.path):
            return Result(edit, Outcome.SUPERSEDED, GONE, _inode(now), "it is not empty")
    else:
        remove(record, edit.path, world)
    return Result(edit, Outcome.RESTORED, GONE, GONE)


def is_ours(edit: Make, now: FileStat, world: World) -> bool:
    """Tell whether what is there is what we made."""
    what, _, argument = edit.what.partition(":")
    if what == "directory":
        return now.kind == "directory"
    if what == "symlink":
        return now.kind == "symlink" and world.files.link_target(edit.path) == argument
    if what == "fifo":
        return now.kind == "other"
    return now.kind == "file" and now.mtime_ns == edit.like.mtime_ns


def _dress(_record: Record, edit: Dress, world: World) -> Result:
    now, was = world.files.lstat(edit.path), _shown(edit.before)
    if now is None or (now.kind, now.inode) != (edit.before.kind, edit.before.inode):
        return Result(edit, Outcome.SUPERSEDED, was, GONE if now is None else _shown(now))
    if _shown(now) == was:
        return Result(edit, Outcome.UNTOUCHED, was, was)
    if not _between(edit, now):
        return Result(edit, Outcome.SUPERSEDED, was, _shown(now))
    world.files.dress(edit.path, replace(edit.before, mtime_ns=now.mtime_ns))
    return Result(edit, Outcome.RESTORED, was, was)


def _between(edit: Dress, now: FileStat) -> bool:
    """Owner and mode are two system calls, and a change of owner clears bits of the mode."""
    owners = {(stat.uid, stat.gid) for stat in (edit.before, edit.after)}
    modes = {stat.mode & 0o777 for stat in (edit.before, edit.after)}
    return (now.uid, now.gid) in owners and now.mode & 0o777 in modes


def _patch(record: Record, edit: Patch, world: World) -> Result:
    if edit.source:
        return _copied(record, edit, world)
    was = digest(b"".join(piece.old for piece in edit.pieces))
    now = world.files.lstat(edit.path)
    same = now is not None and now.inode == edit.before.inode and _dressed(now) == _dressed(edit.before)
    if same and _bytes_now(edit, world) == [piece.old for piece in edit.pieces]:
        return Result(edit, Outcome.UNTOUCHED, was, was)
    back = [Piece(piece.offset, piece.new, piece.old) for piece in edit.pieces]
    # Shared: whoever linked the damaged file meanwhile is healed with it.
    if now is not None and world.files.patch(edit.path, edit.before, back, shared=True):
        return Result(edit, Outcome.RESTORED, was, digest(b"".join(_bytes_now(edit, world))))
    return Result(edit, Outcome.SUPERSEDED, was, _inode(now))


def _copied(record: Record, edit: Patch, world: World) -> Result:
    now = world.files.lstat(edit.path)
    if now is None or now.inode == edit.before.inode:
        return Result(edit, who_removed(record, edit, world) if now is None else Outcome.UNTOUCHED, GONE, GONE)
    ours = _bytes_now(edit, world) == [piece.new for piece in edit.pieces]
    if not ours or (now.size, now.mtime_ns) != (edit.before.size, edit.before.mtime_ns):
        return Result(edit, Outcome.SUPERSEDED, GONE, _inode(now))
    post(record, world)
    remove(record, edit.path, world)
    return Result(edit, Outcome.RESTORED, GONE, GONE)


def _hold(_record: Record, edit: Hold, world: World) -> Result:
    found = world.holders.stop(edit.mark)
    return Result(edit, Outcome.RESTORED if found else Outcome.UNTOUCHED, GONE, GONE)


def _bytes_now(edit: Patch, world: World) -> list[bytes]:
    return [world.files.read(edit.path, offset=p.offset, limit=len(p.new), straight=True) for p in edit.pieces]


def _same(now: FileStat | None, before: FileStat) -> bool:
    return now is not None and (now.inode, now.kind) == (before.inode, before.kind)


def _dressed(stat: FileStat) -> tuple[int, int, int, int]:
    return stat.mode, stat.uid, stat.gid, stat.mtime_ns


def _inode(stat: FileStat | None) -> str:
    return GONE if stat is None else f"inode {stat.inode}"


def _shown(stat: FileStat) -> str:
    return f"mode {stat.mode:o}, owner {stat.uid}:{stat.gid}"


_BACK: Mapping[type, Callable[[Record, Any, World], Result]] = {
    Move: _move,
    Make: _make,
    Dress: _dress,
    Patch: _patch,
    Hold: _hold,
}
