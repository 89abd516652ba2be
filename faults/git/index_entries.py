"""An index that is well-formed and says what is not so."""

import hashlib
from collections.abc import Callable
from dataclasses import replace

from daemon.core import gitindex
from daemon.core.errors import TargetAbsentError
from daemon.core.gitindex import ASSUME_VALID, INTENT_TO_ADD, SKIP_WORKTREE, Index
from daemon.core.gitobjects import object_id
from faults.git.entry import Scheme
from faults.git.kinds import Edit, FileEdit, Recipe
from faults.git.sight import Look
from faults.git.staging import (
    EXECUTABLE,
    NO_TYPE,
    index_edit,
    plain_entry,
    read_index,
    row,
    trust_size,
    write_index,
)


def _entry_scheme(
    change: Callable[[Look, Index, gitindex.Entry], list[gitindex.Entry]], action: str, *, cache: bool = False
) -> Callable[[Look], Scheme]:
    """Make a scheme that puts other entries in the place of one."""

    def scheme(look: Look) -> Scheme:
        index = read_index(look)
        victim = plain_entry(look, index, lambda e: e.size > 0)
        others = [entry for entry in index.entries if entry != victim]
        edit = write_index(look, index, others + change(look, index, victim), cache=cache)
        name = victim.path.decode("utf-8", "surrogateescape")
        return Scheme(edits=(edit,), action=f"{action} {name} in .git/index", victim={"file": name})

    return scheme


def _id_missing(look: Look, _index: Index, entry: gitindex.Entry) -> list[gitindex.Entry]:
    return [replace(entry, id=look.dice.randbytes(len(entry.id) // 2).hex())]


def _id_swapped(look: Look, index: Index, entry: gitindex.Entry) -> list[gitindex.Entry]:
    other = plain_entry(look, index, lambda e: e.id != entry.id)
    return [replace(entry, id=other.id)]


def _executable(_look: Look, _index: Index, entry: gitindex.Entry) -> list[gitindex.Entry]:
    return [replace(entry, mode=EXECUTABLE)]


def _no_type(_look: Look, _index: Index, entry: gitindex.Entry) -> list[gitindex.Entry]:
    return [replace(entry, mode=NO_TYPE)]


def _assume(_look: Look, _index: Index, entry: gitindex.Entry) -> list[gitindex.Entry]:
    return [replace(entry, flags=entry.flags | ASSUME_VALID)]


def _skip(_look: Look, _index: Index, entry: gitindex.Entry) -> list[gitindex.Entry]:
    return [replace(entry, extended=entry.extended | SKIP_WORKTREE)]


def _intent(look: Look, _index: Index, entry: gitindex.Entry) -> list[gitindex.Entry]:
    empty = object_id(look.clone.algorithm, "blob", b"")
    return [replace(entry, id=empty, extended=INTENT_TO_ADD, stat=bytes(24), owner=bytes(12))]


def _drop(_look: Look, _index: Index, _entry: gitindex.Entry) -> list[gitindex.Entry]:
    return []


def _stages(look: Look, index: Index, entry: gitindex.Entry) -> list[gitindex.Entry]:
    other = plain_entry(look, index, lambda e: e.id != entry.id)
    bare = replace(entry, stat=bytes(24), owner=bytes(12), flags=0)
    return [replace(bare, stage=stage, id=i) for stage, i in ((1, entry.id), (2, entry.id), (3, other.id))]


def _order(look: Look) -> Scheme:
    """Let a name begin with another letter, so that the entries are out of order."""
    index = read_index(look)
    if len(index.entries) < 2:  # noqa: PLR2004  one entry is always in order
        raise TargetAbsentError(f"nothing was touched: the index of {look.clone.root} holds one file")
    first = index.entries[0]
    entries = [replace(first, path=b"~" + first.path[1:]), *index.entries[1:]]
    content = gitindex.build(look.clone.algorithm, entries)
    edit = index_edit(look, content)
    return Scheme(edits=(edit,), action="put the entries of .git/index out of order")


def _id_bitflip(look: Look) -> Scheme:
    """Flip a bit of an id and leave the checksum wrong, as bit rot does: git does not look at it."""
    index = read_index(look)
    victim = plain_entry(look, index)
    content = look.snapshot(look.clone.path("index")).content
    at = content.index(bytes.fromhex(victim.id)) + look.dice.randrange(len(victim.id) // 2)
    recipe = Recipe(action="flip", offset=at, bit=look.dice.randrange(8))
    name = victim.path.decode("utf-8", "surrogateescape")
    edit = index_edit(look, recipe)
    return Scheme(edits=(edit,), action=f"flip one bit of the id of {name} in .git/index", victim={"file": name})


def _stat_lie(look: Look) -> Scheme:
    """Change a file and tell the index that it did: git then believes that nothing changed."""
    index = read_index(look)
    victim = plain_entry(look, index, lambda e: e.size > 1)
    name = victim.path.decode("utf-8", "surrogateescape")
    path = f"{look.clone.root}/{name}"
    before = look.snapshot(path)
    wrong = bytearray(before.content)
    wrong[len(wrong) // 2] ^= 0x01
    edit = FileEdit(path=path, recipe=Recipe(action="write", content=bytes(wrong)), before=before, like=before.stat)
    edits: tuple[Edit, ...] = (edit, *trust_size(look))
    digest = hashlib.sha256(bytes(wrong)).hexdigest()
    return Scheme(edits=edits, action=f"change {name} behind git's back", victim={"file": name, "sha256": digest})


ENTRIES = (
    row(
        "index-order",
        "put the index's entries out of order",
        "fsck says 'unordered stage entries in index'; status and commit see a renamed file",
        _order,
        says="unordered",
        fsck=True,
        tells="fsck",
    ),
    row(
        "index-id-bitflip",
        "flip one bit of a file's id in the index, checksum left wrong",
        "nothing at once: status calls the file changed; commit and stash fail with 'invalid object'",
        _id_bitflip,
        tells="fsck",
        says="index file corrupt",
        fsck=True,
    ),
    row(
        "index-id-missing",
        "let the index name an object that does not exist",
        "commit and stash fail with 'invalid object ... for FILE'",
        _entry_scheme(_id_missing, "name an object that does not exist for"),
        tells="write-tree",
        says="invalid object",
        seen="index-unlike-file",
        fsck=True,
    ),
    row(
        "index-id-swapped",
        "let the index name another file's content, with the file's own stat data",
        "nothing: the next commit records the other file's content",
        _entry_scheme(_id_swapped, "name another file's content for"),
        tells="diff --cached --name-only",
        seen="index-unlike-file",
        silent=True,
    ),
    row(
        "index-executable",
        "let the index call a plain file executable",
        "nothing: status calls the file changed; a commit records the wrong mode",
        _entry_scheme(_executable, "call executable"),
        tells="diff --cached --name-only",
        repair="git reset",
        seen="index-unlike-file",
        silent=True,
    ),
    row(
        "index-type",
        "give a file a type in the index that does not exist",
        "commit and stash fail or record a broken tree",
        _entry_scheme(_no_type, "give a type that does not exist to"),
        tells="ls-files -s",
        seen="index-broken",
        silent=True,
    ),
    row(
        "index-assume-unchanged",
        "mark a file in the index as unchanged whatever it holds",
        "nothing: edits of the file are never seen nor committed",
        _entry_scheme(_assume, "assume unchanged", cache=True),
        tells="ls-files -v",
        repair="git update-index --really-refresh",
        seen="index-hides-changes",
        silent=True,
    ),
    row(
        "index-skip-worktree",
        "mark a file in the index as not in the work tree",
        "nothing: edits of the file are never seen nor committed",
        _entry_scheme(_skip, "skip", cache=True),
        tells="ls-files -v",
        repair="git update-index --no-skip-worktree FILE",
        seen="index-hides-changes",
        silent=True,
    ),
    row(
        "index-intent-to-add",
        "mark a tracked file as only intended to be added",
        "nothing: a commit deletes the file; stash fails with 'not uptodate'",
        _entry_scheme(_intent, "only intend to add"),
        tells="diff --cached --name-only --ita-invisible-in-index",
        repair="git reset",
        seen="staged-deletion",
        silent=True,
        fsck=True,
    ),
    row(
        "index-entry-dropped",
        "drop a file from the index and leave it in the work tree",
        "nothing: the next commit deletes the file",
        _entry_scheme(_drop, "drop"),
        tells="diff --cached --name-only",
        repair="git reset",
        seen="staged-deletion",
        silent=True,
    ),
    row(
        "index-stages",
        "give a file three stages in the index although nothing is being merged",
        "commit and stash fail: 'Committing is not possible because you have unmerged files'",
        _entry_scheme(_stages, "give three stages to"),
        tells="write-tree",
        says="unmerged",
        repair="git reset",
        seen="unmerged-paths",
    ),
    row(
        "index-stat-lie",
        "change a file behind git's back: same size, same time",
        "nothing: status is clean, the change is never committed and is lost at the next checkout",
        _stat_lie,
        tells="hash-object {file}",
        repair="git checkout -- FILE, or git update-index --really-refresh",
        seen="index-unlike-file",
        silent=True,
    ),
)
