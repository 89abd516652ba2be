"""Packs, read through ``Files`` a few bytes at a time: where an object lies, and what it is, deltas applied."""

import posixpath
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from daemon.core.gitclone import Clone
from daemon.core.gitobjects import (
    ID_BYTES,
    IDX_HEAD_BYTES,
    GitObject,
    MalformedError,
    idx_bucket,
    idx_position,
    parse_loose,
)
from daemon.core.seams import Files

KINDS = {1: "commit", 2: "tree", 3: "blob", 4: "tag"}
OFS_DELTA, REF_DELTA = 6, 7
_CHAIN_MAX = 100
_HEADER_BYTES = 64
_OBJECT_BYTES_MAX = 32 << 20
_LARGE = 1 << 31
_STRETCH_BYTES = 16 << 10


class Reads(Protocol):
    """What reads a part of a file."""

    def read(self, path: str, *, offset: int = 0, limit: int = ...) -> bytes:
        """Return bytes of a file."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a packed object lies. ``position`` is its place in the index's list of ids."""

    pack: str
    offset: int
    position: int


@dataclass(frozen=True, slots=True)
class Entry:
    """The head of a packed object; ``data`` is where its deflated bytes begin."""

    type: int
    size: int
    data: int
    base: int | str | None


def pack_stores(files: Files, clone: Clone) -> Iterator[str]:
    """Yield the clone's own packs, without their suffix."""
    directory = clone.path("objects", "pack")
    for name in files.names(directory):
        if name.endswith(".idx"):
            yield posixpath.join(directory, name.removesuffix(".idx"))


def locate(files: Files, clone: Clone, identity: str) -> Place | None:
    """Return where one of the clone's own packs holds an object."""
    for store in pack_stores(files, clone):
        found = _in_index(files, clone, store, identity)
        if found is not None:
            return found
    return None


def _in_index(files: Files, clone: Clone, store: str, identity: str) -> Place | None:
    size, path = ID_BYTES[clone.algorithm], f"{store}.idx"
    bucket = idx_bucket(files.read(path, limit=IDX_HEAD_BYTES), identity)
    if bucket is None:
        return None
    first, end, total = bucket
    ids = files.read(path, offset=IDX_HEAD_BYTES + first * size, limit=(end - first) * size)
    found = idx_position(ids, identity)
    if found is None:
        return None
    position = first + found
    offsets = IDX_HEAD_BYTES + total * (size + 4)
    offset = int.from_bytes(files.read(path, offset=offsets + 4 * position, limit=4), "big")
    if offset & _LARGE:
        large = offsets + 4 * total + 8 * (offset ^ _LARGE)
        offset = int.from_bytes(files.read(path, offset=large, limit=8), "big")
    return Place(f"{store}.pack", offset, position)


def entry_at(files: Reads, clone: Clone, place: Place) -> Entry:
    """Read the head of a packed object; raises MalformedError."""
    head = files.read(place.pack, offset=place.offset, limit=_HEADER_BYTES)
    if not head:
        raise MalformedError("the pack ends before the object")
    kind, size, shift, at = head[0] >> 4 & 7, head[0] & 15, 4, 0
    while head[at] & 0x80:
        at += 1
        size |= (head[at] & 0x7F) << shift
        shift += 7
    at += 1
    base: int | str | None = None
    if kind == OFS_DELTA:
        back = head[at] & 0x7F
        while head[at] & 0x80:
            at += 1
            back = (back + 1) << 7 | head[at] & 0x7F
        at += 1
        base = place.offset - back
    elif kind == REF_DELTA:
        base = head[at : at + ID_BYTES[clone.algorithm]].hex()
        at += ID_BYTES[clone.algorithm]
    return Entry(kind, size, place.offset + at, base)


def deflated(files: Reads, place: Place, entry: Entry) -> tuple[bytes, int]:
    """Return what the deflated bytes hold, and how many they are; raises MalformedError."""
    if entry.size > _OBJECT_BYTES_MAX:
        raise MalformedError(f"the object has {entry.size} bytes, too many to be read here")
    stream, content, read = zlib.decompressobj(), b"", 0
    try:
        while not stream.eof:
            part = files.read(place.pack, offset=entry.data + read, limit=max(4096, entry.size // 2 + 64))
            if not part:
                raise MalformedError("the pack is cut off")
            content += stream.decompress(part)
            read += len(part)
    except zlib.error as error:
        raise MalformedError(f"damaged zlib stream ({error})") from None
    if len(content) != entry.size:
        raise MalformedError(f"the head says {entry.size} bytes, there are {len(content)}")
    return content, read - len(stream.unused_data)


class _Stretch:
    """A part of a pack that is read at once: an object and the bases of its deltas lie near each other."""

    def __init__(self, files: Files) -> None:
        self._files, self._pack, self._start, self._data, self._last = files, "", 0, b"", False

    def read(self, path: str, *, offset: int = 0, limit: int = _OBJECT_BYTES_MAX) -> bytes:
        """Return bytes of a pack, as ``Files.read`` does."""
        if limit > _STRETCH_BYTES:
            return self._files.read(path, offset=offset, limit=limit)
        end = offset + limit
        held = self._start + len(self._data)
        if path != self._pack or offset < self._start or (end > held and not self._last) or offset > held:
            self._pack, self._start = path, max(0, end - _STRETCH_BYTES)
            self._data = self._files.read(path, offset=self._start, limit=_STRETCH_BYTES)
            self._last = len(self._data) < _STRETCH_BYTES
        return self._data[offset - self._start : end - self._start]


def read_packed(files: Files, clone: Clone, place: Place) -> GitObject:
    """Return a packed object; raises MalformedError."""
    deltas: list[bytes] = []
    stretch = _Stretch(files)
    for _ in range(_CHAIN_MAX):
        entry = entry_at(stretch, clone, place)
        content = deflated(stretch, place, entry)[0]
        if entry.type in KINDS:
            for delta in reversed(deltas):
                content = _apply(content, delta)
            return GitObject(KINDS[entry.type], content)
        deltas.append(content)
        if isinstance(entry.base, int):
            place = Place(place.pack, entry.base, -1)
            continue
        base = read_object(files, clone, entry.base) if entry.base else None
        if base is None:
            raise MalformedError("the object is a delta of nothing")
        content = base.payload
        for delta in reversed(deltas):
            content = _apply(content, delta)
        return GitObject(base.kind, content)
    raise MalformedError("the chain of deltas has no end")


def read_object(files: Files, clone: Clone, identity: str) -> GitObject | None:
    """Return an object from a pack or a loose file of the clone's own; None when it is in neither."""
    place = locate(files, clone, identity)
    if place is not None:
        return read_packed(files, clone, place)
    path = clone.object_path(identity)
    return parse_loose(files.read(path)) if files.lstat(path) is not None else None


def _apply(base: bytes, delta: bytes) -> bytes:
    try:
        return _applied(base, delta)
    except IndexError:
        raise MalformedError("a delta is cut off") from None


def _applied(base: bytes, delta: bytes) -> bytes:
    size, at = _varint(delta, 0)
    result, at = _varint(delta, at)
    if size != len(base):
        raise MalformedError("a delta does not fit its base")
    parts = []
    while at < len(delta):
        code, at = delta[at], at + 1
        if not code & 0x80:
            parts.append(delta[at : at + code])
            at += code
            continue
        numbers = [0] * 7
        for bit in range(7):
            if code & 1 << bit:
                numbers[bit], at = delta[at], at + 1
        start, length = struct.unpack("<I", bytes(numbers[:4]))[0], int.from_bytes(bytes(numbers[4:]), "little")
        parts.append(base[start : start + (length or 0x10000)])
    content = b"".join(parts)
    if len(content) != result:
        raise MalformedError("a delta makes something of another size")
    return content


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value, shift = 0, 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if not data[at - 1] & 0x80:
            return value, at
