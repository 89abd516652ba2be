"""Take the edit of one file back: its content again, ours taken out of the worker's version, or left alone."""

import posixpath
from dataclasses import replace

from daemon.core.errors import UndoFailedError
from daemon.core.model import Outcome
from daemon.core.seams import FileStat, World
from faults.git import keeping, merging, packed_objects, packed_since
from faults.git.kinds import FileEdit, Snapshot
from faults.git.looks import guard, look, loose_refs, remove
from faults.git.records import Record, digest
from faults.git.undoing import GONE, Result, post, who_removed

_LOOKS, _LOOK_AGAIN_S = 5, 0.3


def revert_file(record: Record, edit: FileEdit, world: World) -> Result:
    """Take it back if its effect still is as we left it; idempotent. Raises UndoFailedError when it may remain."""
    result = _revert(record, edit, world)
    packed_objects.expect_no_damage(record, edit, world)
    return result


def _revert(record: Record, edit: FileEdit, world: World) -> Result:
    now = look(world, edit.path)
    if now is None:
        return _absent(record, edit, world)
    if edit.before is not None and now.content == edit.before.content:
        return _result(edit, _whose(edit.before.stat, now.stat), now)
    if now.content != edit.after and merging.without(edit, now.content, loose_refs(world, edit)) is None:
        return _left(edit, now, world)
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
        return _take_away(record, edit, now, world)
    world.files.put(edit.path, edit.before.content, edit.before.stat, temporary=edit.temporary)
    return _restored(edit, edit.before, world)


def keep_out(record: Record, edit: FileEdit, world: World) -> None:
    """Take our change out of the index again where a git has put it back; raises UndoFailedError when it stays.

    `git commit -- FILE` and others read the index, then take its lock, and write back what they read: what we took
    out in between is in it again. They need some milliseconds for that, more in a large work tree.
    """
    for _ in range(_LOOKS):
        world.clock.wait(None, _LOOK_AGAIN_S)
        now = look(world, edit.path)
        if now is None or merging.without(edit, now.content) is None:
            return
        if edit.before is not None and now.content == edit.before.content:
            return
        with guard(record, edit, world, reverting=True):
            _put_back(record, edit, world)
    raise UndoFailedError(
        f"not taken back: a git writes our change to {edit.path} again and again",
        hint="`chaosd recover` tries again; stop what runs git in the clone if it stays",
    )


def shown(snapshot: Snapshot | None) -> str:
    """Return what stands for a file in a proof."""
    return GONE if snapshot is None else f"sha256:{digest(snapshot.content)}"


def _merge(edit: FileEdit, now: Snapshot, world: World) -> Result:
    """Take our change out of what the worker has made of the file since."""
    loose = loose_refs(world, edit)
    rest = merging.without(edit, now.content, loose)
    if rest is None:
        return _left(edit, now, world)
    as_before = edit.before is not None and rest == edit.before.content
    like = edit.before.stat if edit.before is not None and as_before else now.stat
    world.files.put(edit.path, rest, like, temporary=edit.temporary)
    if as_before and edit.before is not None:
        return _restored(edit, edit.before, world)
    digests = shown(Snapshot(stat=now.stat, content=rest))
    if lacking := merging.lacking(edit, now.content, loose):
        note = f"put back but for {lacking}: others are in the way"
        return Result(edit, Outcome.SUPERSEDED, shown(edit.before), digests, note, partly=True)
    return Result(edit, Outcome.RESTORED, digests, digests, "our change was taken out of the worker's version")


def _left(edit: FileEdit, now: Snapshot, world: World) -> Result:
    """Leave the worker's version alone, and say what is therefore not put back."""
    lacking = merging.lacking(edit, now.content, loose_refs(world, edit))
    note = f"not put back: {lacking}: others are in the way" if lacking else ""
    return _result(edit, Outcome.SUPERSEDED, now, note)


def _result(edit: FileEdit, outcome: Outcome, now: Snapshot | None, note: str = "") -> Result:
    return Result(edit, outcome, shown(edit.before), shown(now), note)


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


def _take_away(record: Record, edit: FileEdit, now: Snapshot, world: World) -> Result:
    if edit.immutable and (why := keeping.kept_for(record, edit, now, world)):
        return _result(edit, Outcome.SUPERSEDED, now, f"kept: {why}")
    post(record, world)
    remove(record, edit.path, world)
    return _result(edit, Outcome.RESTORED, None)


def _absent(record: Record, edit: FileEdit, world: World) -> Result:
    """Put a file back that is gone, if it was us who removed it or its content cannot be wrong."""
    if (packed := packed_since.revert(record, edit, world)) is not None:
        return packed
    if edit.before is None:
        return _result(edit, who_removed(record, edit, world), None)
    before = edit.before
    if edit.merge == "log" and edit.after:  # what we had left in it was dropped by the worker
        before = replace(before, content=merging.taken(before.content, edit.after))
    wanted = edit.after is None or edit.immutable or (edit.merge == "log" and before.content)
    directory = posixpath.dirname(edit.path)
    above = world.files.lstat(posixpath.dirname(directory))
    if not wanted or above is None or (edit.immutable and packed_objects.healed(record, edit, world)):
        return _result(edit, Outcome.SUPERSEDED, None)
    world.files.make_directory(directory, above)  # git removes an object directory that has become empty
    if edit.merge == "log":
        _stash_put_back(record, edit, before, world)
    if world.files.create(edit.path, before.content, before.stat, temporary=edit.temporary):
        return _restored(edit, before, world)
    return _result(edit, Outcome.SUPERSEDED, look(world, edit.path))


def _stash_put_back(record: Record, edit: FileEdit, before: Snapshot, world: World) -> None:
    """Put the stash's ref back with its log: git removes both when it drops the last entry that we left it.

    First the ref: whoever finds the log in place looks no further.
    """
    ref = edit.path.replace("/logs/refs/", "/refs/")
    tip = before.content.rstrip(b"\n").rpartition(b"\n")[2].split(b" ")[1:2]
    if tip and ref.endswith("/refs/stash") and not any(other.path == ref for other in record.edits):
        world.files.create(ref, tip[0] + b"\n", before.stat, temporary=edit.lock_temporary)
