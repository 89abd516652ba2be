"""Tell whether what the worker wrote since may name an object that we made: then the object has to stay.

A commit without its parent, or an entry of an index without its object, breaks every command that comes to it; an
object that nothing names is pruned by gc. So what cannot be told is kept.
"""

import posixpath
from collections.abc import Iterator

from daemon.core.seams import FileStat, World
from faults.git.kinds import FileEdit, Snapshot
from faults.git.looks import look
from faults.git.records import Record

_NAMING = ("HEAD", "packed-refs", "refs", "logs", "worktrees")  # where git finds what is not garbage


def kept_for(record: Record, edit: FileEdit, made: Snapshot, world: World) -> str:
    """Say what may name an object that we made and that is still there; empty when nothing does."""
    if made.stat.mtime_ns != edit.like.mtime_ns:
        return "git has been asked to write it, too"  # it gives what is there already a new time
    if _own_moved_on(record, world):
        return "an index may name it"
    top, _, _ = edit.path.rpartition("/objects/")
    identity = bytes.fromhex("".join(edit.path.rsplit("/", 2)[1:]))
    ours = {other.path for other in record.files}
    for path, stat in _written(top, world):
        name = posixpath.basename(path)
        if path in ours or name.startswith(".chaosd-") or name.endswith(".lock"):
            continue
        if stat.ctime_ns <= made.stat.ctime_ns:
            continue
        if name != "index":
            return f"{posixpath.relpath(path, top)} was written since and may name it"
        if identity in world.files.read(path, straight=True):
            return "an index names it"
    return ""


def settled(edit: FileEdit, now: Snapshot | None) -> bool:
    """Tell whether a file is as it was before, or as we left it."""
    before = edit.before.content if edit.before is not None else None
    return (now.content if now is not None else None) in (before, edit.after)


def _own_moved_on(record: Record, world: World) -> bool:
    """Tell whether the worker has written an index, a ref or a log that we had changed.

    Even an index from which ours was taken out: `git commit -- FILE` reads the index before it takes the lock, and
    writes back what it read.
    """
    others = [edit for edit in record.files if not edit.immutable and edit.guarded]
    return any(not settled(edit, look(world, edit.path)) for edit in others)


def _written(top: str, world: World) -> Iterator[tuple[str, FileStat]]:
    """Yield each file in which git names objects, with its stat; the index last, for it has to be read."""
    todo = [posixpath.join(top, name) for name in _NAMING]
    while todo:
        path = todo.pop()
        stat = world.files.lstat(path)
        if stat is not None and stat.kind == "directory":
            todo += [posixpath.join(path, name) for name in world.files.names(path)]
        elif stat is not None:
            yield path, stat
    index = posixpath.join(top, "index")
    if (stat := world.files.lstat(index)) is not None:
        yield index, stat
