"""Take file edits back by comparing first: what still is as we left it is restored, anything else is left alone.

Whoever dies in the middle leaves a state from which the next revert can tell our changes from the worker's:
a file we put back has its old mtime; a file we removed gave its directory's mtime back, and until that is done
the record's ``sentinel``, a file in another directory, says that the removal was ours.
"""

from daemon.core.errors import ChaosdError, UndoFailedError
from daemon.core.model import Json, Outcome, Reversion
from daemon.core.seams import World
from faults.git import packed_since, place, pruned, rejoining, undoing
from faults.git.kinds import Dress, Edit, FileEdit, Hold, Make, Move, Patch
from faults.git.looks import directory_now, look, ours, recorded_mtime, remove
from faults.git.records import Record
from faults.git.restoring import keep_out, revert_file, shown
from faults.git.undoing import GONE, Result, post, who_removed


def revert(record: Record, world: World) -> Reversion:
    """Restore what still is as we left it, leave alone what is not, and prove it; idempotent.

    Raises UndoFailedError when residue may remain.
    """
    # Our processes end first: they hold what they hold whatever became of the repository.
    held = [undoing.revert(record, edit, world) for edit in record.edits if isinstance(edit, Hold)]
    _expect_no_link(record, world)
    back = [_revert(record, edit, world) for edit in reversed(record.edits) if _holds_the_place(record, edit)]
    if any(isinstance(r.edit, Move) and r.outcome is Outcome.SUPERSEDED for r in back):
        return _conclude([*held, *back])
    back = [*held, *(result for result in back if isinstance(result.edit, Move))]
    what = _became(record, world)
    if what:
        return Reversion(outcome=Outcome.SUPERSEDED, detail=f"{record.git_dir} {what}; nothing left to take back")
    try:
        _clean(record, world)
        results = _take_back(record, world)
        _finish(record, results, world)
        pruned.expect_none(record, world)
    except UndoFailedError:
        raise
    except ChaosdError as error:
        raise UndoFailedError(
            f"not taken back completely: {error.message}", hint=error.hint or "`chaosd recover` tries again"
        ) from error
    return _conclude([*back, *results])


def _became(record: Record, world: World) -> str:
    """Say what became of the place; empty when it is still there."""
    if record.place is not None and (standing := place.look(record.place, world)) is not place.Standing.SAME:
        return str(standing)
    now = world.files.lstat(record.git_dir)
    if now is None:
        return "is gone"
    same = now.kind == "directory" and now.inode == record.inode
    if same and record.place is not None and place.made_anew(record.git_dir, record.place, world):
        same = any(_stands(edit, world) for edit in record.edits)
    return "" if same else "was replaced"


def _stands(edit: Edit, world: World) -> bool:
    """Tell whether what we made is there as we left it: then it is the repository that we struck."""
    now = world.files.lstat(edit.kept if isinstance(edit, Move) else edit.path)
    if now is None or isinstance(edit, Hold):
        return False
    match edit:
        case Move():
            return now.inode == edit.stat.inode
        case FileEdit():
            return now.mtime_ns == edit.like.mtime_ns and world.files.read(edit.path, straight=True) == edit.after
        case Dress():
            return (now.inode, now.mode, now.uid) == (edit.after.inode, edit.after.mode, edit.after.uid)
        case Patch():
            return now.mtime_ns == edit.before.mtime_ns
        case Make():
            return undoing.is_ours(edit, now, world)


def _holds_the_place(record: Record, edit: Edit) -> bool:
    """Tell whether this edit moved the repository itself away, or stands in its place: it has to be back first."""
    moved = [e.path for e in record.edits if isinstance(e, Move)]
    return any(edit.path == path and f"{record.git_dir}/".startswith(f"{path}/") for path in moved)


def _take_back(record: Record, world: World) -> list[Result]:
    """Take the edits back, last one first; none when the worker changed the one that stands for all."""
    anchor = next((edit for edit in record.files if edit.path == record.anchor), None)
    if anchor is not None and not _is_ours(record, anchor, world):
        return [Result(anchor, Outcome.SUPERSEDED, GONE, shown(look(world, anchor.path)))]
    rest = [e for e in record.edits if not isinstance(e, Hold) and not _holds_the_place(record, e)]
    results = [_revert(record, edit, world) for edit in reversed(rest)]
    for edit in record.files:
        if edit.merge == "index":
            keep_out(record, edit, world)
    return results


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
    mixed = outcomes >= {Outcome.SUPERSEDED, Outcome.RESTORED}
    return Reversion(
        outcome=worst, proof=proof, detail=detail, partly=mixed or any(result.partly for result in results)
    )


def _revert(record: Record, edit: Edit, world: World) -> Result:
    if _original_is_back(record, edit, world):
        return Result(edit, Outcome.UNTOUCHED, GONE, GONE)
    if isinstance(edit, FileEdit):
        return revert_file(record, edit, world)
    joined = rejoining.joined(record, edit, world) if isinstance(edit, Move) else None
    return joined or undoing.revert(record, edit, world)


def _original_is_back(record: Record, edit: Edit, world: World) -> bool:
    """Tell whether what an earlier edit moved away from here is here: then nothing of this edit can be."""
    for other in record.edits:
        if isinstance(other, Move) and other is not edit and f"{edit.path}/".startswith(f"{other.path}/"):
            now = world.files.lstat(other.path)
            return now is not None and now.inode == other.stat.inode
    return False


# --- before and after ------------------------------------------------------------------------------------


def _clean(record: Record, world: World) -> None:
    """Remove what a death in the middle left: temporaries, our hold on git's locks, directories never used."""
    left = [
        path for path in (*record.temporaries, record.sentinel_temporary) if world.files.lstat(path) is not None
    ]
    for ballast in {path for path in left if path in record.ballast}:
        remove(record, ballast, world)  # the sentinel needs a block
        left.remove(ballast)
    if left:
        post(record, world)
    for path in left:
        remove(record, path, world)
    for path in packed_since.leftovers(record, world):
        remove(record, path, world)
    for edit in record.files:
        if edit.guarded and ours(record, edit.lock, world):
            remove(record, edit.lock, world)
    for path in reversed(record.made):
        if _is_unused(record, path, world):
            post(record, world)
            world.files.remove_directory(path, directory_mtime_ns=recorded_mtime(record, path, world))


def _is_unused(record: Record, path: str, world: World) -> bool:
    """Tell whether a directory that we made never held anything."""
    found, like = world.files.lstat(path), record.made_like
    return found is not None and like is not None and found.mtime_ns == like.mtime_ns


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
