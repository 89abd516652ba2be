"""The object store: every new file hashed once, packs and their indexes held against each other."""

import hashlib
import posixpath
from collections import deque
from collections.abc import Callable, Iterator

from daemon.core import gitpacks
from daemon.core.errors import TargetAbsentError
from daemon.core.gitclone import Clone
from daemon.core.gitobjects import (
    ID_BYTES,
    SUBMODULE,
    MalformedError,
    commit_links,
    hash_of,
    is_id,
    loose_problem,
    object_id,
    tree_entries,
)
from daemon.core.model import Finding
from daemon.core.seams import Files, FileStat
from probes.git.conditions import key

_CHUNK_BYTES = 1 << 20
_BUDGET_BYTES = 256 << 20  # hashed in one look; what is left is hashed in the next ones
_WALK_OBJECTS = 200
_FANOUT = 2
Check = Callable[[Files, Clone, str, FileStat], list[Finding]]


class Stores:
    """Remembers what was verified by inode and times: a look at what did not change costs only stats."""

    def __init__(self) -> None:
        self._good: dict[str, bytes] = {}
        self.left_bytes = 0
        self.hashed = 0

    def look(self, files: Files, clone: Clone, tip: str | None) -> list[Finding]:
        """Return what is wrong with loose objects, packs and what speeds them up."""
        self.left_bytes, self.hashed, budget = 0, 0, _BUDGET_BYTES
        if files.lstat(clone.path("objects")) is None:
            return [Finding("objects-absent", ".git/objects does not exist")]
        findings: list[Finding] = []
        for path, check in _everything(files, clone):
            stat = files.lstat(path)
            if stat is None or self._good.get(path) == key(stat):
                continue
            if stat.kind == "file" and stat.size > budget and self.hashed:  # one a look, whatever its size
                self.left_bytes += stat.size
                continue
            budget -= stat.size
            self.hashed += 1
            found = check(files, clone, path, stat)
            findings += found
            if not found:
                self._good[path] = key(stat)
        findings += _halves(files, clone)
        if any(f.name == "pack-broken" for f in findings) and tip is not None:
            findings += _near(files, clone, tip)
        return findings + _litter(files, clone)


def _everything(files: Files, clone: Clone) -> Iterator[tuple[str, Check]]:
    objects = clone.path("objects")
    for folder in files.names(objects):
        if len(folder) == _FANOUT:
            for name in files.names(posixpath.join(objects, folder)):
                if is_id(folder + name, clone.algorithm):
                    yield posixpath.join(objects, folder, name), _loose
    pack = posixpath.join(objects, "pack")
    checks = {".pack": _pack, ".idx": _idx, ".bitmap": _bitmap}
    for name in files.names(pack):
        check = checks.get(posixpath.splitext(name)[1])
        if check is not None:
            yield posixpath.join(pack, name), check
    yield posixpath.join(pack, "multi-pack-index"), _midx
    yield posixpath.join(objects, "info", "commit-graph"), _graph


def _loose(files: Files, clone: Clone, path: str, stat: FileStat) -> list[Finding]:
    identity = "".join(path.rsplit("/", 2)[1:])
    problem = f"it is a {stat.kind}" if stat.kind != "file" else None
    problem = problem or loose_problem(clone.algorithm, identity, files.read(path))
    return [Finding("object-corrupt", f"{clone.shown(path)}: {problem}")] if problem else []


def _pack(files: Files, clone: Clone, path: str, stat: FileStat) -> list[Finding]:
    size, idx = ID_BYTES[clone.algorithm], path.removesuffix(".pack") + ".idx"
    problem = _sum_problem(files, clone, path, stat, b"PACK")
    index = files.lstat(idx)
    if index is None:
        problem = "its index is gone"
    elif problem is None and index.size > 2 * size:
        named = files.read(idx, offset=index.size - 2 * size, limit=size)
        end = files.read(path, offset=stat.size - size, limit=size)
        problem = None if named == end else "it is another pack than its index says"
    return [Finding("pack-broken", f"{clone.shown(path)}: {problem}")] if problem else []


def _idx(files: Files, clone: Clone, path: str, stat: FileStat) -> list[Finding]:
    problem = _sum_problem(files, clone, path, stat, b"\xfftOc")
    if files.lstat(path.removesuffix(".idx") + ".pack") is None:
        problem = "its pack is gone"
    return [Finding("pack-broken", f"{clone.shown(path)}: {problem}")] if problem else []


def _midx(files: Files, clone: Clone, path: str, stat: FileStat) -> list[Finding]:
    problem = _sum_problem(files, clone, path, stat, b"MIDX")
    return [Finding("midx-broken", f"{clone.shown(path)}: {problem}")] if problem else []


def _graph(files: Files, clone: Clone, path: str, stat: FileStat) -> list[Finding]:
    problem = _sum_problem(files, clone, path, stat, b"CGPH")
    return [Finding("commit-graph-broken", f"{clone.shown(path)}: {problem}")] if problem else []


def _bitmap(files: Files, clone: Clone, path: str, stat: FileStat) -> list[Finding]:
    problem = _sum_problem(files, clone, path, stat, b"BITM")
    return [Finding("bitmap-broken", f"{clone.shown(path)}: {problem}")] if problem else []


def _sum_problem(files: Files, clone: Clone, path: str, stat: FileStat, magic: bytes) -> str | None:
    """Say what is wrong with a file that ends in the checksum of what is before it."""
    size = ID_BYTES[clone.algorithm]
    if stat.size < size + len(magic):
        return f"it is cut off: {stat.size} bytes"
    if files.read(path, limit=len(magic)) != magic:
        return "it does not begin as it should"
    digest, at, end = hashlib.new(clone.algorithm, usedforsecurity=False), 0, stat.size - size
    while at < end:
        part = files.read(path, offset=at, limit=min(_CHUNK_BYTES, end - at))
        if not part:
            return "it is cut off"
        digest.update(part)
        at += len(part)
    same = files.read(path, offset=end, limit=size) == digest.digest()
    return None if same else "its checksum does not match its content"


def _near(files: Files, clone: Clone, tip: str) -> list[Finding]:
    """Name the objects near the tip that a broken pack no longer gives."""
    findings, todo, seen = [], deque([tip]), {tip}
    for _ in range(_WALK_OBJECTS):
        if not todo:
            break
        identity = todo.popleft()
        try:
            found = gitpacks.read_object(files, clone, identity)
            below = _named(found.kind, found.payload, clone.algorithm) if found is not None else []
        except (MalformedError, TargetAbsentError, IndexError) as error:
            findings.append(Finding("object-corrupt", f"{identity}: {error}"))
            continue
        if found is not None and object_id(clone.algorithm, found.kind, found.payload) != identity:
            findings.append(Finding("object-corrupt", f"{identity}: the content has another id"))
        todo.extend(name for name in below if name not in seen)
        seen.update(below)
    return findings


def _named(kind: str, payload: bytes, algorithm: str) -> list[str]:
    if kind == "commit":
        tree, parents = commit_links(payload, algorithm)
        return [tree, *parents]
    return [e.id for e in tree_entries(payload, algorithm) if e.mode != SUBMODULE] if kind == "tree" else []


def _halves(files: Files, clone: Clone) -> list[Finding]:
    """Find packs without an index and indexes without a pack."""
    names = {name for name in files.names(clone.path("objects", "pack")) if name.endswith((".pack", ".idx"))}
    stems = {name.rpartition(".")[0] for name in names}
    gone = sorted({f"{stem}{end}" for stem in stems for end in (".pack", ".idx")} - names)
    return [Finding("pack-broken", f"{name} is gone, its counterpart is there") for name in gone]


def _litter(files: Files, clone: Clone) -> list[Finding]:
    pack = clone.path("objects", "pack")
    left = [name for name in files.names(pack) if name.startswith("tmp_")]
    return [Finding("litter", f"{len(left)} temporary packs in .git/objects/pack")] if left else []


def borrowed(files: Files, clone: Clone) -> list[Finding]:
    """Find stores that are borrowed from and not there, and a border of history that is no list of commits."""
    findings = []
    alternates, shallow = clone.path("objects", "info", "alternates"), clone.path("shallow")
    if files.lstat(alternates) is not None:
        for line in files.read(alternates).decode("utf-8", "surrogateescape").splitlines():
            store = posixpath.normpath(posixpath.join(clone.path("objects"), line))
            if line and not line.startswith("#") and files.lstat(store) is None:
                findings.append(Finding("alternates-broken", f"{line} does not exist"))
    if files.lstat(shallow) is not None:
        lines = files.read(shallow).decode("ascii", "replace").split("\n")
        bad = [line for line in lines if line and not is_id(line, clone.algorithm)]
        findings += [Finding("shallow-broken", f".git/shallow names {bad[0][:40]!r}")] if bad else []
    return findings


def digest_of(algorithm: str, payload: bytes) -> str:
    """Return the id a file's content would have as a blob."""
    return hash_of(algorithm, b"blob %d\0%s" % (len(payload), payload)).hex()
