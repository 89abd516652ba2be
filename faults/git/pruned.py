"""Tell whether git has pruned what only names led to that we had hidden: they are back, the objects are not."""

import posixpath
import re
from collections.abc import Iterator

from daemon.core.errors import UndoFailedError
from daemon.core.gitclone import Clone
from daemon.core.gitobjects import ID_BYTES, has_promisor
from daemon.core.gitwalk import packed
from daemon.core.seams import World
from faults.git.kinds import FileEdit, Move
from faults.git.looks import look
from faults.git.records import Record

_ID = re.compile(rb"\b[0-9a-f]{40}(?:[0-9a-f]{24})?\b")
_SHOWN = 3


def expect_none(record: Record, world: World) -> None:
    """Raise UndoFailedError when an object is gone that a name we have put back leads to.

    `git gc` and `git prune` take for garbage what no ref, index or reflog names; they ask nobody why.
    """
    gone: dict[str, list[str]] = {}
    for path, top, identity in _put_back(record, world):
        if _pruned(record, top, identity, world):
            gone.setdefault(path, []).append(identity)
    if not gone:
        return
    ids = [identity for found in gone.values() for identity in found]
    more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
    raise UndoFailedError(
        f"not taken back completely: {', '.join(gone)} is as it was, but while chaosd had changed it, "
        f"git has pruned what nothing else named: {', '.join(ids[:_SHOWN])}{more}",
        hint="fetch it from the remote or another clone, then `chaosd recover`; if nobody has it, `chaosd settle`",
    )


def _put_back(record: Record, world: World) -> Iterator[tuple[str, str, str]]:
    """Yield path, repository and id of each object whose name we had taken away, and that is named there again."""
    for edit in record.edits:
        if isinstance(edit, Move) and edit.joins in ("refs", "logs"):
            below = edit.path if edit.joins == "refs" else posixpath.join(edit.path, "refs/stash")
            for path in _files(below, world):
                yield from ((path, posixpath.dirname(edit.path), one) for one in _ids(path, world))
        elif isinstance(edit, FileEdit) and edit.before is not None and (top := _top(record, edit.path)):
            hidden = _named(edit.path, edit.before.content) - _named(edit.path, edit.after or b"")
            yield from ((edit.path, top, one) for one in hidden & _ids(edit.path, world))


def _top(record: Record, path: str) -> str:
    """Return the repository in which a file keeps objects from being pruned; empty when it does not."""
    for top in (record.git_dir, *record.roots):
        if path in (f"{top}/packed-refs", f"{top}/logs/refs/stash") or path.startswith(f"{top}/refs/"):
            return top
    return ""


def _files(path: str, world: World) -> Iterator[str]:
    stat = world.files.lstat(path)
    if stat is not None and stat.kind == "directory":
        for name in world.files.names(path):
            yield from _files(posixpath.join(path, name), world)
    elif stat is not None:
        yield path


def _ids(path: str, world: World) -> set[str]:
    now = look(world, path)
    return _named(path, now.content) if now is not None else set()


def _named(path: str, content: bytes) -> set[str]:
    """Return the ids that a file of refs, or the stash's log, keeps from being pruned."""
    if "/logs/" in path:
        return {line.split(b" ")[1].decode() for line in content.splitlines() if _ID.match(line.partition(b" ")[2])}
    return {found.decode() for found in _ID.findall(content)}


def _pruned(record: Record, top: str, identity: str, world: World) -> bool:
    """Tell whether an object is gone, and from a place that has changed since: else it was missing before."""
    files, objects = world.files, posixpath.join(top, "objects")
    places = (posixpath.join(objects, "pack"), posixpath.join(objects, identity[:2]))
    stats = [files.lstat(place) for place in places]
    if not record.noted_ns or all(stat is not None and stat.ctime_ns <= record.noted_ns for stat in stats):
        return False
    algorithm = next(name for name, size in ID_BYTES.items() if 2 * size == len(identity))
    clone = Clone(root=posixpath.dirname(top), git_dir=top, inode=record.inode, algorithm=algorithm)
    if files.lstat(clone.object_path(identity)) is not None or packed(files, clone, identity):
        return False
    return not _elsewhere(top, world)


def _elsewhere(top: str, world: World) -> bool:
    """Tell whether objects may lie in another repository: a lender's, or the remote of a partial clone."""
    config, files = posixpath.join(top, "config"), world.files
    lent = files.lstat(posixpath.join(top, "objects/info/alternates")) is not None
    return lent or (files.lstat(config) is not None and has_promisor(files.read(config)))
