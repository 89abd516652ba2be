"""Apply file edits from an undo record; take them back by comparing first, so that no newer work is overwritten."""

import posixpath
from collections.abc import Iterator
from contextlib import contextmanager

from daemon.core.errors import ChaosdError, RefusedError, TargetAbsentError, UndoFailedError
from daemon.core.gitclone import Clone
from daemon.core.gitobjects import ID_BYTES
from daemon.core.gitwalk import packed
from daemon.core.model import Json, Outcome, Reversion
from daemon.core.seams import Clock, FileStat, Flag, World
from faults.git.records import Directory, FileEdit, Record, Snapshot, digest, digest_names

_LOCK_WAIT_S = 0.05
_LOCK_TRIES = 40
_GONE = "absent"


# --- applying --------------------------------------------------------------------------------------------


def apply(record: Record, world: World, stop: Flag) -> None:
    """Make the edits; does nothing more once ``stop`` is set.

    Raises RefusedError or TargetAbsentError, before the file concerned is touched, when it is not as it was
    looked at, cannot be put back by us, or git holds its lock.
    """
    if stop.is_set():
        return
    for directory in record.directories:
        # Changing files needs fewer rights than giving their directory its time back: try the latter first.
        world.files.set_mtime(directory.path, _directory(world, directory.path).mtime_ns)
    for path in record.made:
        if record.made_like is not None:
            world.files.make_directory(path, record.made_like)
    for edit in record.edits:
        if stop.is_set():
            return
        if edit.guarded:
            with _guard(record, edit, world):
                _apply(edit, world)
        else:
            _apply(edit, world)


def _apply(edit: FileEdit, world: World) -> None:
    files, before, after = world.files, edit.before, edit.after
    if not _as_before(edit, _look(world, edit.path)):
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


# --- taking back -----------------------------------------------------------------------------------------


def revert(record: Record, world: World) -> Reversion:
    """Restore what still is as we left it, leave alone what is not, and prove it; idempotent.

    Raises UndoFailedError when residue may remain.
    """
    now = world.files.lstat(record.git_dir)
    if now is None or now.kind != "directory" or now.inode != record.inode:
        what = "is gone" if now is None else "was replaced"
        return Reversion(outcome=Outcome.SUPERSEDED, detail=f"{record.git_dir} {what}; nothing left to take back")
    try:
        _clean(record, world)
        results = [(edit, _revert(record, edit, world)) for edit in reversed(record.edits)]
        _unmake(record, world)
        for directory in record.directories:
            _restore_mtime(directory, results, world)
    except UndoFailedError:
        raise
    except ChaosdError as error:
        raise UndoFailedError(
            f"not taken back completely: {error.message}", hint=error.hint or "`chaosd recover` tries again"
        ) from error
    return _conclude(results, world)


def _conclude(results: list[tuple[FileEdit, Outcome]], world: World) -> Reversion:
    outcomes = {outcome for _, outcome in results}
    worst = next((o for o in (Outcome.SUPERSEDED, Outcome.RESTORED) if o in outcomes), Outcome.UNTOUCHED)
    proof: dict[str, Json] = {}
    for edit, outcome in results:
        before, now = _digest_of(edit.before), _digest_of(_look(world, edit.path))
        if outcome is not Outcome.SUPERSEDED and before != now:
            raise UndoFailedError(
                f"not taken back: {edit.path} is not as it was",
                hint="something changed it at the same moment; `chaosd recover` tries again",
            )
        proof[edit.path] = {"before": before, "now": now, "outcome": outcome.value}
    detail = "; ".join(f"{edit.path}: {outcome.value}" for edit, outcome in results)
    return Reversion(outcome=worst, proof=proof, detail=detail)


def _digest_of(snapshot: Snapshot | None) -> str:
    return _GONE if snapshot is None else f"sha256:{digest(snapshot.content)}"


def _clean(record: Record, world: World) -> None:
    """Remove what a death in the middle left: temporaries, our hold on git's locks, directories never used."""
    for edit in record.edits:
        for path in (edit.temporary, edit.rehearsal):
            if world.files.lstat(path) is not None:
                _remove(record, path, world)
        if edit.guarded and _content(world, edit.lock) == record.mark:
            _remove(record, edit.lock, world)
    for path in reversed(record.made):
        found = world.files.lstat(path)
        if found and record.made_like and found.mtime_ns == record.made_like.mtime_ns:
            mtime_ns = _mtime_without(record, path, world)
            world.files.remove_directory(path, directory_mtime_ns=mtime_ns)


def _revert(record: Record, edit: FileEdit, world: World) -> Outcome:
    now = _look(world, edit.path)
    if now is None:
        return _absent(record, edit, world)
    if edit.before is not None and now.content == edit.before.content:
        return _whose(edit.before.stat, now.stat)
    if now.content != edit.after:
        return Outcome.SUPERSEDED
    if not edit.guarded:
        return _undo(record, edit, world)
    with _guard(record, edit, world, must=False):
        return _undo(record, edit, world)


def _whose(before: FileStat, now: FileStat) -> Outcome:
    """Say who made a file whose content is right: only we give it its old mtime back."""
    if before.mtime_ns != now.mtime_ns:
        return Outcome.SUPERSEDED
    return Outcome.UNTOUCHED if before.inode == now.inode else Outcome.RESTORED


def _undo(record: Record, edit: FileEdit, world: World) -> Outcome:
    now = _look(world, edit.path)  # again: by now nobody who keeps to git's locks can change it
    if now is None or now.content != edit.after:
        return Outcome.SUPERSEDED
    if edit.before is None:
        _remove(record, edit.path, world)
    else:
        world.files.put(edit.path, edit.before.content, edit.before.stat, temporary=edit.temporary)
    return Outcome.RESTORED


def _absent(record: Record, edit: FileEdit, world: World) -> Outcome:
    """Put a file back that is gone, if it was us who removed it or its content cannot be wrong."""
    if edit.before is None:
        anchor = _anchor(record, edit.path)
        there = world.files.lstat(anchor.path)
        return Outcome.UNTOUCHED if there and there.mtime_ns == anchor.mtime_ns else Outcome.SUPERSEDED
    if edit.after is not None and not edit.immutable:
        return Outcome.SUPERSEDED
    directory = posixpath.dirname(edit.path)
    above = world.files.lstat(posixpath.dirname(directory))
    if above is None or (edit.immutable and _in_a_pack(record, edit, world)):
        return Outcome.SUPERSEDED
    world.files.make_directory(directory, above)  # git removes an object directory that has become empty
    like, content = edit.before.stat, edit.before.content
    created = world.files.create(edit.path, content, like, temporary=edit.temporary)
    return Outcome.RESTORED if created else Outcome.SUPERSEDED


def _in_a_pack(record: Record, edit: FileEdit, world: World) -> bool:
    """Tell whether somebody has fetched the object anew."""
    identity = "".join(edit.path.rsplit("/", 2)[1:])
    algorithm = next(name for name, size in ID_BYTES.items() if 2 * size == len(identity))
    root = posixpath.dirname(record.git_dir)
    clone = Clone(root=root, git_dir=record.git_dir, inode=record.inode, algorithm=algorithm)
    return packed(world.files, clone, identity)


def _remove(record: Record, path: str, world: World) -> None:
    world.files.remove(path, directory_mtime_ns=_mtime_without(record, path, world))


def _unmake(record: Record, world: World) -> None:
    for path in reversed(record.made):
        world.files.remove_directory(path, directory_mtime_ns=_mtime_without(record, path, world))


# --- directories, locks and looks ------------------------------------------------------------------------


def _mtime_without(record: Record, path: str, world: World) -> int | None:
    """Return the mtime its directory had, if without this name it holds the same names as before."""
    parent = posixpath.dirname(path)
    if parent in record.made and record.made_like is not None:
        return record.made_like.mtime_ns
    found = next((d for d in record.directories if d.path == parent), None)
    return _mtime_if_same(found, path, world) if found else None


def _mtime_if_same(before: Directory, path: str, world: World) -> int | None:
    rest = tuple(name for name in world.files.names(before.path) if name != posixpath.basename(path))
    return before.mtime_ns if digest_names(rest) == before.names else None


def _directory(world: World, path: str) -> Directory:
    stat = world.files.lstat(path)
    return Directory(path=path, mtime_ns=stat.mtime_ns if stat else 0, names=digest_names(world.files.names(path)))


def _restore_mtime(directory: Directory, results: list[tuple[FileEdit, Outcome]], world: World) -> None:
    """Give a directory its mtime back, unless somebody else's change in it is what we see."""
    for edit, outcome in results:
        if outcome is Outcome.SUPERSEDED and edit.path.startswith(f"{directory.path}/"):
            return
    now = world.files.lstat(directory.path)
    if now is None or now.kind != "directory" or now.mtime_ns == directory.mtime_ns:
        return
    if digest_names(world.files.names(directory.path)) == directory.names:
        world.files.set_mtime(directory.path, directory.mtime_ns)


def _anchor(record: Record, path: str) -> Directory:
    """Return the nearest directory above that existed before."""
    above = [d for d in record.directories if path.startswith(f"{d.path}/")]
    return max(above, key=lambda d: len(d.path))


@contextmanager
def _guard(record: Record, edit: FileEdit, world: World, *, must: bool = True) -> Iterator[None]:
    """Hold git's lock of this file, waiting up to two seconds for it.

    With ``must`` False go on without: a lock that stays that long is stale, and an undo may not wait for it.
    Nothing is released when we die here: revert knows the lock by its content.
    """
    before = _directory(world, posixpath.dirname(edit.path))
    held = _lock(record, edit, world, world.clock)
    if must and not held:
        raise RefusedError(
            f"not injected: {edit.lock} is already there",
            rule="locked",
            hint="git is at work here, or died: see whether a git process still runs",
        )
    try:
        yield
    finally:
        if held and _content(world, edit.lock) == record.mark:  # or a worker that clears locks made room for git
            as_recorded = None if must else _mtime_without(record, edit.lock, world)
            as_found = _mtime_if_same(before, edit.lock, world)
            world.files.remove(edit.lock, directory_mtime_ns=as_recorded or as_found)


def _lock(record: Record, edit: FileEdit, world: World, clock: Clock) -> bool:
    for _ in range(_LOCK_TRIES):
        free = world.files.lstat(edit.lock) is None
        if free and world.files.create(edit.lock, record.mark, edit.like, temporary=edit.temporary):
            return True
        clock.wait(None, _LOCK_WAIT_S)
    return False


def _look(world: World, path: str) -> Snapshot | None:
    """Return a file as it is now; None when absent. Something that is no file counts as changed by others."""
    stat = world.files.lstat(path)
    if stat is None:
        return None
    if stat.kind != "file":
        return Snapshot(stat=stat, content=f"a {stat.kind}".encode())
    try:
        return Snapshot(stat=stat, content=world.files.read(path))
    except TargetAbsentError:
        if world.files.lstat(path) is None:
            return None
        raise


def _content(world: World, path: str) -> bytes | None:
    found = _look(world, path)
    return None if found is None else found.content
