"""Damage to the commit-graph, to borrowed object stores and to the border of a shallow clone."""

import struct
from collections.abc import Callable
from dataclasses import dataclass

from daemon.core.errors import TargetAbsentError
from daemon.core.gitobjects import ID_BYTES, raw
from faults.git.entry import Entry, Scheme
from faults.git.kinds import Edit
from faults.git.prey import walk
from faults.git.sight import Look

_PREFIX_BYTES_MAX = 65536
_HEAD_BYTES = 8
_DELETE = "delete .git/objects/info/commit-graph: it is only a cache"
_OUT_OF_RANGE = 0x6FFFFFFF


@dataclass(frozen=True, slots=True)
class Row:
    """Where the graph keeps a commit: its id, and the offset of its tree, followed by its two parents."""

    id: str
    offset: int


def _path(look: Look) -> str:
    path = look.clone.path("objects", "info", "commit-graph")
    if look.stat(path) is None:
        raise TargetAbsentError(
            f"nothing was touched: {look.clone.root} has no commit-graph in one file",
            hint="`git commit-graph write --reachable` makes one",
        )
    return path


def _row(look: Look, wanted: Callable[[str], bool]) -> Row:
    """Find, from the checked-out commit back, the first commit that the graph has and that is wanted."""
    path, size = _path(look), ID_BYTES[look.clone.algorithm]
    head = look.files.read(path, limit=_HEAD_BYTES)
    chunks = {}
    for number in range(head[6] + 1):
        raw = look.files.read(path, offset=_HEAD_BYTES + 12 * number, limit=12)
        chunks[raw[:4]] = int.from_bytes(raw[4:], "big")
    fan = struct.unpack(">256I", look.files.read(path, offset=chunks[b"OIDF"], limit=1024))
    for named in walk(look, look.tip()):
        if named.kind != "commit" or not wanted(named.id):
            continue
        first = int(named.id[:2], 16)
        low, high = (fan[first - 1] if first else 0), fan[first]
        ids = look.files.read(path, offset=chunks[b"OIDL"] + low * size, limit=(high - low) * size)
        raw = bytes.fromhex(named.id)
        for position in range(high - low):
            if ids[position * size : (position + 1) * size] == raw:
                return Row(named.id, chunks[b"CDAT"] + (low + position) * (size + 16))
    raise TargetAbsentError(f"nothing was touched: the commit-graph of {look.clone.root} has no commit near HEAD")


def _patched(look: Look, at: int, new: bytes, action: str, **victim: str) -> Scheme:
    return Scheme(edits=look.patch(_path(look), [(at, new)]), action=action, victim=victim)


def _signature(look: Look) -> Scheme:
    return _patched(look, 0, b"CGPX", "damage the signature of the commit-graph")


def _checksum(look: Look) -> Scheme:
    path = _path(look)
    at = look.existing(path).size - 1
    old = look.files.read(path, offset=at, limit=1)[0]
    return _patched(look, at, bytes((old ^ 1,)), "flip one bit of the checksum of the commit-graph")


def _cut(look: Look, most: int) -> tuple[Edit, ...]:
    path = _path(look)
    size = min(look.existing(path).size // 2, most)
    return look.instead(path, look.files.read(path, limit=size) if size else b"")


def _empty(look: Look) -> Scheme:
    return Scheme(edits=_cut(look, 0), action="empty the commit-graph")


def _truncate(look: Look) -> Scheme:
    return Scheme(edits=_cut(look, _PREFIX_BYTES_MAX), action="leave only the beginning of the commit-graph")


def _wrong_tree(look: Look) -> Scheme:
    """Name the tree of another commit: log, diff and checkout then believe in it."""
    row = _row(look, lambda _: True)
    other = _row(look, lambda identity: identity != row.id)
    new = look.files.read(_path(look), offset=other.offset, limit=ID_BYTES[look.clone.algorithm])
    action = f"let the commit-graph name the tree of {other.id} for {row.id}"
    return _patched(look, row.offset, new, action, object=row.id, kind="commit")


def _parent(look: Look, position: int, action: str) -> Scheme:
    row = _row(look, lambda _: True)
    at = row.offset + ID_BYTES[look.clone.algorithm]
    return _patched(look, at, position.to_bytes(4, "big"), f"{action} {row.id}", object=row.id, kind="commit")


def _parent_out_of_range(look: Look) -> Scheme:
    return _parent(look, _OUT_OF_RANGE, "let the commit-graph name a parent that it does not have, for")


def _parent_dropped(look: Look) -> Scheme:
    return _parent(look, 0x70000000, "let the commit-graph say that there is no parent, for")


# --- alternates and shallow ------------------------------------------------------------------------------


def _alternates_dangling(look: Look) -> Scheme:
    path = look.clone.path("objects", "info", "alternates")
    line = raw(f"{look.clone.common}/no-such-store\n")
    # What the clone does borrow stays: taking that away is another mode.
    edit = look.put(path, line, merge="text") if look.stat(path) is None else look.append(path, line, merge="text")
    return Scheme(edits=(edit,), action="let objects/info/alternates name a store that does not exist")


def _alternates_lost(look: Look) -> Scheme:
    path = look.clone.path("objects", "info", "alternates")
    return Scheme(
        edits=(look.delete(path),), action="delete objects/info/alternates, from which objects are borrowed"
    )


def _shallow_garbage(look: Look) -> Scheme:
    edit = look.put(look.clone.path("shallow"), b"garbage\n", guarded=True)
    return Scheme(edits=(edit,), action="write garbage to .git/shallow")


def _shallow_lost(look: Look) -> Scheme:
    edit = look.delete(look.clone.path("shallow"), guarded=True)
    return Scheme(edits=(edit,), action="delete .git/shallow, which says where history ends")


def _shallow_empty(look: Look) -> Scheme:
    edit = look.rewrite(look.clone.path("shallow"), b"", guarded=True)
    return Scheme(edits=(edit,), action="empty .git/shallow, which says where history ends")


ENTRIES = (
    Entry(
        name="graph-signature",
        summary="damage the signature of the commit-graph",
        fails="log and other walks complain 'commit-graph signature ... does not match' and go on",
        repair=_DELETE,
        tells="log --oneline",
        says="signature",
        seen="commit-graph-broken",
        fsck=True,
        harmless=True,
        scheme=_signature,
    ),
    Entry(
        name="graph-empty",
        summary="empty the commit-graph",
        fails="log and other walks complain 'commit-graph file is too small' and go on",
        repair=_DELETE,
        tells="log --oneline",
        says="too small",
        seen="commit-graph-broken",
        often="seen",
        fsck=True,
        harmless=True,
        scheme=_empty,
    ),
    Entry(
        name="graph-truncate",
        summary="leave only the beginning of the commit-graph",
        fails="log and other walks complain, and may die",
        repair=_DELETE,
        tells="commit-graph verify",
        seen="commit-graph-broken",
        often="common",
        fsck=True,
        scheme=_truncate,
    ),
    Entry(
        name="graph-checksum",
        summary="flip one bit of the checksum of the commit-graph",
        fails="only `git commit-graph verify` and fsck: 'incorrect checksum'",
        repair=_DELETE,
        tells="commit-graph verify",
        says="checksum",
        seen="commit-graph-broken",
        fsck=True,
        scheme=_checksum,
    ),
    Entry(
        name="graph-wrong-tree",
        summary="let the commit-graph name another commit's tree",
        fails="nothing: log -p, diff and checkout believe the graph and show another tree",
        repair=_DELETE,
        tells="log -1 --format=%T {object}",
        seen="commit-graph-broken",
        fsck=True,
        silent=True,
        scheme=_wrong_tree,
    ),
    Entry(
        name="graph-parent-dropped",
        summary="let the commit-graph say that a commit has no parent",
        fails="nothing: log and merge-base see a shorter history",
        repair=_DELETE,
        tells="rev-list --count {object}",
        seen="commit-graph-broken",
        fsck=True,
        silent=True,
        scheme=_parent_dropped,
    ),
    Entry(
        name="graph-parent-out-of-range",
        summary="let the commit-graph name a parent that it does not have",
        fails="log and other walks die with 'invalid parent position'",
        repair=_DELETE,
        tells="log --oneline {object}",
        says="parent position",
        seen="commit-graph-broken",
        fsck=True,
        scheme=_parent_out_of_range,
    ),
    Entry(
        name="alternates-dangling",
        summary="let objects/info/alternates name a store that does not exist",
        fails="every command complains 'object directory ... does not exist' and goes on",
        repair="remove the line from .git/objects/info/alternates",
        tells="log --oneline -1",
        says="does not exist",
        seen="alternates-broken",
        harmless=True,
        fsck=True,
        scheme=_alternates_dangling,
    ),
    Entry(
        name="alternates-lost",
        summary="delete objects/info/alternates of a clone that borrows objects",
        fails="every object that was borrowed is gone: 'bad object HEAD'",
        repair="write the path of the store to .git/objects/info/alternates",
        tells="log --oneline",
        seen="object-missing",
        often="common",
        fsck=True,
        scheme=_alternates_lost,
    ),
    Entry(
        name="shallow-garbage",
        summary="write garbage to .git/shallow",
        fails="log, fetch and push die with 'bad shallow line'",
        repair="remove .git/shallow, or write the border's commits to it",
        tells="log --oneline",
        says="bad shallow line",
        seen="shallow-broken",
        fsck=True,
        scheme=_shallow_garbage,
    ),
    Entry(
        name="shallow-lost",
        summary="delete .git/shallow of a shallow clone",
        fails="log dies at the border of history: 'Failed to traverse parents' or 'Could not read'; push fails",
        repair="git fetch --unshallow, or write the border's commits to .git/shallow",
        tells="log --oneline",
        seen="object-missing",
        often="common",
        fsck=True,
        scheme=_shallow_lost,
    ),
    Entry(
        name="shallow-empty",
        summary="empty .git/shallow of a shallow clone",
        fails="log dies at the border of history; push fails",
        repair="git fetch --unshallow, or write the border's commits to .git/shallow",
        tells="log --oneline",
        seen="object-missing",
        fsck=True,
        scheme=_shallow_empty,
    ),
)
