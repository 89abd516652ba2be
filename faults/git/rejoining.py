"""Put a directory back that git has made anew meanwhile: file by file, beside what is there now."""

import posixpath
from collections.abc import Iterator

from daemon.core.gitobjects import MalformedError, printable
from daemon.core.model import Outcome
from daemon.core.seams import FileStat, World
from faults.git.kinds import FileEdit, Move, Recipe
from faults.git.looks import look, ours
from faults.git.merging_refs import clashing, read
from faults.git.records import Record
from faults.git.restoring import revert_file
from faults.git.undoing import Result

_LEFT_TOLD = 5


def joined(record: Record, edit: Move, world: World) -> Result | None:
    """Move back what is absent, join the logs, leave the rest under its other name; None when it does not apply.

    Idempotent: the directory made anew gets the old one's time once nothing is kept any more; by that we know it.
    """
    files, was = world.files, f"inode {edit.stat.inode}"
    now, kept = files.lstat(edit.path), files.lstat(edit.kept)
    if not edit.joins or now is None or now.kind != "directory" or now.inode == edit.stat.inode:
        return None
    what = f"inode {now.inode}"
    if kept is None:
        known = now.mtime_ns == edit.stat.mtime_ns
        return Result(edit, Outcome.RESTORED, was, what, "joined with what was made anew") if known else None
    if kept.inode != edit.stat.inode:
        return None
    before = len(tuple(_files(edit.kept, world)))
    _join(record, edit, "", world)
    left = [printable(name) for name in _files(edit.kept, world)]
    if left:
        more = f" and {len(left) - _LEFT_TOLD} more" if len(left) > _LEFT_TOLD else ""
        note = f"joined but for {', '.join(left[:_LEFT_TOLD])}{more}, kept in {edit.kept}"
        return Result(edit, Outcome.SUPERSEDED, was, what, note, partly=len(left) < before)
    files.set_mtime(edit.path, edit.stat.mtime_ns)
    files.remove_directory(edit.kept)
    return Result(edit, Outcome.RESTORED, was, what, "joined with what was made anew")


def _files(top: str, world: World, inside: str = "") -> Iterator[str]:
    for name in world.files.names(posixpath.join(top, inside)):
        path = posixpath.join(inside, name)
        stat = world.files.lstat(posixpath.join(top, path))
        if stat is not None and stat.kind == "directory":
            yield from _files(top, world, path)
        elif stat is not None:
            yield path


def _join(record: Record, edit: Move, inside: str, world: World) -> None:
    files = world.files
    for name in reversed(files.names(posixpath.join(edit.kept, inside))):  # a pack before its index
        path = posixpath.join(inside, name)
        kept, there = posixpath.join(edit.kept, path), posixpath.join(edit.path, path)
        stat = files.lstat(kept)
        if stat is None:
            continue
        if stat.kind != "directory":
            _put_back(record, edit, path, stat, world)
        elif _expect_directory(there, stat, world):
            _join(record, edit, path, world)
            files.remove_directory(kept)


def _expect_directory(path: str, like: FileStat, world: World) -> bool:
    """Make a directory unless there is one; False when something else is there."""
    if world.files.make_directory(path, like):
        return True
    found = world.files.lstat(path)
    return found is not None and found.kind == "directory"


def _put_back(record: Record, edit: Move, path: str, stat: FileStat, world: World) -> None:
    files = world.files
    kept, there = posixpath.join(edit.kept, path), posixpath.join(edit.path, path)
    now = files.lstat(there)
    if edit.joins == "logs" and stat.kind == "file" and (now is not None or path == "refs/stash"):
        _join_logs(record, edit, path, world)
    elif edit.joins == "refs":
        _put_ref_back(edit, path, world)
    elif not files.move(kept, there) and edit.joins == "objects" and _same(kept, there, world):
        files.remove(kept)


def _same(kept: str, there: str, world: World) -> bool:
    sizes = [stat and (stat.kind, stat.size) for stat in (world.files.lstat(kept), world.files.lstat(there))]
    return sizes[0] == sizes[1] and world.files.read(kept, straight=True) == world.files.read(there, straight=True)


def _put_ref_back(edit: Move, path: str, world: World) -> None:
    """Move a ref back unless the worker has another one of that name, packed or not, or one in its place.

    Whose is newer is told by the reflog, which names every value that the ref had.
    """
    files, name = world.files, f"refs/{path}".encode("utf-8", "surrogateescape")
    kept, there = posixpath.join(edit.kept, path), posixpath.join(edit.path, path)
    top = posixpath.dirname(edit.path)
    packed, value, now = _packed(top, world), look(world, kept), look(world, there)
    if value is None or clashing([name], packed.keys()) or (now is not None and now.stat.kind != "file"):
        return
    said = now.content if now is not None else packed.get(name, b"").partition(b" ")[0] or value.content
    log = look(world, posixpath.join(top, "logs/refs", path))
    had = [line.split(b" ", 2)[1] for line in log.content.splitlines() if line.count(b" ") > 1] if log else []
    if value.content.strip() != said.strip() and value.content.strip() not in had:
        return  # it cannot be told
    if now is None and (value.content.strip() == said.strip() or had[-1] == value.content.strip()):
        files.move(kept, there)
    else:
        files.remove(kept)


def _packed(top: str, world: World) -> dict[bytes, bytes]:
    found = look(world, posixpath.join(top, "packed-refs"))
    try:
        return read(found.content)[1] if found is not None else {}
    except MalformedError:
        return {}  # git reads none


def _join_logs(record: Record, edit: Move, path: str, world: World) -> None:
    """Take it as a log that was deleted and begun anew, under the lock that git holds to write to it."""
    kept, there = posixpath.join(edit.kept, path), posixpath.join(edit.path, path)
    before = look(world, kept)
    if before is None:
        return
    top = posixpath.dirname(edit.path)
    log = FileEdit(
        path=there,
        before=before,
        like=before.stat,
        recipe=Recipe(action="unlink"),
        temporary=posixpath.join(posixpath.dirname(there), f".chaosd-{record.injection}-log"),
        guarded=world.files.lstat(posixpath.dirname(posixpath.join(top, path))) is not None,
        merge="log",
        lock_path=f"{posixpath.join(top, path)}.lock",
    )
    for left in (log.temporary, log.lock_temporary, *((log.lock,) if ours(record, log.lock, world) else ())):
        world.files.remove(left)  # of an undo that died here
    revert_file(record, log, world)
    now = look(world, there)
    if now is not None and now.content.startswith(before.content):
        world.files.remove(kept)
