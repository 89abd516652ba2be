"""Apply the file edits of an undo record, each in one atomic step, to files that are as they were looked at."""

from daemon.core.errors import RefusedError
from daemon.core.seams import FileStat, Flag, World
from faults.git.kinds import Dress, Edit, FileEdit, Hold, Make, Move, Patch, Snapshot
from faults.git.looks import directory_now, guard, look
from faults.git.records import Record


def apply(record: Record, world: World, stop: Flag) -> None:
    """Make the edits; does nothing more once ``stop`` is set.

    Raises RefusedError or TargetAbsentError, before the file concerned is touched, when it is not as it was
    looked at, cannot be put back by us, or git holds its lock.
    """
    if stop.is_set():
        return
    for directory in record.directories:
        # Changing files needs fewer rights than giving their directory its time back: try the latter first.
        world.files.set_mtime(directory.path, directory_now(world, directory.path).mtime_ns)
    for path in record.made:
        if record.made_like is not None:
            world.files.make_directory(path, record.made_like)
    for edit in record.edits:
        if stop.is_set():
            return
        if isinstance(edit, FileEdit):
            with guard(record, edit, world, reverting=False):
                _apply(edit, world)
        else:
            _apply_other(edit, world)


def _apply_other(edit: Edit, world: World) -> None:
    files = world.files
    match edit:
        case Move():
            _expect(edit.path, edit.stat, world)
            done = files.move(edit.path, edit.kept)
        case Make(what="directory"):
            done = files.make_directory(edit.path, edit.like)
        case Make():
            done = files.make_special(edit.path, edit.what, edit.like, temporary=edit.temporary)
        case Dress():
            if _expect(edit.path, edit.before, world).links > 1 and edit.before.kind == "file":
                raise _changed(edit.path)  # somebody has linked it since, and would get the new mode as well
            files.dress(edit.path, edit.after)
            done = True
        case Patch(source=""):
            _expect(edit.path, edit.before, world)
            done = files.patch(edit.path, edit.before, edit.pieces)
        case Patch():
            done = files.duplicate(edit.source, edit.path, edit.pieces, edit.before, temporary=edit.temporary)
        case Hold():
            world.holders.start(edit.mark, edit.what, edit.arguments, seconds=edit.seconds)
            done = True
        case _:
            raise ValueError(f"unknown edit {edit!r} in an undo record")
    if not done:
        raise _changed(edit.path)


def _expect(path: str, before: FileStat, world: World) -> FileStat:
    """Return it as it is now; refuse what is not as it was looked at, but for a directory's time."""
    now = world.files.lstat(path)
    if now is None or (now.kind, now.inode, now.mode, now.uid) != (
        before.kind,
        before.inode,
        before.mode,
        before.uid,
    ):
        raise _changed(path)
    if now.kind == "file" and (now.mtime_ns, now.size) != (before.mtime_ns, before.size):
        raise _changed(path)
    return now


def _changed(path: str) -> RefusedError:
    return RefusedError(
        f"not injected: {path} has changed since it was looked at",
        rule="changed",
        hint="the worker is active; try again",
    )


def _apply(edit: FileEdit, world: World) -> None:
    files, before, after = world.files, edit.before, edit.after
    if not _as_before(edit, look(world, edit.path)):
        raise _changed(edit.path)
    if before is None:
        if not files.create(edit.path, after or b"", edit.like, temporary=edit.temporary):
            raise RefusedError(f"not injected: {edit.path} is already there", rule="changed")
    elif after is None:
        # Deleting needs fewer rights than putting back with the same owner: try the latter first, beside it.
        files.put(edit.rehearsal, b"", before.stat, temporary=edit.temporary)
        files.remove(edit.rehearsal)
        files.remove(edit.path)
    else:
        files.put(edit.path, after, edit.like, temporary=edit.temporary)


def _as_before(edit: FileEdit, now: Snapshot | None) -> bool:
    if edit.before is None or now is None:
        return edit.before is None and now is None
    return _same_file(edit.before.stat, now.stat) and edit.before.content == now.content


def _same_file(one: FileStat, other: FileStat) -> bool:
    return (one.inode, one.mtime_ns, one.mode) == (other.inode, other.mtime_ns, other.mode)
