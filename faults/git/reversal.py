"""Take file edits back by comparing first: what still is as we left it is restored, anything else is left alone.

Whoever dies in the middle leaves a state from which the next revert can tell our changes from the worker's:
a file we put back has its old mtime; a file we removed gave its directory's mtime back, and until that is done
the record's ``sentinel``, a file in another directory, says that the removal was ours.
"""

import posixpath

from daemon.core.errors import ChaosdError, UndoFailedError
from daemon.core.gitclone import Clone
from daemon.core.gitobjects import ID_BYTES
from daemon.core.gitwalk import packed
from daemon.core.model import Json, Outcome, Reversion
from daemon.core.seams import FileStat, World
from faults.git import merging, place, undoing
from faults.git.kinds import Edit, FileEdit, Move, Snapshot
from faults.git.looks import directory_now, guard, look, ours, recorded_mtime, remove
from faults.git.records import Record, digest
from faults.git.undoing import GONE, Result, post, who_removed


def revert(record: Record, world: World) -> Reversion:
    """Restore what still is as we left it, leave alone what is not, and prove it; idempotent.

    Raises UndoFailedError when residue may remain.
    """
    _expect_no_link(record, world)
    back = [_revert(record, edit, world) for edit in reversed(record.edits) if _holds_the_place(record, edit)]
    if any(isinstance(r.edit, Move) and r.outcome is Outcome.SUPERSEDED for r in back):
        return _conclude(back)
    back = [result for result in back if isinstance(result.edit, Move)]
    if record.place is not None and (standing := place.look(record.place, world)) is not place.Standing.SAME:
        detail = f"{record.git_dir} {standing}; nothing left to take back"
        return Reversion(outcome=Outcome.SUPERSEDED, detail=detail)
    now = world.files.lstat(record.git_dir)
    if now is None or now.kind != "directory" or now.inode != record.inode:
        what = "is gone" if now is None else "was replaced"
        return Reversion(outcome=Outcome.SUPERSEDED, detail=f"{record.git_dir} {what}; nothing left to take back")
    try:
        _clean(record, world)
        results = _take_back(record, world)
        _finish(record, results, world)
    except UndoFailedError:
        raise
    except ChaosdError as error:
        raise UndoFailedError(
            f"not taken back completely: {error.message}", hint=error.hint or "`chaosd recover` tries again"
        ) from error
    return _conclude([*back, *results])


def _holds_the_place(record: Record, edit: Edit) -> bool:
    """Tell whether this edit moved the repository itself away, or stands in its place: it has to be back first."""
    moved = [e.path for e in record.edits if isinstance(e, Move)]
    return any(edit.path == path and f"{record.git_dir}/".startswith(f"{path}/") for path in moved)


def _take_back(record: Record, world: World) -> list[Result]:
    """Take the edits back, last one first; none when the worker changed the one that stands for all."""
    anchor = next((edit for edit in record.files if edit.path == record.anchor), None)
    if anchor is not None and not _is_ours(record, anchor, world):
        return [Result(anchor, Outcome.SUPERSEDED, GONE, _digest(look(world, anchor.path)))]
    return [_revert(record, e, world) for e in reversed(record.edits) if not _holds_the_place(record, e)]


def _is_ours(record: Record, edit: FileEdit, world: World) -> bool:
    now = look(world, edit.path)
    if now is None and edit.before is None:
        return who_removed(record, edit, world) is not Outcome.SUPERSEDED
    contents = (edit.after, edit.before.content if edit.before else None)
    return now is not None and now.content in contents


def _expect_no_link(record: Record, world: World) -> None:
    """Refuse to judge by a directory that only a link leads to: ours may still stand elsewhere."""
    real = world.files.resolve(record.git_dir)
    if real != record.git_dir:
        raise UndoFailedError(
            f"not taken back: the world has changed: {record.git_dir} now leads through a symbolic link to {real}",
            hint="put the real directory back where it was, then `chaosd recover`",
        )


def _conclude(results: list[Result]) -> Reversion:
    outcomes = {result.outcome for result in results}
    worst = next((o for o in (Outcome.SUPERSEDED, Outcome.RESTORED) if o in outcomes), Outcome.UNTOUCHED)
    proof: dict[str, Json] = {
        r.edit.path: {"before": r.before, "now": r.now, "outcome": r.outcome.value} for r in results
    }
    detail = "; ".join(f"{r.edit.path}: {r.outcome.value}{r.note and f' ({r.note})'}" for r in results)
    return Reversion(outcome=worst, proof=proof, detail=detail)


def _digest(snapshot: Snapshot | None) -> str:
    return GONE if snapshot is None else f"sha256:{digest(snapshot.content)}"


# --- one file --------------------------------------------------------------------------------------------


def _revert(record: Record, edit: Edit, world: World) -> Result:
    if _original_is_back(record, edit, world):
        return Result(edit, Outcome.UNTOUCHED, GONE, GONE)
    return _revert_file(record, edit, world) if isinstance(edit, FileEdit) else undoing.revert(record, edit, world)


def _revert_file(record: Record, edit: FileEdit, world: World) -> Result:
    now = look(world, edit.path)
    if now is None:
        return _absent(record, edit, world)
    if edit.before is not None and now.content == edit.before.content:
        return _result(edit, _whose(edit.before.stat, now.stat), now)
    if now.content != edit.after and merging.without(edit, now.content) is None:
        return _result(edit, Outcome.SUPERSEDED, now)
    with guard(record, edit, world, reverting=True):
        return _put_back(record, edit, world)


def _put_back(record: Record, edit: FileEdit, world: World) -> Result:
    """Look again: from here on nobody who keeps to git's locks can change the file."""
    now = look(world, edit.path)
    if now is None:
        return _result(edit, Outcome.SUPERSEDED, now)
    if now.content != edit.after:
        return _merge(edit, now, world)
    if edit.before is None:
        return _take_away(record, edit, world)
    world.files.put(edit.path, edit.before.content, edit.before.stat, temporary=edit.temporary)
    return _restored(edit, edit.before, world)


def _original_is_back(record: Record, edit: Edit, world: World) -> bool:
    """Tell whether what an earlier edit moved away from here is here: then nothing of this edit can be."""
    for other in record.edits:
        if isinstance(other, Move) and other is not edit and f"{edit.path}/".startswith(f"{other.path}/"):
            now = world.files.lstat(other.path)
            return now is not None and now.inode == other.stat.inode
    return False


def _merge(edit: FileEdit, now: Snapshot, world: World) -> Result:
    """Take our change out of what the worker has made of the file since."""
    rest = merging.without(edit, now.content)
    if rest is None:
        return _result(edit, Outcome.SUPERSEDED, now)
    as_before = edit.before is not None and rest == edit.before.content
    like = edit.before.stat if edit.before is not None and as_before else now.stat
    world.files.put(edit.path, rest, like, temporary=edit.temporary)
    if as_before and edit.before is not None:
        return _restored(edit, edit.before, world)
    digests = _digest(Snapshot(stat=now.stat, content=rest))
    return Result(edit, Outcome.RESTORED, digests, digests, "our change was taken out of the worker's version")


def _result(edit: FileEdit, outcome: Outcome, now: Snapshot | None, note: str = "") -> Result:
    return Result(edit, outcome, _digest(edit.before), _digest(now), note)


def _whose(before: FileStat, now: FileStat) -> Outcome:
    """Say who made a file whose content is right: only we give it its old mtime back."""
    if before.mtime_ns != now.mtime_ns:
        return Outcome.SUPERSEDED
    return Outcome.UNTOUCHED if before.inode == now.inode else Outcome.RESTORED


def _restored(edit: FileEdit, before: Snapshot, world: World) -> Result:
    now = look(world, edit.path)
    if now is None or now.content != before.content:
        raise UndoFailedError(
            f"not taken back: {edit.path} is not as it was",
            hint="something changed it at the same moment; `chaosd recover` tries again",
        )
    return _result(edit, Outcome.RESTORED, now)


def _take_away(record: Record, edit: FileEdit, world: World) -> Result:
    post(record, world)
    remove(record, edit.path, world)
    return _result(edit, Outcome.RESTORED, None)


def _absent(record: Record, edit: FileEdit, world: World) -> Result:
    """Put a file back that is gone, if it was us who removed it or its content cannot be wrong."""
    if edit.before is None:
        return _result(edit, who_removed(record, edit, world), None)
    if edit.after is not None and not edit.immutable:
        return _result(edit, Outcome.SUPERSEDED, None)
    directory = posixpath.dirname(edit.path)
    above = world.files.lstat(posixpath.dirname(directory))
    if above is None or (edit.immutable and _in_a_pack(record, edit, world)):
        return _result(edit, Outcome.SUPERSEDED, None)
    world.files.make_directory(directory, above)  # git removes an object directory that has become empty
    if world.files.create(edit.path, edit.before.content, edit.before.stat, temporary=edit.temporary):
        return _restored(edit, edit.before, world)
    return _result(edit, Outcome.SUPERSEDED, look(world, edit.path))


def _in_a_pack(record: Record, edit: FileEdit, world: World) -> bool:
    """Tell whether somebody has fetched the object anew."""
    identity = "".join(edit.path.rsplit("/", 2)[1:])
    algorithm = next(name for name, size in ID_BYTES.items() if 2 * size == len(identity))
    repository = edit.path.rpartition("/objects/")[0]  # of a linked work tree another directory than its own
    root = posixpath.dirname(repository)
    clone = Clone(root=root, git_dir=repository, inode=record.inode, algorithm=algorithm)
    return packed(world.files, clone, identity)


# --- before and after ------------------------------------------------------------------------------------


def _clean(record: Record, world: World) -> None:
    """Remove what a death in the middle left: temporaries, our hold on git's locks, directories never used."""
    left = [
        path for path in (*record.temporaries, record.sentinel_temporary) if world.files.lstat(path) is not None
    ]
    if left and record.sentinel:
        post(record, world)
    for path in left:
        remove(record, path, world)
    for edit in record.files:
        if edit.guarded and ours(record, edit.lock, world):
            remove(record, edit.lock, world)
    for path in reversed(record.made):
        found = world.files.lstat(path)
        if found and record.made_like and found.mtime_ns == record.made_like.mtime_ns:
            mtime_ns = recorded_mtime(record, path, world)
            world.files.remove_directory(path, directory_mtime_ns=mtime_ns)


def _finish(record: Record, results: list[Result], world: World) -> None:
    """Remove what we made, give the directories their times back, and only then the sentinel."""
    for path in reversed(record.made):
        world.files.remove_directory(path, directory_mtime_ns=recorded_mtime(record, path, world))
    superseded = any(result.outcome is Outcome.SUPERSEDED for result in results)
    for before in () if superseded else record.directories:
        _restore_mtime(record, before.path, world)
    if world.files.lstat(record.sentinel) is not None:
        remove(record, record.sentinel, world)


def _restore_mtime(record: Record, path: str, world: World) -> None:
    """Give a directory its mtime back if it holds the same names as before."""
    before = next(d for d in record.directories if d.path == path)
    now = directory_now(world, path)
    if now.names == before.names and now.mtime_ns not in (0, before.mtime_ns):
        world.files.set_mtime(path, before.mtime_ns)
