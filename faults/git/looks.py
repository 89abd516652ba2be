"""What edits and reversals share: a file as it is now, its directory's time, and holding git's own lock."""

import posixpath
from collections.abc import Iterator
from contextlib import contextmanager

from daemon.core.errors import RefusedError, TargetAbsentError
from daemon.core.seams import World
from faults.git.kinds import FileEdit, Snapshot
from faults.git.records import Directory, Record, digest_names

_LOCK_WAIT_S = 0.05
_LOCK_TRIES = 40


def look(world: World, path: str) -> Snapshot | None:
    """Return a file as it is now; None when absent. Something that is no file counts as changed by others."""
    stat = world.files.lstat(path)
    if stat is None:
        return None
    if stat.kind != "file":
        return Snapshot(stat=stat, content=f"a {stat.kind}".encode())
    try:
        return Snapshot(stat=stat, content=world.files.read(path, straight=True))
    except TargetAbsentError:
        if world.files.lstat(path) is None:
            return None
        raise


def directory_now(world: World, path: str) -> Directory:
    """Return a directory as it is now."""
    stat = world.files.lstat(path)
    return Directory(path=path, mtime_ns=stat.mtime_ns if stat else 0, names=digest_names(world.files.names(path)))


def mtime_without(before: Directory, path: str, world: World) -> int | None:
    """Return the mtime a directory had, if without this name it holds the same names as then."""
    rest = tuple(name for name in world.files.names(before.path) if name != posixpath.basename(path))
    return before.mtime_ns if digest_names(rest) == before.names else None


def recorded_mtime(record: Record, path: str, world: World) -> int | None:
    """Return the mtime to give a path's directory when the path is removed; None to leave it alone."""
    parent = posixpath.dirname(path)
    if parent in record.made and record.made_like is not None:
        return record.made_like.mtime_ns
    found = next((d for d in record.directories if d.path == parent), None)
    return mtime_without(found, path, world) if found else None


def remove(record: Record, path: str, world: World) -> bool:
    """Remove a file of ours, giving its directory its time back in the same step."""
    return world.files.remove(path, directory_mtime_ns=recorded_mtime(record, path, world))


@contextmanager
def guard(record: Record, edit: FileEdit, world: World, *, reverting: bool) -> Iterator[None]:
    """Hold git's lock of a file that git itself replaces under this lock; waits up to two seconds for it.

    When reverting, go on without: a lock that stays that long is stale, and an undo may not wait for it.
    Nothing is released when we die here: the next revert knows the lock by its content.
    """
    if not edit.guarded:
        yield
        return
    before = directory_now(world, posixpath.dirname(edit.lock))
    held = _lock(record, edit, world)
    if not held and not reverting:
        raise RefusedError(
            f"not injected: {edit.lock} is already there",
            rule="locked",
            hint="git is at work here, or died: see whether a git process still runs",
        )
    try:
        yield
    finally:
        if held and ours(record, edit.lock, world):  # or a worker that clears locks made room for another git
            as_recorded = recorded_mtime(record, edit.lock, world) if reverting else None
            as_found = mtime_without(before, edit.lock, world)
            world.files.remove(edit.lock, directory_mtime_ns=as_recorded or as_found)


def ours(record: Record, path: str, world: World) -> bool:
    """Tell whether this lock file carries our mark."""
    found = look(world, path)
    return found is not None and found.content == record.mark


def _lock(record: Record, edit: FileEdit, world: World) -> bool:
    for _ in range(_LOCK_TRIES):
        free = world.files.lstat(edit.lock) is None
        if free and world.files.create(edit.lock, record.mark, edit.like, temporary=edit.lock_temporary):
            return True
        world.clock.wait(None, _LOCK_WAIT_S)
    return False


def loose_refs(world: World, edit: FileEdit) -> frozenset[bytes]:
    """Return the names of the refs that have a file of their own beside a packed-refs; of no other file any."""
    if edit.merge != "packed-refs":
        return frozenset()
    top, found, todo = posixpath.dirname(edit.path), set(), ["refs"]
    while todo:
        directory = todo.pop()
        for name in world.files.names(posixpath.join(top, directory)):
            ref = f"{directory}/{name}"
            stat = world.files.lstat(posixpath.join(top, ref))
            if stat is not None and stat.kind == "directory":
                todo.append(ref)
            elif stat is not None and not ref.endswith(".lock"):
                found.add(ref.encode("utf-8", "surrogateescape"))
    return frozenset(found)
