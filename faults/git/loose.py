"""Damage to loose objects, and to the directory they lie in."""

import posixpath
import zlib
from collections.abc import Callable

from daemon.core import gitpacks
from daemon.core.errors import TargetAbsentError
from daemon.core.gitclone import read_ref
from daemon.core.gitobjects import MalformedError, inflated, parse_loose
from daemon.core.gitwalk import Named, packed
from faults.git.entry import Entry, Scheme
from faults.git.kinds import FileEdit, Recipe, Snapshot
from faults.git.prey import Packed, loose_object, packed_object, walk
from faults.git.refs import other_branches
from faults.git.sight import Look

_FLIP_TRIES = 64
_LITTER = 8
_HEAL = "delete the file, then fetch the object from the remote or write it anew from the work tree"


def _scheme(look: Look, verb: str, named: Named, edit: FileEdit) -> Scheme:
    return Scheme(
        edits=(edit,),
        action=f"{verb} the loose {named.kind} {named.id} ({named.name}), {look.clone.shown(edit.path)},",
        victim={"object": named.id, "kind": named.kind, "name": named.name},
    )


def _damage(verb: str, recipe: Callable[[Look, Snapshot], Recipe], kind: str = "any") -> Callable[[Look], Scheme]:
    def scheme(look: Look) -> Scheme:
        found, before = loose_object(look, kind)
        path = look.clone.object_path(found.named.id)
        edit = FileEdit(path=path, recipe=recipe(look, before), before=before, like=before.stat, immutable=True)
        return _scheme(look, verb, found.named, edit)

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
    found = parse_loose(before.content)
    head = f"{found.kind} {len(found.payload) + 1}\0".encode()
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
    return _scheme(look, "forge other content for", found.named, edit)


def _swapped(look: Look) -> Scheme:
    found, before = loose_object(look, "blob")
    others = [
        one
        for one in walk(look, look.tip())
        if (named := one.named if isinstance(one, Packed) else one).kind == "blob" and named.id != found.named.id
    ]
    if not others:
        raise TargetAbsentError(f"nothing was touched: there is no second blob in {look.clone.root}")
    other = others[look.dice.randrange(len(others))]
    named = other.named if isinstance(other, Packed) else other
    content = gitpacks.read_object(look.files, look.clone, named.id)
    payload = content.payload if content else b""
    recipe = Recipe(action="write", content=zlib.compress(f"blob {len(payload)}\0".encode() + payload))
    edit = FileEdit(
        path=look.clone.object_path(found.named.id), recipe=recipe, before=before, like=before.stat, immutable=True
    )
    return _scheme(look, f"put the content of {named.id} into", found.named, edit)


def _directory(look: Look) -> Scheme:
    found, _ = loose_object(look)
    path = look.clone.object_path(found.named.id)
    edits = look.directory_instead(path)
    victim = {"object": found.named.id, "kind": found.named.kind, "name": found.named.name}
    return Scheme(
        edits=edits, action=f"put a directory in the place of the loose object {found.named.id}", victim=victim
    )


def _unreadable(look: Look) -> Scheme:
    found, _ = loose_object(look)
    path = look.clone.object_path(found.named.id)
    victim = {"object": found.named.id, "kind": found.named.kind, "name": found.named.name}
    return Scheme(
        edits=(look.chmod(path, 0),), action=f"take all rights to the loose {found.named.id} away", victim=victim
    )


def _other_branch(look: Look) -> Scheme:
    """Delete a blob that only another branch has: who switches to it gets a tree with a file missing."""
    ours = {(one.named if isinstance(one, Packed) else one).id for one in walk(look, look.tip(), 2000)}
    for ref in other_branches(look):
        tip = read_ref(look.files, look.clone, ref)
        for named in walk(look, tip, 400) if tip else ():
            if isinstance(named, Packed) or named.kind != "blob" or named.id in ours:
                continue
            path = look.clone.object_path(named.id)
            if look.stat(path) is not None and not packed(look.files, look.clone, named.id):
                edit = look.delete(path, immutable=True)
                scheme = _scheme(look, f"delete, of {ref},", named, edit)
                return Scheme(
                    edits=scheme.edits,
                    action=scheme.action,
                    victim={**scheme.victim, "ref": ref, "branch": ref.removeprefix("refs/heads/")},
                )
    raise TargetAbsentError(
        f"nothing was touched: no other branch of {look.clone.root} has a loose blob of its own"
    )


def _fanout(look: Look) -> Scheme:
    found, _ = loose_object(look)
    path = posixpath.dirname(look.clone.object_path(found.named.id))
    victim = {"object": found.named.id, "kind": found.named.kind}
    return Scheme(edits=(look.away(path),), action=f"move {look.clone.shown(path)} away", victim=victim)


def _shadow(look: Look) -> Scheme:
    found = packed_object(look)
    path = look.clone.object_path(found.named.id)
    victim = {"object": found.named.id, "kind": found.named.kind}
    edit = look.create(path, b"", mode=0o444)
    return Scheme(edits=(edit,), action=f"leave an empty loose file for the packed {found.named.id}", victim=victim)


def _readonly(look: Look) -> Scheme:
    objects = look.clone.path("objects")
    names = [n for n in look.files.names(objects) if len(n) == 2]  # noqa: PLR2004  the fan-out directories
    edits = tuple(look.chmod(posixpath.join(objects, name), 0o555) for name in names)
    return Scheme(edits=(*edits, look.chmod(objects, 0o555)), action="make .git/objects and all in it read-only")


def gone(look: Look) -> Scheme:
    """Move all objects away."""
    return Scheme(edits=(look.away(look.clone.path("objects")),), action="move .git/objects away")


def _litter(look: Look) -> Scheme:
    pack = look.clone.path("objects", "pack")
    names = [f"tmp_pack_{look.dice.randbytes(3).hex()}" for _ in range(_LITTER)]
    edits = tuple(look.create(posixpath.join(pack, n), look.dice.randbytes(512), mode=0o444) for n in names)
    return Scheme(edits=edits, action=f"leave {_LITTER} temporary packs of a killed fetch")


_CAT = "cat-file -p {object}"

ENTRIES = (
    Entry(
        name="loose-object-truncate",
        summary="cut off a loose object that HEAD reaches",
        fails="reading the object says 'loose object ... is corrupt'; checkout, push and gc that need it fail",
        repair=_HEAL,
        tells=_CAT,
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
        tells=_CAT,
        seen="object-corrupt",
        fsck=True,
        scheme=_damage("flip one bit of", _flip),
    ),
    Entry(
        name="loose-object-missing",
        summary="delete a loose object that HEAD reaches",
        fails="reading the object says 'bad object' or 'unable to read'; push and gc fail, checkout may exit 0",
        repair=_HEAL,
        tells=_CAT,
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
        tells=_CAT,
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
        tells=_CAT,
        seen="object-corrupt",
        often="seen",
        fsck=True,
        scheme=_damage("fill with zeros", _zeros),
    ),
    Entry(
        name="loose-object-garbage-after",
        summary="add bytes behind the end of a loose object that HEAD reaches",
        fails="reading the object says 'garbage at end of loose object'",
        repair=_HEAL,
        tells=_CAT,
        says="garbage at end of loose object",
        seen="object-corrupt",
        fsck=True,
        scheme=_damage("add garbage to", _garbage_after),
    ),
    Entry(
        name="loose-object-wrong-size",
        summary="let the header of a loose object name another size",
        fails="reading the object says 'corrupt loose object' or 'garbage at end'",
        repair=_HEAL,
        tells=_CAT,
        seen="object-corrupt",
        fsck=True,
        scheme=_damage("name another size in", _wrong_size),
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
    Entry(
        name="loose-object-directory",
        summary="put a directory in the place of a loose object that HEAD reaches",
        fails="reading the object says 'unable to mmap' or 'unable to unpack header'",
        repair="remove the directory, then fetch the object or write it anew",
        tells=_CAT,
        seen="object-corrupt",
        fsck=True,
        scheme=_directory,
    ),
    Entry(
        name="loose-object-unreadable",
        summary="take all rights to a loose object away; a worker that is root does not notice",
        fails="reading the object says 'Permission denied' or 'bad object'",
        repair="chmod 444 the file",
        tells=_CAT,
        seen="permission-lost",
        rights=True,
        often="seen",
        fsck=True,
        scheme=_unreadable,
    ),
    Entry(
        name="loose-object-other-branch",
        summary="delete a loose blob that only another branch has",
        fails="nothing: checkout of that branch exits 0 with a file missing, and add -A commits its deletion",
        repair="fetch the object from the remote, or reset the branch to the remote's",
        tells="checkout {branch}",
        says="unable to read sha1 file",
        seen="object-missing",
        often="seen",
        fsck=True,
        silent=True,
        scheme=_other_branch,
    ),
    Entry(
        name="loose-fanout-missing",
        summary="move a directory of loose objects away that holds one HEAD reaches",
        fails="reading the object says 'Not a valid object name'; push and gc fail",
        repair="fetch the objects from the remote, or clone anew",
        tells=_CAT,
        says="Not a valid object name",
        seen="object-missing",
        fsck=True,
        scheme=_fanout,
    ),
    Entry(
        name="loose-shadow-of-pack",
        summary="leave an empty loose file for an object that is good in a pack",
        fails="only fsck: 'object file ... is empty'; everything else reads the pack",
        repair="delete the empty file",
        tells="fsck",
        says="is empty",
        seen="object-corrupt",
        fsck=True,
        scheme=_shadow,
    ),
    Entry(
        name="objects-readonly",
        summary="make .git/objects read-only; a worker that is root does not notice",
        fails="add, commit, fetch and stash die with 'insufficient permission for adding an object'",
        repair="chmod u+w the directories",
        tells="hash-object -w --stdin",
        says="insufficient permission",
        seen="permission-lost",
        rights=True,
        often="common",
        scheme=_readonly,
    ),
    Entry(
        name="objects-missing",
        summary="move .git/objects away",
        fails="every git command dies with 'not a git repository'",
        repair="clone anew",
        tells="status",
        says="not a git repository",
        seen="objects-absent",
        fsck=True,
        scheme=gone,
    ),
    Entry(
        name="pack-litter",
        summary="leave temporary packs of a killed fetch: git does not mind, they only take room",
        fails="nothing; count-objects calls them garbage",
        repair="git prune removes them when they are two weeks old",
        tells="count-objects -v",
        says="garbage: 8",
        seen="litter",
        often="common",
        harmless=True,
        scheme=_litter,
    ),
)
