"""Damage to where loose objects lie."""

import posixpath

from daemon.core.errors import TargetAbsentError
from daemon.core.gitclone import read_ref
from daemon.core.gitwalk import packed
from faults.git.entry import Entry, Scheme
from faults.git.loose import CAT, struck
from faults.git.prey import loose_object, packed_object, walk
from faults.git.refs import other_branches
from faults.git.sight import Look

_LITTER = 8


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
        edits=look.chmod(path, 0), action=f"take all rights to the loose {found.named.id} away", victim=victim
    )


def _other_branch(look: Look) -> Scheme:
    """Delete a blob that only another branch has: who switches to it gets a tree with a file missing."""
    ours = {one.id for one in walk(look, look.tip(), 2000)}
    for ref in other_branches(look):
        tip = read_ref(look.files, look.clone, ref)
        for named in walk(look, tip, 400) if tip else ():
            if named.kind != "blob" or named.id in ours:
                continue
            path = look.clone.object_path(named.id)
            if look.stat(path) is not None and not packed(look.files, look.clone, named.id):
                edit = look.delete(path, immutable=True)
                scheme = struck(look, f"delete, of {ref},", named, edit)
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
    return Scheme(
        edits=(look.away(path, joins="objects"),), action=f"move {look.clone.shown(path)} away", victim=victim
    )


def _shadow(look: Look) -> Scheme:
    found = packed_object(look)
    path = look.clone.object_path(found.named.id)
    victim = {"object": found.named.id, "kind": found.named.kind}
    edit = look.create(path, b"", mode=0o444)
    return Scheme(edits=(edit,), action=f"leave an empty loose file for the packed {found.named.id}", victim=victim)


def _readonly(look: Look) -> Scheme:
    objects = look.clone.path("objects")
    names = [n for n in look.files.names(objects) if len(n) == 2]  # noqa: PLR2004  the fan-out directories
    paths = (*(posixpath.join(objects, name) for name in names), objects)
    edits = tuple(edit for path in paths for edit in look.chmod(path, 0o555))
    return Scheme(edits=edits, action="make .git/objects and all in it read-only")


def gone(look: Look) -> Scheme:
    """Move all objects away."""
    return Scheme(edits=(look.away(look.clone.path("objects"), joins="objects"),), action="move .git/objects away")


def _litter(look: Look) -> Scheme:
    pack = look.clone.path("objects", "pack")
    names = [f"tmp_pack_{look.dice.randbytes(3).hex()}" for _ in range(_LITTER)]
    edits = tuple(look.create(posixpath.join(pack, n), look.dice.randbytes(512), mode=0o444) for n in names)
    return Scheme(edits=edits, action=f"leave {_LITTER} temporary packs of a killed fetch")


ENTRIES = (
    Entry(
        name="loose-object-directory",
        summary="put a directory in the place of a loose object that HEAD reaches",
        fails="reading the object says 'unable to mmap' or 'unable to unpack header'",
        repair="remove the directory, then fetch the object or write it anew",
        tells=CAT,
        seen="object-corrupt",
        fsck=True,
        scheme=_directory,
    ),
    Entry(
        name="loose-object-unreadable",
        summary="take all rights to a loose object away; a worker that is root does not notice",
        fails="reading the object says 'Permission denied' or 'bad object'",
        repair="chmod 444 the file",
        tells=CAT,
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
        tells=CAT,
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
