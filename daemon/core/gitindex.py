"""Git's index, versions 2 and 3, as pure functions on bytes: its entries, its cache of trees, how to write it."""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from daemon.core.gitobjects import ID_BYTES, MalformedError, hash_of, object_id

ASSUME_VALID, EXTENDED = 0x8000, 0x4000
SKIP_WORKTREE, INTENT_TO_ADD = 0x4000, 0x2000
_STAGE, _NAME = 0x3000, 0x0FFF
_STAT_BYTES = 40
_DIRECTORY = 0o40000
_SPARSE, _SPLIT = b"sdir", b"link"


class UnsupportedError(MalformedError):
    """A well-formed index of a kind that is not read here; the text says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file of the index. ``stat`` are the 24 bytes of times, device and inode, ``owner`` ids and size.

    ``flags`` are the first flags without stage and length, ``extended`` the second ones (version 3).
    """

    path: bytes
    stage: int
    mode: int
    id: str
    stat: bytes
    owner: bytes
    flags: int = 0
    extended: int = 0

    @property
    def size(self) -> int:
        return int.from_bytes(self.owner[8:], "big")

    @property
    def mtime(self) -> tuple[int, int]:
        return struct.unpack(">II", self.stat[8:16])


@dataclass(frozen=True, slots=True)
class Node:
    """One directory in the cache of trees; ``count`` -1: it is not valid."""

    path: bytes
    count: int
    id: str
    offset: int


@dataclass(frozen=True, slots=True)
class Index:
    """A whole index. ``extensions`` are the bytes of all of them, ``tree`` the cache of trees."""

    algorithm: str
    version: int
    entries: tuple[Entry, ...]
    extensions: tuple[tuple[bytes, bytes], ...]
    tree: tuple[Node, ...]


def parse(data: bytes, algorithm: str = "") -> Index:
    """Read an index; raises MalformedError. Without an algorithm, the one whose checksum fits.

    A split index (``link``) holds only what differs from another file: written back without it, it would lack
    every other entry, and the next commit would delete them.
    """
    algorithm = algorithm or next((a for a in ID_BYTES if _sum_fits(a, data)), "sha1")
    if len(data) < 12 + ID_BYTES[algorithm] or data[:4] != b"DIRC":
        raise MalformedError("it is no index")
    version, count = struct.unpack(">II", data[4:12])
    if version not in (2, 3):
        raise UnsupportedError(f"version {version} of the index is not supported")
    entries, at = [], 12
    try:
        for _ in range(count):
            entry, at = _entry(data, at, ID_BYTES[algorithm])
            entries.append(entry)
        extensions = tuple(_extensions(data[at : -ID_BYTES[algorithm]]))
    except (struct.error, ValueError):
        raise MalformedError("an entry of the index is cut off") from None
    _expect_known(name for name, _ in extensions)
    tree = next((body for name, body in extensions if name == b"TREE"), b"")
    return Index(algorithm, version, tuple(entries), extensions, tuple(_nodes(tree, ID_BYTES[algorithm])))


def _sum_fits(algorithm: str, data: bytes) -> bool:
    size = ID_BYTES[algorithm]
    return hash_of(algorithm, data[:-size]) == data[-size:]


def _entry(data: bytes, at: int, size: int) -> tuple[Entry, int]:
    mode = int.from_bytes(data[at + 24 : at + 28], "big")
    after = at + _STAT_BYTES + size
    flags = struct.unpack(">H", data[after : after + 2])[0]
    extended, name = 0, after + 2
    if flags & EXTENDED:
        extended, name = struct.unpack(">H", data[name : name + 2])[0], name + 2
    end = data.index(b"\0", name)
    entry = Entry(
        path=data[name:end],
        stage=(flags & _STAGE) >> 12,
        mode=mode,
        id=data[at + _STAT_BYTES : after].hex(),
        stat=data[at : at + 24],
        owner=data[at + 28 : at + _STAT_BYTES],
        flags=flags & ~(_STAGE | _NAME | EXTENDED),
        extended=extended,
    )
    return entry, at + (end - at) // 8 * 8 + 8


def _extensions(data: bytes) -> Iterable[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "big")
        yield data[at : at + 4], data[at + 8 : at + 8 + size]
        at += 8 + size


def _expect_known(names: Iterable[bytes]) -> None:
    """Raise for what a reader may not pass over: git marks it by a first letter that is no capital."""
    for name in names:
        if name == _SPLIT:
            raise UnsupportedError("a split index is not supported")
        if not name[:1].isupper() and name != _SPARSE:
            raise MalformedError(f"its extension {name.decode('ascii', 'backslashreplace')} is not known")


def needed(index: Index) -> tuple[tuple[bytes, bytes], ...]:
    """Return the extensions without which the entries mean something else."""
    return tuple(part for part in index.extensions if part[0] == _SPARSE)


def _nodes(body: bytes, size: int) -> Iterable[Node]:
    """Yield the directories of the cache of trees, with their whole paths, outer ones first."""
    at, above = 0, [(b"", 1)]
    while at < len(body) and above:
        nul, end = body.find(b"\0", at), body.find(b"\n", at)
        name, numbers = body[at:nul], body[nul + 1 : end].split()
        if not 0 <= nul < end or len(numbers) != 2:  # noqa: PLR2004  number of entries, number of directories
            raise MalformedError("its cache of trees is broken")
        prefix, left = above.pop()
        path = prefix + name
        at = end + 1
        count = int(numbers[0])
        yield Node(path, count, body[at : at + size].hex() if count >= 0 else "", at)
        at += size if count >= 0 else 0
        if left > 1:
            above.append((prefix, left - 1))
        if int(numbers[1]):
            above.append((path + b"/" if path else b"", int(numbers[1])))


def build(algorithm: str, entries: Sequence[Entry], extensions: Iterable[tuple[bytes, bytes]] = ()) -> bytes:
    """Write an index of sorted entries; without extensions git makes them anew."""
    version = 3 if any(entry.extended for entry in entries) else 2
    parts = [b"DIRC", struct.pack(">II", version, len(entries))]
    for entry in entries:
        flags = entry.flags | entry.stage << 12 | min(len(entry.path), _NAME) | (EXTENDED if entry.extended else 0)
        raw = entry.stat + struct.pack(">I", entry.mode) + entry.owner + bytes.fromhex(entry.id)
        raw += (
            struct.pack(">H", flags) + (struct.pack(">H", entry.extended) if entry.extended else b"") + entry.path
        )
        parts.append(raw + bytes(8 - len(raw) % 8))
    parts += [name + struct.pack(">I", len(body)) + body for name, body in extensions]
    return signed(algorithm, b"".join(parts))


def signed(algorithm: str, data: bytes) -> bytes:
    """Return the bytes with their checksum behind them."""
    return data + hash_of(algorithm, data)


def trees(index: Index) -> dict[bytes, str]:
    """Return the id of every directory's tree as its entries make it, the root's under an empty path."""
    below: dict[bytes, list[tuple[bytes, int, str]]] = {b"": []}
    for entry in index.entries:
        if entry.extended & INTENT_TO_ADD:
            continue
        directory, _, name = entry.path.rpartition(b"/")
        below.setdefault(directory, []).append((name, entry.mode, entry.id))
        while directory:
            directory = directory.rpartition(b"/")[0]
            below.setdefault(directory, [])
    found: dict[bytes, str] = {}
    for path in sorted(below, key=lambda p: (-p.count(b"/") if p else 1, p)):
        found[path] = object_id(index.algorithm, "tree", tree_payload(below[path]))
        if path:
            above, _, name = path.rpartition(b"/")
            below[above].append((name, _DIRECTORY, found[path]))
    return found


def tree_payload(lines: Iterable[tuple[bytes, int, str]]) -> bytes:
    """Write a tree of names, modes and ids."""
    ordered = sorted(lines, key=lambda line: line[0] + (b"/" if line[1] == _DIRECTORY else b""))
    return b"".join(b"%o %s\0%s" % (mode, name, bytes.fromhex(identity)) for name, mode, identity in ordered)
