"""Apply the file edits of an undo record, each in one atomic step, to files that are as they were looked at."""

from daemon.core.errors import RefusedError
from daemon.core.seams import FileStat, Flag, World
from faults.git.looks import directory_now, guard, look
from faults.git.records import FileEdit, Record, Snapshot


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
        with guard(record, edit, world, reverting=False):
            _apply(edit, world)


def _apply(edit: FileEdit, world: World) -> None:
    files, before, after = world.files, edit.before, edit.after
    if not _as_before(edit, look(world, edit.path)):
        raise RefusedError(
            f"not injected: {edit.path} has changed since it was looked at",
            rule="changed",
            hint="the worker is active; try again",
        )
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
