"""Damage to what loose objects hold."""

import zlib
from collections.abc import Callable

from daemon.core import gitpacks
from daemon.core.errors import TargetAbsentError
from daemon.core.gitobjects import MalformedError, inflated, parse_loose
from faults.git.entry import Entry, Scheme
from faults.git.kinds import FileEdit, Recipe, Snapshot
from faults.git.loose import CAT, struck
from faults.git.prey import loose_object, walk
from faults.git.sight import Look

_FLIP_TRIES = 64


_HEAL = "delete the file, then fetch the object from the remote or write it anew from the work tree"


def _damage(verb: str, recipe: Callable[[Look, Snapshot], Recipe], kind: str = "any") -> Callable[[Look], Scheme]:
    def scheme(look: Look) -> Scheme:
        found, before = loose_object(look, kind)
        path = look.clone.object_path(found.named.id)
        edit = FileEdit(path=path, recipe=recipe(look, before), before=before, like=before.stat, immutable=True)
        return struck(look, verb, found.named, edit)

    return scheme


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


def _empty(_look: Look, _before: Snapshot) -> Recipe:
    return Recipe(action="truncate", size=0)


def _zeros(_look: Look, before: Snapshot) -> Recipe:
    return Recipe(action="write", content=bytes(len(before.content)))


def _garbage_after(look: Look, before: Snapshot) -> Recipe:
    return Recipe(action="splice", offset=len(before.content), content=look.dice.randbytes(16))


def _wrong_size(_look: Look, before: Snapshot) -> Recipe:
    """Name a smaller size. A larger one git 2.39 takes for true, and it streams a blob as far as it says."""
    found = parse_loose(before.content)
    head = f"{found.kind} {len(found.payload) - 1 if found.payload else 1}\0".encode()
    return Recipe(action="write", content=zlib.compress(head + found.payload))


def _forge(_look: Look, before: Snapshot) -> Recipe:
    """Make a well-formed object of other bytes and the same length."""
    found = parse_loose(before.content)
    payload = bytearray(found.payload)
    at = max(0, len(payload) - 2)
    payload[at] ^= 0x01
    head = f"{found.kind} {len(payload)}\0".encode()
    return Recipe(action="write", content=zlib.compress(head + bytes(payload)))


def _forged_blob(look: Look) -> Scheme:
    found, before = loose_object(look, "blob", fits=lambda content: len(parse_loose(content).payload) > 1)
    edit = FileEdit(
        path=look.clone.object_path(found.named.id),
        recipe=_forge(look, before),
        before=before,
        like=before.stat,
        immutable=True,
    )
    return struck(look, "forge other content for", found.named, edit)


def _swapped(look: Look) -> Scheme:
    found, before = loose_object(look, "blob")
    others = [one for one in walk(look, look.tip()) if one.kind == "blob" and one.id != found.named.id]
    if not others:
        raise TargetAbsentError(f"nothing was touched: there is no second blob in {look.clone.root}")
    other = look.dice.choice(others)
    content = gitpacks.read_object(look.files, look.clone, other.id)
    payload = content.payload if content else b""
    recipe = Recipe(action="write", content=zlib.compress(f"blob {len(payload)}\0".encode() + payload))
    edit = FileEdit(
        path=look.clone.object_path(found.named.id), recipe=recipe, before=before, like=before.stat, immutable=True
    )
    return struck(look, f"put the content of {other.id} into", found.named, edit)


ENTRIES = (
    Entry(
        name="loose-object-truncate",
        summary="cut off a loose object that HEAD reaches",
        fails="reading the object says 'loose object ... is corrupt'; checkout, push and gc that need it fail",
        repair=_HEAL,
        tells=CAT,
        seen="object-corrupt",
        often="common",
        fsck=True,
        scheme=_damage("truncate", _cut),
    ),
    Entry(
        name="loose-object-bitflip",
        summary="flip one bit of a loose object that HEAD reaches",
        fails="reading the object says 'inflate: data stream error'; checkout, push and gc that need it fail",
        repair=_HEAL,
        tells=CAT,
        seen="object-corrupt",
        fsck=True,
        scheme=_damage("flip one bit of", _flip),
    ),
    Entry(
        name="loose-object-missing",
        summary="delete a loose object that HEAD reaches",
        fails="reading the object says 'bad object' or 'unable to read'; push and gc fail, checkout may exit 0",
        repair=_HEAL,
        tells=CAT,
        says="Not a valid object name",
        seen="object-missing",
        often="common",
        fsck=True,
        scheme=_damage("delete", _delete),
    ),
    Entry(
        name="loose-object-empty",
        summary="empty a loose object that HEAD reaches, as a power cut does",
        fails="reading the object says 'object file ... is empty'; checkout, push and gc that need it fail",
        repair=_HEAL,
        tells=CAT,
        says="is empty",
        seen="object-corrupt",
        often="daily",
        fsck=True,
        scheme=_damage("empty", _empty),
    ),
    Entry(
        name="loose-object-zeros",
        summary="fill a loose object that HEAD reaches with zeros, as a file system does after a crash",
        fails="reading the object says 'inflate: data stream error' or 'unable to unpack header'",
        repair=_HEAL,
        tells=CAT,
        seen="object-corrupt",
        often="seen",
        fsck=True,
        scheme=_damage("fill with zeros", _zeros),
    ),
    Entry(
        name="loose-object-garbage-after",
        summary="add bytes behind the end of a loose tree that HEAD reaches",
        fails="reading the tree says 'garbage at end of loose object'",
        repair=_HEAL,
        tells=CAT,
        says="garbage at end of loose object",
        seen="object-corrupt",
        fsck=True,
        scheme=_damage("add garbage to", _garbage_after, "tree"),
    ),
    Entry(
        name="loose-object-wrong-size",
        summary="let the header of a loose tree name a smaller size",
        fails="reading the tree says 'corrupt loose object': checkout, diff and push die",
        repair=_HEAL,
        tells=CAT,
        seen="object-corrupt",
        fsck=True,
        scheme=_damage("name a smaller size in", _wrong_size, "tree"),
    ),
    Entry(
        name="loose-object-forged",
        summary="replace a loose blob by a well-formed one with other bytes of the same length",
        fails="nothing: git does not hash what it reads; the other bytes are shown and checked out",
        repair=_HEAL,
        tells="cat-file blob {object}",
        seen="object-corrupt",
        fsck=True,
        silent=True,
        scheme=_forged_blob,
    ),
    Entry(
        name="loose-object-swapped",
        summary="put the content of another blob in the place of a loose one",
        fails="nothing: git does not hash what it reads; the other file's content is checked out",
        repair=_HEAL,
        tells="cat-file blob {object}",
        seen="object-corrupt",
        fsck=True,
        silent=True,
        scheme=_swapped,
    ),
)
