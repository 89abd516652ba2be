"""Damage to the index: its bytes, and what its entries say."""

import hashlib
from collections.abc import Callable
from dataclasses import replace

from daemon.core import gitindex
from daemon.core.errors import TargetAbsentError
from daemon.core.gitindex import ASSUME_VALID, INTENT_TO_ADD, SKIP_WORKTREE, Index
from daemon.core.gitobjects import ID_BYTES, MalformedError, commit_links, object_id
from faults.git.entry import Entry, Scheme
from faults.git.kinds import Edit, FileEdit, Recipe
from faults.git.prey import content_of, packed_object
from faults.git.sight import Look

# Shorter than header and checksum: git then dies instead of reading entries made of the next page's zeros.
_INDEX_BYTES_MAX = 31
_REGULAR, _EXECUTABLE, _NO_TYPE = 0o100644, 0o100755, 0o170000
_RESET = "rm .git/index && git reset"


def _bytes(recipe: Callable[[Look, bytes], Recipe | bytes], action: str) -> Callable[[Look], Scheme]:
    def scheme(look: Look) -> Scheme:
        path = look.clone.path("index")
        return Scheme(
            edits=(look.rewrite(path, recipe(look, look.snapshot(path).content), guarded=True),), action=action
        )

    return scheme


def _truncate(look: Look, content: bytes) -> Recipe:
    return Recipe(action="truncate", size=look.dice.randrange(1, min(_INDEX_BYTES_MAX, len(content)) + 1))


def _half(_look: Look, content: bytes) -> Recipe:
    return Recipe(action="truncate", size=len(content) // 2)


def _delete(_look: Look, _content: bytes) -> Recipe:
    return Recipe(action="unlink")


def _zeros(_look: Look, content: bytes) -> bytes:
    return bytes(len(content))


def _signature(look: Look, _content: bytes) -> Recipe:
    return Recipe(action="flip", offset=look.dice.randrange(4), bit=look.dice.randrange(7))


def _checksum(look: Look, content: bytes) -> Recipe:
    return Recipe(action="flip", offset=len(content) - 1 - look.dice.randrange(20), bit=look.dice.randrange(8))


def _count(look: Look, content: bytes) -> bytes:
    body = content[: -ID_BYTES[look.clone.algorithm]]
    count = int.from_bytes(body[8:12], "big") + 1
    return gitindex.signed(look.clone.algorithm, body[:8] + count.to_bytes(4, "big") + body[12:])


def _unknown_extension(look: Look, content: bytes) -> bytes:
    body = content[: -ID_BYTES[look.clone.algorithm]]
    return gitindex.signed(look.clone.algorithm, body + b"zzzz" + (4).to_bytes(4, "big") + b"data")


def _unreadable(look: Look) -> Scheme:
    return Scheme(edits=(look.chmod(look.clone.path("index"), 0),), action="take all rights to .git/index away")


def _directory(look: Look) -> Scheme:
    edits = look.directory_instead(look.clone.path("index"))
    return Scheme(edits=edits, action="put a directory in the place of .git/index")


# --- entries ---------------------------------------------------------------------------------------------


def read_index(look: Look) -> Index:
    """Return the clone's index; raises TargetAbsentError when it cannot be read."""
    try:
        return gitindex.parse(look.snapshot(look.clone.path("index")).content, look.clone.algorithm)
    except MalformedError as error:
        raise TargetAbsentError(f"nothing was touched: the index of {look.clone.root}: {error}") from None


def plain_entry(look: Look, index: Index, fits: Callable[[gitindex.Entry], bool] | None = None) -> gitindex.Entry:
    """Choose a plain file of the index by dice."""
    found = [e for e in index.entries if e.stage == 0 and e.mode == _REGULAR and (fits is None or fits(e))]
    if not found:
        raise TargetAbsentError(f"nothing was touched: no file in the index of {look.clone.root} fits")
    return found[look.dice.randrange(len(found))]


def write_index(look: Look, index: Index, entries: list[gitindex.Entry], *, cache: bool = False) -> FileEdit:
    """Replace the index by other entries; ``cache`` keeps the cache of trees, which git then believes."""
    ordered = sorted(entries, key=lambda e: (e.path, e.stage))
    content = gitindex.build(look.clone.algorithm, ordered, index.extensions if cache else ())
    return look.rewrite(look.clone.path("index"), content, guarded=True, merge="index")


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
    return [replace(entry, mode=_EXECUTABLE)]


def _no_type(_look: Look, _index: Index, entry: gitindex.Entry) -> list[gitindex.Entry]:
    return [replace(entry, mode=_NO_TYPE)]


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


# --- what no function of entries says --------------------------------------------------------------------


def _order(look: Look) -> Scheme:
    """Let a name begin with another letter, so that the entries are out of order."""
    index = read_index(look)
    if len(index.entries) < 2:  # noqa: PLR2004  one entry is always in order
        raise TargetAbsentError(f"nothing was touched: the index of {look.clone.root} holds one file")
    first = index.entries[0]
    entries = [replace(first, path=b"~" + first.path[1:]), *index.entries[1:]]
    content = gitindex.build(look.clone.algorithm, entries)
    edit = look.rewrite(look.clone.path("index"), content, guarded=True)
    return Scheme(edits=(edit,), action="put the entries of .git/index out of order")


def _id_bitflip(look: Look) -> Scheme:
    """Flip a bit of an id and leave the checksum wrong, as bit rot does: git does not look at it."""
    index = read_index(look)
    victim = plain_entry(look, index)
    content = look.snapshot(look.clone.path("index")).content
    at = content.index(bytes.fromhex(victim.id)) + look.dice.randrange(len(victim.id) // 2)
    recipe = Recipe(action="flip", offset=at, bit=look.dice.randrange(8))
    name = victim.path.decode("utf-8", "surrogateescape")
    edit = look.rewrite(look.clone.path("index"), recipe, guarded=True)
    return Scheme(edits=(edit,), action=f"flip one bit of the id of {name} in .git/index", victim={"file": name})


def _node(look: Look, path: bytes | None) -> tuple[bytes, gitindex.Node]:
    """Return the cache of trees and one of its valid nodes: the root's, or any other one."""
    index = read_index(look)
    body = next((body for name, body in index.extensions if name == b"TREE"), b"")
    found = [n for n in index.tree if n.count >= 0 and (n.path == path if path is not None else n.path)]
    if not found:
        raise TargetAbsentError(
            f"nothing was touched: the index of {look.clone.root} has no cache of trees that fits",
            hint="a commit makes one",
        )
    return body, found[look.dice.randrange(len(found))]


def _cache(look: Look, node: gitindex.Node, body: bytes, identity: str, *, sign: bool = True) -> FileEdit:
    path, algorithm = look.clone.path("index"), look.clone.algorithm
    content = look.snapshot(path).content
    data = content[: -ID_BYTES[algorithm]]
    start = data.index(body) + node.offset
    data = data[:start] + bytes.fromhex(identity) + data[start + len(identity) // 2 :]
    after = gitindex.signed(algorithm, data) if sign else data + content[-ID_BYTES[algorithm] :]
    return look.rewrite(path, after, guarded=True, merge="index")


def _cache_root(look: Look) -> Scheme:
    body, node = _node(look, b"")
    parents = commit_links(content_of(look.files, look.clone, look.tip()), look.clone.algorithm)[1]
    if not parents:
        raise TargetAbsentError(f"nothing was touched: HEAD of {look.clone.root} has no parent")
    older = commit_links(content_of(look.files, look.clone, parents[0]), look.clone.algorithm)[0]
    edit = _cache(look, node, body, older)
    return Scheme(edits=(edit,), action=f"let the index's cache name the older tree {older}")


def _cache_directory(look: Look) -> Scheme:
    """Name another directory's tree: every commit that does not touch the directory records the wrong one."""
    body, node = _node(look, None)
    other = packed_object(look, "tree", fits=lambda one: one.named.id != node.id).named.id
    name = node.path.decode("utf-8", "surrogateescape")
    edit = _cache(look, node, body, other)
    return Scheme(edits=(edit,), action=f"let the index's cache name {other} for {name}", victim={"file": name})


def _cache_bitflip(look: Look) -> Scheme:
    body, node = _node(look, None)
    wrong = f"{int(node.id, 16) ^ 1:0{len(node.id)}x}"
    edit = _cache(look, node, body, wrong, sign=False)
    return Scheme(edits=(edit,), action="flip one bit of a tree's id in the index's cache")


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


def trust_size(look: Look) -> tuple[FileEdit, ...]:
    """Let git believe a file unchanged by size and whole seconds alone, as on many network file systems."""
    text = b"[core]\n\ttrustctime = false\n\tcheckstat = minimal\n"
    return (look.append(look.clone.path("config"), text, guarded=True, merge="text"),)


def _row(name: str, summary: str, fails: str, scheme: object, **more: object) -> Entry:
    alike = {"repair": _RESET, "tells": "status --porcelain", "seen": "index-broken", "often": "rare"}
    return Entry(name=name, summary=summary, fails=fails, scheme=scheme, **{**alike, **more})  # type: ignore[arg-type]


_DIES = "status, add, commit, checkout and stash die with"

ENTRIES = (
    _row(
        "index-truncate",
        "cut the index off within its header",
        f"{_DIES} 'index file smaller than expected'",
        _bytes(_truncate, "leave only a few bytes of .git/index"),
        says="index file smaller than expected",
        fsck=True,
    ),
    _row(
        "index-half",
        "cut the index off in the middle",
        "fsck says 'index file corrupt'; status and add die, or read a part of the files as deleted",
        _bytes(_half, "cut .git/index off in the middle"),
        fsck=True,
        tells="fsck",
    ),
    _row(
        "index-missing",
        "delete the index",
        "nothing: status calls every file deleted and untracked, commit deletes what is not added",
        _bytes(_delete, "delete .git/index"),
        repair="git reset",
        silent=True,
        often="common",
    ),
    _row(
        "index-zeros",
        "fill the index with zeros, as a file system does after a crash",
        f"{_DIES} 'bad signature 0x00000000'",
        _bytes(_zeros, "fill .git/index with zeros"),
        says="bad signature",
        fsck=True,
        often="common",
    ),
    _row(
        "index-signature",
        "flip one bit of the index's signature",
        f"{_DIES} 'bad signature'",
        _bytes(_signature, "flip one bit of the signature of .git/index"),
        says="bad signature",
        fsck=True,
    ),
    _row(
        "index-checksum",
        "flip one bit of the index's checksum",
        "only fsck: 'bad index file sha1 signature'; any command that writes the index heals it",
        _bytes(_checksum, "flip one bit of the checksum of .git/index"),
        tells="fsck",
        says="index",
        fsck=True,
        often="seen",
    ),
    _row(
        "index-count",
        "let the index's header name one entry too many",
        "commit and stash fail: an entry is read from what lies behind the last one",
        _bytes(_count, "add one to the number of entries in .git/index"),
        tells="write-tree",
    ),
    _row(
        "index-extension",
        "add an extension that git does not know and may not ignore",
        f"{_DIES} 'index uses zzzz extension, which we do not understand'",
        _bytes(_unknown_extension, "add an unknown extension to .git/index"),
        says="extension",
        fsck=True,
    ),
    _row(
        "index-unreadable",
        "take all rights to the index away; a worker that is root does not notice",
        f"{_DIES} 'index file open failed: Permission denied'",
        _unreadable,
        says="index file open failed",
        repair="chmod 644 the file",
        seen="permission-lost",
        rights=True,
        fsck=True,
    ),
    _row(
        "index-directory",
        "put a directory in the place of the index",
        f"{_DIES} 'cannot read ... Is a directory' or 'unable to map index file'",
        _directory,
        repair="rm -r .git/index && git reset",
        fsck=True,
    ),
    _row(
        "index-order",
        "put the index's entries out of order",
        "fsck says 'unordered stage entries in index'; status and commit see a renamed file",
        _order,
        says="unordered",
        fsck=True,
        tells="fsck",
    ),
    _row(
        "index-id-bitflip",
        "flip one bit of a file's id in the index, checksum left wrong",
        "nothing at once: status calls the file changed; commit and stash fail with 'invalid object'",
        _id_bitflip,
        tells="fsck",
        says="index file corrupt",
        fsck=True,
    ),
    _row(
        "index-id-missing",
        "let the index name an object that does not exist",
        "commit and stash fail with 'invalid object ... for FILE'",
        _entry_scheme(_id_missing, "name an object that does not exist for"),
        tells="write-tree",
        says="invalid object",
        seen="object-missing",
        fsck=True,
    ),
    _row(
        "index-id-swapped",
        "let the index name another file's content, with the file's own stat data",
        "nothing: the next commit records the other file's content",
        _entry_scheme(_id_swapped, "name another file's content for"),
        tells="diff --cached --name-only",
        seen="index-unlike-file",
        silent=True,
    ),
    _row(
        "index-executable",
        "let the index call a plain file executable",
        "nothing: status calls the file changed; a commit records the wrong mode",
        _entry_scheme(_executable, "call executable"),
        tells="diff --cached --name-only",
        repair="git reset",
        seen="index-unlike-file",
        silent=True,
    ),
    _row(
        "index-type",
        "give a file a type in the index that does not exist",
        "commit and stash fail or record a broken tree",
        _entry_scheme(_no_type, "give a type that does not exist to"),
        tells="ls-files -s",
        seen="index-broken",
        silent=True,
    ),
    _row(
        "index-assume-unchanged",
        "mark a file in the index as unchanged whatever it holds",
        "nothing: edits of the file are never seen nor committed",
        _entry_scheme(_assume, "assume unchanged", cache=True),
        tells="ls-files -v",
        repair="git update-index --really-refresh",
        seen="index-hides-changes",
        silent=True,
    ),
    _row(
        "index-skip-worktree",
        "mark a file in the index as not in the work tree",
        "nothing: edits of the file are never seen nor committed",
        _entry_scheme(_skip, "skip", cache=True),
        tells="ls-files -v",
        repair="git update-index --no-skip-worktree FILE",
        seen="index-hides-changes",
        silent=True,
    ),
    _row(
        "index-intent-to-add",
        "mark a tracked file as only intended to be added",
        "nothing: a commit deletes the file; stash fails with 'not uptodate'",
        _entry_scheme(_intent, "only intend to add"),
        tells="diff --cached --name-only --ita-invisible-in-index",
        repair="git reset",
        seen="index-unlike-file",
        silent=True,
    ),
    _row(
        "index-entry-dropped",
        "drop a file from the index and leave it in the work tree",
        "nothing: the next commit deletes the file",
        _entry_scheme(_drop, "drop"),
        tells="diff --cached --name-only",
        repair="git reset",
        seen="staged-deletion",
        silent=True,
    ),
    _row(
        "index-stages",
        "give a file three stages in the index although nothing is being merged",
        "commit and stash fail: 'Committing is not possible because you have unmerged files'",
        _entry_scheme(_stages, "give three stages to"),
        tells="write-tree",
        says="unmerged",
        repair="git reset",
        seen="unmerged-paths",
    ),
    _row(
        "index-cache-root",
        "let the index's cache name an older tree for the whole",
        "nothing: a commit of nothing more records the older tree",
        _cache_root,
        tells="write-tree",
        silent=True,
    ),
    _row(
        "index-cache-directory",
        "let the index's cache name another tree for a directory",
        "nothing: every commit that does not touch the directory records the wrong one",
        _cache_directory,
        tells="write-tree --prefix={file}/",
        silent=True,
    ),
    _row(
        "index-cache-bitflip",
        "flip one bit of a tree's id in the index's cache, checksum left wrong",
        "only fsck at once; a commit records a tree that does not exist, or fails",
        _cache_bitflip,
        tells="fsck",
        fsck=True,
    ),
    _row(
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
