"""Tell whether what the worker wrote since may name an object that we made: then the object has to stay.

A commit without its parent, or an entry of an index without its object, breaks every command that comes to it; an
object that nothing names is pruned by gc. So what cannot be told is kept.
"""

import posixpath
import re
from collections.abc import Iterator

from daemon.core.gitobjects import ID_BYTES, MalformedError, commit_links, loose_path, parse_loose, tree_entries
from daemon.core.seams import FileStat, World
from faults.git.kinds import FileEdit, Snapshot
from faults.git.looks import look
from faults.git.records import Record

_NAMING = ("HEAD", "packed-refs", "refs", "logs", "worktrees")  # where git finds what is not garbage
_ID = re.compile(rb"\b[0-9a-f]{40}(?:[0-9a-f]{24})?\b")
_VISITS_MAX = 20_000


def kept_for(record: Record, edit: FileEdit, made: Snapshot, world: World) -> str:
    """Say what may name an object that we made and that is still there; empty when nothing does."""
    if made.stat.mtime_ns != edit.like.mtime_ns:
        return "git has been asked to write it, too"  # it gives what is there already a new time
    if _own_moved_on(record, world):
        return "an index may name it"
    top = _store(edit)[0]
    since, raw_id = made.stat.ctime_ns, bytes.fromhex(_store(edit)[1])
    ours = {other.path for other in record.files}
    wanted = {_store(other)[1] for other in record.files if other.immutable}
    for path, stat in _written(top, world):
        name = posixpath.basename(path)
        if path in ours or name.startswith(".chaosd-") or name.endswith(".lock") or stat.ctime_ns <= since:
            continue
        content = world.files.read(path, straight=True)
        if raw_id in content if name == "index" else _leads_to(wanted, content, top, since, world):
            return f"{posixpath.relpath(path, top)} was written since and may name it"
    return ""


def settled(edit: FileEdit, now: Snapshot | None) -> bool:
    """Tell whether a file is as it was before, or as we left it."""
    before = edit.before.content if edit.before is not None else None
    return (now.content if now is not None else None) in (before, edit.after)


def _store(edit: FileEdit) -> tuple[str, str]:
    """Return the repository of an object's file, and the object's id."""
    return edit.path.rpartition("/objects/")[0], "".join(edit.path.rsplit("/", 2)[1:])


def _own_moved_on(record: Record, world: World) -> bool:
    """Tell whether the worker has written an index, a ref or a log that we had changed.

    Even an index from which ours was taken out: `git commit -- FILE` reads the index before it takes the lock, and
    writes back what it read.
    """
    others = [edit for edit in record.files if not edit.immutable and edit.guarded]
    return any(not settled(edit, look(world, edit.path)) for edit in others)


def _written(top: str, world: World) -> Iterator[tuple[str, FileStat]]:
    """Yield each file in which git names objects, with its stat."""
    todo = [posixpath.join(top, name) for name in (*_NAMING, "index")]
    while todo:
        path = todo.pop()
        stat = world.files.lstat(path)
        if stat is not None and stat.kind == "directory":
            todo += [posixpath.join(path, name) for name in world.files.names(path)]
        elif stat is not None and stat.kind == "file":
            yield path, stat


def _leads_to(wanted: set[str], content: bytes, top: str, since_ns: int, world: World) -> bool:
    """Tell whether the ids in a file lead to one of ours, by way of objects as new as these: older name none."""
    todo, seen = [found.decode() for found in _ID.findall(content)], set[str]()
    while todo:
        if (identity := todo.pop()) in seen:
            continue
        seen.add(identity)
        if identity in wanted or len(seen) > _VISITS_MAX:
            return True
        path = posixpath.join(top, "objects", loose_path(identity))
        stat = world.files.lstat(path)
        if stat is None and _packed_since(top, since_ns, world):
            return True
        if stat is not None and stat.ctime_ns > since_ns:
            try:
                todo += _names(world.files.read(path, straight=True), identity)
            except MalformedError:
                return True
    return False


def _packed_since(top: str, since_ns: int, world: World) -> bool:
    """Tell whether a pack is as new as what we made: it may hold objects that name ours.

    Of the pack itself git sets the time whenever it is asked to write what is in it, of its index never.
    """
    directory = posixpath.join(top, "objects/pack")
    indexes = [name for name in world.files.names(directory) if name.endswith(".idx")]
    stats = [world.files.lstat(posixpath.join(directory, name)) for name in indexes]
    return any(stat is not None and stat.ctime_ns > since_ns for stat in stats)


def _names(data: bytes, identity: str) -> list[str]:
    """Return the ids that an object names; raises MalformedError."""
    found = parse_loose(data)
    algorithm = next(name for name, size in ID_BYTES.items() if 2 * size == len(identity))
    if found.kind == "commit":
        tree, parents = commit_links(found.payload, algorithm)
        return [tree, *parents]
    if found.kind == "tree":
        return [entry.id for entry in tree_entries(found.payload, algorithm)]
    return [one.decode() for one in _ID.findall(found.payload)][:1] if found.kind == "tag" else []
