"""Take back a ref that git has packed since: its file is gone, but what we wrote to it holds on in packed-refs."""

import posixpath
from collections.abc import Iterator

from daemon.core.gitobjects import MalformedError
from daemon.core.model import Outcome
from daemon.core.seams import World
from faults.git.kinds import FileEdit, Recipe, Snapshot
from faults.git.looks import guard, look, ours
from faults.git.merging_refs import read, without
from faults.git.records import Record, digest
from faults.git.undoing import GONE, Result, post

_NOTE = "git had packed it since"


def revert(record: Record, edit: FileEdit, world: World) -> Result | None:
    """Put the ref's file back, which counts more, or take the line out; None when the line is not ours."""
    if not _as_we_wrote_it(record, edit, world):
        return None
    content = edit.before.content if edit.before is not None else edit.shadowed
    if not content:
        return _line_taken_out(record, edit, world)
    _make_directories(_top(record, edit), posixpath.dirname(edit.path), world)
    like = edit.before.stat if edit.before is not None else edit.like
    with guard(record, edit, world, reverting=True):
        if not _as_we_wrote_it(record, edit, world):
            return None
        if not world.files.create(edit.path, content, like, temporary=edit.temporary):
            return None
    shown = f"sha256:{digest(content)}"
    return Result(edit, Outcome.RESTORED, shown, shown, _NOTE)


def leftovers(record: Record, world: World) -> Iterator[str]:
    """Yield what a death while taking a line out has left."""
    for edit in record.files:
        if _top(record, edit) and edit.before is None and (packed := _packed(record, edit, world)) is not None:
            yield from (path for path in (packed.temporary,) if world.files.lstat(path) is not None)
            yield from (path for path in (packed.lock,) if ours(record, path, world))


def shadowed(top: str, path: str, world: World) -> bytes:
    """Return what a file would hold that says the same as a ref's line in packed-refs; empty when there is none."""
    value = _value(top, path, world)
    return value + b"\n" if value else b""


def _line_taken_out(record: Record, edit: FileEdit, world: World) -> Result | None:
    packed = _packed(record, edit, world)
    if packed is None:
        return None
    post(record, world)
    with guard(record, packed, world, reverting=True):
        now = look(world, packed.path)
        if now is None or not _as_we_wrote_it(record, edit, world):
            return None
        rest = without(now.content, _name(_top(record, edit), edit.path))
        world.files.put(packed.path, rest, now.stat, temporary=packed.temporary)
    return Result(edit, Outcome.RESTORED, GONE, GONE, _NOTE)


def _as_we_wrote_it(record: Record, edit: FileEdit, world: World) -> bool:
    top = _top(record, edit)
    if not top or not edit.after or world.files.lstat(edit.path) is not None:
        return False
    return _value(top, edit.path, world) == edit.after.strip()


def _top(record: Record, edit: FileEdit) -> str:
    """Return the repository in which a file is a ref; empty when it is none."""
    above = [root for root in (record.git_dir, *record.roots) if edit.path.startswith(f"{root}/refs/")]
    return max(above, key=len, default="")


def _name(top: str, path: str) -> bytes:
    return posixpath.relpath(path, top).encode("utf-8", "surrogateescape")


def _value(top: str, path: str, world: World) -> bytes:
    found = look(world, posixpath.join(top, "packed-refs"))
    try:
        lines = read(found.content)[1] if found is not None else {}
    except MalformedError:
        return b""  # git reads none
    return lines.get(_name(top, path), b"").partition(b" ")[0]


def _packed(record: Record, edit: FileEdit, world: World) -> FileEdit | None:
    """Return packed-refs as something to be changed under git's lock of it."""
    path = posixpath.join(_top(record, edit), "packed-refs")
    stat = world.files.lstat(path)
    if stat is None:
        return None
    return FileEdit(
        path=path,
        before=Snapshot(stat=stat, content=b""),
        like=stat,
        recipe=Recipe(action="unlink"),
        temporary=posixpath.join(posixpath.dirname(path), f".chaosd-{record.injection}-packed"),
        guarded=True,
    )


def _make_directories(top: str, directory: str, world: World) -> None:
    """Make the directories again that git has removed because they had become empty."""
    if directory == top or world.files.lstat(directory) is not None:
        return
    above = posixpath.dirname(directory)
    _make_directories(top, above, world)
    if (like := world.files.lstat(above)) is not None:
        world.files.make_directory(directory, like)
