"""Tell whether a pack holds an object that we damaged, and whether it is the damage that git has packed."""

import posixpath

from daemon.core import gitpacks, gitwalk
from daemon.core.errors import UndoFailedError
from daemon.core.gitclone import Clone
from daemon.core.gitobjects import ID_BYTES, GitObject, MalformedError, parse_loose
from daemon.core.seams import World
from faults.git.kinds import FileEdit
from faults.git.records import Record


def healed(record: Record, edit: FileEdit, world: World) -> bool:
    """Tell whether somebody has fetched the object anew: a pack holds it, and not as we left it."""
    clone, identity = _clone(record, edit)
    return gitwalk.packed(world.files, clone, identity) and _damaged(record, edit, world) is None


def expect_no_damage(record: Record, edit: FileEdit, world: World) -> None:
    """Raise UndoFailedError when git has packed an object as we left it, which then comes before the good file.

    `git gc` and `git repack` pack whatever can be unpacked; that the content has another id, they do not see.
    """
    if edit.immutable and (pack := _damaged(record, edit, world)) is not None:
        raise UndoFailedError(
            f"not taken back: git has packed {edit.path} as chaosd left it, into {pack}; the good file is back, "
            "but git reads the pack first",
            hint=f"move {pack.removesuffix('.pack')}.* out of the repository, give the .pack to "
            "`git unpack-objects` there, then `chaosd recover`; or clone anew",
        )


def _damaged(record: Record, edit: FileEdit, world: World) -> str | None:
    """Return the pack that holds an object as we left it."""
    ours = _wellformed(edit)
    if ours is None:
        return None
    clone, identity = _clone(record, edit)
    place = gitpacks.locate(world.files, clone, identity)
    try:
        found = gitpacks.read_packed(world.files, clone, place) if place is not None else None
    except MalformedError:
        return None  # too large to be read here, or broken in a way that git sees
    return place.pack if place is not None and found == ours else None


def _wellformed(edit: FileEdit) -> GitObject | None:
    """Return what we left in the place of an object, if git can read it."""
    if edit.before is None or not edit.after or edit.after == edit.before.content:
        return None
    try:
        return parse_loose(edit.after)
    except MalformedError:
        return None


def _clone(record: Record, edit: FileEdit) -> tuple[Clone, str]:
    identity = "".join(edit.path.rsplit("/", 2)[1:])
    algorithm = next(name for name, size in ID_BYTES.items() if 2 * size == len(identity))
    repository = edit.path.rpartition("/objects/")[0]  # of a linked work tree another directory than its own
    root = posixpath.dirname(repository)
    return Clone(root=root, git_dir=repository, inode=record.inode, algorithm=algorithm), identity
