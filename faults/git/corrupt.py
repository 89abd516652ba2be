"""Damage to a clone's files: loose objects, index, HEAD and refs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from daemon.core.calls import NONE, Call
from daemon.core.errors import TargetAbsentError
from daemon.core.gitclone import packed_ref, read_head
from daemon.core.gitobjects import ID_BYTES, MalformedError, inflated, loose_problem, parse_head
from daemon.core.gitwalk import Loose
from daemon.core.model import Order, Resource, Reversion, Undo
from daemon.core.parameters import parameter
from daemon.core.seams import Flag, World
from faults.git import edits, reversal
from faults.git.entry import Change, Entry, Look, Scheme, modes, prepare
from faults.git.records import Recipe, Record, Snapshot
from faults.git.victim import git_would_read, no_loose_object, reachable

# Shorter than header and checksum: git then dies instead of reading entries made of the next page's zeros.
_INDEX_BYTES_MAX = 31
_FLIP_TRIES = 64


# --- loose objects ---------------------------------------------------------------------------------------


def _object_scheme(look: Look, verb: str, recipe: Callable[[Look, Snapshot], Recipe]) -> Scheme:
    found, before = _healthy_object(look)
    named = found.named
    path = look.clone.object_path(named.id)
    change = Change(path=path, recipe=recipe(look, before), before=before, like=before.stat, immutable=True)
    return Scheme(
        changes=(change,),
        action=f"{verb} the loose {named.kind} {named.id} ({named.name}), {look.clone.shown(path)},",
        victim={"object": named.id, "kind": named.kind, "name": named.name},
    )


def _healthy_object(look: Look) -> tuple[Loose, Snapshot]:
    """Choose an object by dice; passes over what git would not read and what is damaged already."""
    kind = look.parameters.object
    candidates = reachable(look.files, look.clone, kind)
    while candidates:
        found = candidates.pop(look.dice.randrange(len(candidates)))
        if not git_would_read(look.files, look.clone, found):
            continue
        before = look.snapshot(look.clone.object_path(found.named.id))
        if loose_problem(look.clone.algorithm, found.named.id, before.content) is None:
            return found, before
    raise no_loose_object(look.clone, kind)


def _cut(look: Look, before: Snapshot) -> Recipe:
    return Recipe(action="truncate", size=look.dice.randrange(1, max(2, len(before.content) * 3 // 4)))


def _flip(look: Look, before: Snapshot) -> Recipe:
    """Choose a bit that matters: a few, behind the last block of the stream, do not."""
    for _ in range(_FLIP_TRIES):
        recipe = Recipe(action="flip", offset=look.dice.randrange(len(before.content)), bit=look.dice.randrange(8))
        try:
            all(inflated(recipe.apply(before.content) or b""))  # read to its end
        except MalformedError:
            return recipe
    raise TargetAbsentError("nothing was touched: no bit of the chosen object matters")


def _delete(_look: Look, _before: Snapshot) -> Recipe:
    return Recipe(action="unlink")


# --- index, HEAD and refs --------------------------------------------------------------------------------


def _index_truncate(look: Look) -> Scheme:
    path = look.clone.path("index")
    before = look.snapshot(path)
    size = look.dice.randrange(1, _INDEX_BYTES_MAX + 1)
    change = Change(
        path=path, recipe=Recipe(action="truncate", size=size), before=before, like=before.stat, guarded=True
    )
    return Scheme(changes=(change,), action=f"truncate .git/index from {len(before.content)} to {size} bytes")


def _head_garbage(look: Look) -> Scheme:
    path = look.clone.path("HEAD")
    before = look.snapshot(path)
    garbage = bytes((0xFF,)) + look.dice.randbytes(31)  # no ref and no id begins like this
    change = Change(
        path=path, recipe=Recipe(action="write", content=garbage), before=before, like=before.stat, guarded=True
    )
    return Scheme(changes=(change,), action="overwrite .git/HEAD with 32 random bytes")


def current_branch(look: Look) -> str:
    """Return the ref HEAD points to; raises TargetAbsentError when no branch is checked out."""
    try:
        head = read_head(look.files, look.clone)
    except MalformedError as error:
        raise TargetAbsentError(
            f"nothing was touched: HEAD of {look.clone.root} is broken already: {error}"
        ) from None
    if head.ref is None:
        raise TargetAbsentError(
            f"nothing was touched: HEAD of {look.clone.root} is detached, no branch is checked out",
            hint="this mode strikes the checked-out branch; choose another one",
        )
    return head.ref


def _ref_scheme(look: Look, content: bytes, what: str) -> Scheme:
    ref = current_branch(look)
    path = look.clone.path(ref)
    recipe = Recipe(action="write", content=content)
    if look.stat(path) is not None:
        before = look.snapshot(path)
        _expect_healthy(look, ref, before.content)
        change = Change(path=path, recipe=recipe, before=before, like=before.stat, guarded=True)
    elif packed_ref(look.files, look.clone, ref) is not None:
        like = look.fresh(look.clone.path("packed-refs"))
        change = Change(path=path, recipe=recipe, before=None, like=like, guarded=True)
    else:
        raise TargetAbsentError(f"nothing was touched: {ref} in {look.clone.root} has no commit yet")
    return Scheme(changes=(change,), action=f"{what} .git/{ref}", victim={"ref": ref})


def _expect_healthy(look: Look, ref: str, content: bytes) -> None:
    try:
        parse_head(content, look.clone.algorithm)
    except MalformedError as error:
        raise TargetAbsentError(f"nothing was touched: {ref} is broken already: {error}") from None


def _ref_empty(look: Look) -> Scheme:
    return _ref_scheme(look, b"", "empty")


def _ref_missing_object(look: Look) -> Scheme:
    nobody = look.dice.randbytes(ID_BYTES[look.clone.algorithm]).hex()
    return _ref_scheme(look, f"{nobody}\n".encode(), f"write {nobody}, the id of no object, to")


# --- the table -------------------------------------------------------------------------------------------

_HEAL_OBJECT = "delete the file, then fetch the object from the remote or write it anew from the work tree"

ENTRIES = (
    Entry(
        name="loose-object-truncate",
        summary="cut off a loose object that HEAD reaches",
        fails="reading the object says 'loose object ... is corrupt'; checkout, push and gc that need it fail",
        repair=_HEAL_OBJECT,
        fsck=True,
        scheme=lambda look: _object_scheme(look, "truncate", _cut),
    ),
    Entry(
        name="loose-object-bitflip",
        summary="flip one bit of a loose object that HEAD reaches",
        fails="reading the object says 'inflate: data stream error'; checkout, push and gc that need it fail",
        repair=_HEAL_OBJECT,
        fsck=True,
        scheme=lambda look: _object_scheme(look, "flip one bit of", _flip),
    ),
    Entry(
        name="loose-object-missing",
        summary="delete a loose object that HEAD reaches",
        fails="reading the object says 'bad object' or 'unable to read'; push and gc fail, checkout may exit 0",
        repair=_HEAL_OBJECT,
        fsck=True,
        scheme=lambda look: _object_scheme(look, "delete", _delete),
    ),
    Entry(
        name="index-truncate",
        summary="cut the index off within its header",
        fails="status, add, commit, checkout and stash die with 'index file smaller than expected'",
        repair="rm .git/index && git reset",
        fsck=True,
        scheme=_index_truncate,
    ),
    Entry(
        name="head-garbage",
        summary="overwrite HEAD with random bytes",
        fails="every git command dies with 'not a git repository', or works on a repository further up",
        repair="write 'ref: refs/heads/BRANCH' to .git/HEAD",
        fsck=True,
        scheme=_head_garbage,
    ),
    Entry(
        name="ref-empty",
        summary="empty the file of the checked-out branch's ref",
        fails="log, commit, fetch, pull and push fail: 'your current branch appears to be broken', 'bad object'",
        repair="take the last id from .git/logs/refs/heads/BRANCH and write it to the ref",
        fsck=True,
        scheme=_ref_empty,
    ),
    Entry(
        name="ref-missing-object",
        summary="let the checked-out branch's ref name an object that does not exist",
        fails="status, log, commit and checkout die with 'bad object HEAD'",
        repair="take the last id from .git/logs/refs/heads/BRANCH and write it to the ref",
        fsck=True,
        scheme=_ref_missing_object,
    ),
)
_BY_NAME = {entry.name: entry for entry in ENTRIES}


@dataclass(frozen=True, slots=True, kw_only=True)
class GitCorrupt:
    """Damages one file of a clone as power cuts, full disks and bit rot do; hard links keep the good bytes."""

    name: ClassVar[str] = "git-corrupt"
    summary: ClassVar[str] = "damage a clone's objects, index, HEAD or refs"
    modes: ClassVar = modes(ENTRIES)
    touches: ClassVar[Resource] = Resource.REPOSITORY
    calls: ClassVar[tuple[Call, ...]] = NONE

    mode: str = parameter("loose-object-truncate", "what is damaged", choices=tuple(_BY_NAME))
    object: str = parameter(
        "any", "kind of object the loose-object modes choose", choices=("any", "commit", "tree", "blob")
    )

    def prepare(self, order: Order, world: World) -> Undo:
        return prepare(self.name, _BY_NAME[self.mode], self, order, world)

    @classmethod
    def inject(cls, undo: Undo, world: World, stop: Flag) -> None:
        edits.apply(Record.load(undo.data), world, stop)

    @classmethod
    def revert(cls, undo: Undo, world: World) -> Reversion:
        return reversal.revert(Record.load(undo.data), world)
