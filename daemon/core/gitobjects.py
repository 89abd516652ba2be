"""Git's file formats as pure functions on bytes: objects, refs, HEAD, configuration, index and pack indexes.

Works for sha1 and sha256 repositories; ``algorithm`` is git's name of the hash. What does not parse raises
``MalformedError``: damage is a normal thing to find here.
"""

import hashlib
import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from daemon.core import gitvalues

ID_BYTES: Final[Mapping[str, int]] = {"sha1": 20, "sha256": 32}
KINDS: Final = ("blob", "commit", "tag", "tree")
SUBMODULE = 0o160000
_DIRECTORY = 0o040000
_PART_BYTES = 1 << 20
_IDX_MAGIC = b"\xfftOc"
IDX_HEAD_BYTES = 8 + 256 * 4


class MalformedError(ValueError):
    """These bytes are not what git would have written; the text says why."""


@dataclass(frozen=True, slots=True)
class GitObject:
    """A decoded object."""

    kind: str
    payload: bytes


class TreeEntry(NamedTuple):  # thousands are made: half the cost of a frozen dataclass
    """One line of a tree; ``kind`` is the kind of the object named, ``commit`` for a submodule."""

    mode: int
    raw: bytes
    id: str

    @property
    def name(self) -> str:
        """Return the name for people."""
        return self.raw.decode("utf-8", "backslashreplace")

    @property
    def kind(self) -> str:
        if self.mode == _DIRECTORY:
            return "tree"
        return "commit" if self.mode == SUBMODULE else "blob"


@dataclass(frozen=True, slots=True)
class Head:
    """What HEAD says: the ref it points to, or the commit it is detached at."""

    ref: str | None
    id: str | None


def printable(text: str) -> str:
    """Return what was decoded with ``surrogateescape`` as it can be shown and journalled."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def raw(text: str) -> bytes:
    """Return the bytes of a path or name that was decoded with ``surrogateescape``."""
    return text.encode("utf-8", "surrogateescape")


def is_printable(text: str) -> bool:
    """Tell whether what was decoded with ``surrogateescape`` was UTF-8: an undo record can name nothing else."""
    return printable(text) == text


def hash_of(algorithm: str, data: bytes) -> bytes:
    """Return the digest git uses."""
    return hashlib.new(algorithm, data, usedforsecurity=False).digest()


def object_id(algorithm: str, kind: str, payload: bytes) -> str:
    """Return the id of an object."""
    return hash_of(algorithm, b"%s %d\0%s" % (kind.encode(), len(payload), payload)).hex()


def loose_path(identity: str) -> str:
    """Return where a loose object lies, below ``objects``."""
    return f"{identity[:2]}/{identity[2:]}"


def is_id(text: str, algorithm: str) -> bool:
    """Tell whether this is a full object id in lower case."""
    return len(text) == 2 * ID_BYTES[algorithm] and re.fullmatch(r"[0-9a-f]+", text) is not None


# --- objects ---------------------------------------------------------------------------------------------


def inflated(data: bytes) -> Iterator[bytes]:
    """Yield what a loose object's file holds, header included; raises when the stream is damaged or cut off."""
    stream = zlib.decompressobj()
    try:
        while part := stream.decompress(data, _PART_BYTES):
            yield part
            data = stream.unconsumed_tail
    except zlib.error as error:
        raise MalformedError(f"damaged zlib stream ({error})") from None
    if not stream.eof:
        raise MalformedError("the zlib stream is cut off")
    if stream.unused_data:
        raise MalformedError("garbage after the zlib stream")


def loose_problem(algorithm: str, identity: str, data: bytes) -> str | None:
    """Say what is wrong with the file of a loose object; None when its content has this id. Any size will do."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    try:
        for part in inflated(data):
            digest.update(part)
    except MalformedError as error:
        return str(error)
    # The header is hashed with the rest: a content with the right id has a right header.
    return None if digest.hexdigest() == identity else f"the content has another id, {digest.hexdigest()}"


def parse_loose(data: bytes) -> GitObject:
    """Decode the file of a loose object without looking at its id."""
    head, nul, payload = b"".join(inflated(data)).partition(b"\0")
    kind, _, size = head.decode("ascii", "replace").partition(" ")
    if not nul or kind not in KINDS or not size.isdigit():
        raise MalformedError("no object header")
    if int(size) != len(payload):
        raise MalformedError(f"the header says {size} bytes, there are {len(payload)}")
    return GitObject(kind, payload)


def verify_loose(algorithm: str, identity: str, data: bytes) -> GitObject:
    """Decode the file of a loose object; raises when its content does not have this id."""
    problem = loose_problem(algorithm, identity, data)
    if problem is not None:
        raise MalformedError(problem)
    return parse_loose(data)


def tree_entries(payload: bytes, algorithm: str) -> Iterator[TreeEntry]:
    """Yield the lines of a tree."""
    size, at = ID_BYTES[algorithm], 0
    while at < len(payload):
        space, nul = payload.find(b" ", at), payload.find(b"\0", at)
        end = nul + 1 + size
        if not at < space < nul or end > len(payload):
            raise MalformedError("the tree is cut off")
        try:
            mode = int(payload[at:space], 8)
        except ValueError:
            raise MalformedError("a mode in the tree is no number") from None
        yield TreeEntry(mode, payload[space + 1 : nul], payload[nul + 1 : end].hex())
        at = end


def commit_links(payload: bytes, algorithm: str) -> tuple[str, tuple[str, ...]]:
    """Return the tree and the parents of a commit."""
    tree, parents = "", []
    for line in payload.decode("utf-8", "replace").splitlines():
        word, _, rest = line.partition(" ")
        if word == "tree" and not tree and is_id(rest, algorithm):
            tree = rest
        elif word == "parent" and is_id(rest, algorithm):
            parents.append(rest)
        else:
            break
    if not tree:
        raise MalformedError("the commit names no tree")
    return tree, tuple(parents)


# --- refs ------------------------------------------------------------------------------------------------


def parse_head(data: bytes, algorithm: str) -> Head:
    """Read HEAD, or any ref file: a symbolic ref or an id."""
    text = data.decode("utf-8", "surrogateescape")
    if text.startswith("ref:"):
        name = text[4:].strip()
        if not name.startswith("refs/") or ".." in name or "\n" in name or "\0" in name:
            raise MalformedError("it points to something that is no ref")
        return Head(name, None)
    identity = text[: 2 * ID_BYTES[algorithm]].lower()
    if not is_id(identity, algorithm) or text[len(identity) : len(identity) + 1].strip():
        raise MalformedError("it is empty" if not text.strip() else "it is neither a ref nor an id")
    return Head(None, identity)


def packed_refs(data: bytes, algorithm: str) -> dict[str, str]:
    """Return the refs of a packed-refs file; lines git would not understand are left out."""
    found = {}
    for line in data.decode("utf-8", "surrogateescape").splitlines():
        identity, _, name = line.partition(" ")
        if name and is_id(identity, algorithm):
            found[name] = identity
    return found


def reflog_tip(data: bytes, algorithm: str) -> str | None:
    """Return the id the last line of a reflog moved to; None when there is none."""
    words = data.rstrip(b"\n").rpartition(b"\n")[2].split(b" ", 2)
    tip = words[1].decode("ascii", "replace") if len(words) > 1 else ""
    return tip if is_id(tip, algorithm) else None


# --- the rest --------------------------------------------------------------------------------------------


def parse_config(data: bytes) -> dict[str, str]:
    """Return the plain settings of a configuration file as ``section.key``, lower case; sub-sections are skipped.

    Enough for ``core`` and ``extensions``, which git itself reads only from the repository's own file.
    """
    return {f"{section}.{key}": value for section, below, key, value in _settings(data) if not below}


def has_promisor(data: bytes) -> bool:
    """Tell whether a remote has promised the objects that are absent: git marks a partial clone by nothing else."""
    told = [(key, value) for section, below, key, value in _settings(data) if section == "remote" and below]
    return any(key == "partialclonefilter" or (key == "promisor" and is_true(value)) for key, value in told)


def _settings(data: bytes) -> Iterator[tuple[str, str, str, str]]:
    """Yield section, sub-section in its quotes, key and value; names in lower case."""
    section, below = "", ""
    for line in data.decode("utf-8", "replace").splitlines():
        text = re.sub(r"\s[#;].*", "", line).strip()
        heading = re.fullmatch(r"\[\s*([\w.-]+)\s*(\"[^\"]*\")?\s*\](.*)", text)
        if heading:
            section, below = heading[1].lower(), heading[2] or ""
            text = heading[3].strip()
        if section and text and text[0] not in "#;[":
            key, equals, value = text.partition("=")
            yield section, below, key.strip().lower(), value.strip().strip('"') if equals else "true"


def remote_url(data: bytes, name: str) -> str | None:
    """Return the address of a remote as the configuration says it last."""
    found, inside = None, False
    for line in data.decode("utf-8", "surrogateescape").splitlines():
        text = line.strip()
        if text.startswith("["):
            inside = text == f'[remote "{name}"]'
        key, equals, value = text.partition("=")
        if inside and equals and key.strip().lower() == "url":
            found = gitvalues.read(value)
    return found


def is_true(text: str | None) -> bool:
    """Read a boolean of git's configuration."""
    return (text or "").lower() in ("true", "yes", "on", "1")


def index_problem(data: bytes, algorithm: str) -> str | None:
    """Say what is wrong with an index file; None when its checksum is right (or switched off: all zeros)."""
    size = ID_BYTES[algorithm]
    if len(data) < 12 + size:
        return f"it is cut off: {len(data)} bytes"
    if data[:4] != b"DIRC":
        return "it does not begin with DIRC"
    if data[-size:] not in (bytes(size), hash_of(algorithm, data[:-size])):
        return "its checksum does not match its content"
    return None


def idx_bucket(head: bytes, identity: str) -> tuple[int, int, int] | None:
    """Return first and last position, and the number of all ids, where a pack index would list this id.

    ``head`` is the first ``IDX_HEAD_BYTES`` of a version 2 index; None when it is something else.
    """
    if len(head) < IDX_HEAD_BYTES or head[:4] != _IDX_MAGIC:
        return None
    first = int(identity[:2], 16)
    fan = struct.unpack(">256I", head[8:IDX_HEAD_BYTES])
    return (fan[first - 1] if first else 0), fan[first], fan[255]


def idx_position(ids: bytes, identity: str) -> int | None:
    """Return which of a slice of a pack index's sorted ids this one is; None when it is not among them."""
    raw = bytes.fromhex(identity)
    at = ids.find(raw)
    while at % len(raw) and at >= 0:  # the end of one id and the beginning of the next
        at = ids.find(raw, at + 1)
    return None if at < 0 else at // len(raw)
