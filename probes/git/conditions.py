"""Conditions of a clone that its files alone show: locks, operations in progress, HEAD, the branch, the index."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from daemon.core.gitclone import Clone, read_head, read_ref
from daemon.core.gitobjects import MalformedError, index_problem, reflog_tip
from daemon.core.model import Finding, Instant
from daemon.core.seams import Files, FileStat

OPERATIONS: Mapping[str, str] = {
    "MERGE_HEAD": "merge",
    "rebase-merge": "rebase",
    "rebase-apply": "rebase",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
    "BISECT_LOG": "bisect",
}
_REFS_MAX = 20_000
_LOCKED_IN = ("logs", "objects/info", "objects/pack")
_REFLOG_TAIL_BYTES = 8192

Key: TypeAlias = bytes
Signature = Mapping[str, Key]


def key(stat: FileStat) -> Key:
    """Return what changes whenever a file's content may have; in one piece, because thousands are held."""
    return b"%d %d %d %d" % (stat.inode, stat.ctime_ns, stat.mtime_ns, stat.size)


def signature(files: Files, clone: Clone) -> dict[str, FileStat]:
    """Return the stat of every file whose change can change what we say, by path; nothing is read."""
    places = dict.fromkeys((clone.git_dir, clone.common))  # a linked work tree's files lie in two of them
    paths = dict.fromkeys(clone.path(name) for place in places for name in files.names(place))
    found = {path: stat for path in paths if (stat := files.lstat(path))}
    todo = [clone.path("refs")]
    while todo and len(found) < _REFS_MAX:
        directory = todo.pop()
        for name in files.names(directory):
            stat = files.lstat(path := f"{directory}/{name}")
            if stat is not None:
                found[path] = stat
                if stat.kind == "directory":
                    todo.append(path)
    for path in (f"{place}/{directory}" for place in places for directory in _LOCKED_IN):
        locks = (f"{path}/{name}" for name in files.names(path) if name.endswith(".lock"))
        found |= {lock: stat for lock in locks if (stat := files.lstat(lock)) is not None}
    for path in (clone.path("objects", "pack"), clone.path("logs", "refs", "stash")):
        if (stat := files.lstat(path)) is not None:
            found[path] = stat
    return found


# --- locks -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock file and since when, on the monotonic clock, we have seen this very one."""

    stat: FileStat
    seen_s: float


class Locks:
    """Tells a lock that stays from one a git at work holds for a moment."""

    def __init__(self) -> None:
        self._seen: dict[str, Lock] = {}

    def look(
        self, clone: Clone, found: Mapping[str, FileStat], now: Instant, stale_s: float
    ) -> tuple[list[Finding], float]:
        """Return findings for the locks older than ``stale_s``, and the age of the oldest lock in seconds."""
        self._seen = {
            path: Lock(stat, self._since(path, stat, now))
            for path, stat in found.items()
            if path.endswith(".lock") and stat.kind != "directory"
        }
        ages = {path: _age(lock, now) for path, lock in self._seen.items()}
        findings = [
            Finding("stale-lock", f"{clone.shown(path)}, {age_s:.1f} s old")
            for path, age_s in sorted(ages.items())
            if age_s >= stale_s
        ]
        return findings, max(ages.values(), default=0.0)

    def __len__(self) -> int:
        return len(self._seen)

    def _since(self, path: str, stat: FileStat, now: Instant) -> float:
        before = self._seen.get(path)
        return before.seen_s if before and key(before.stat) == key(stat) else now.mono_s


def _age(lock: Lock, now: Instant) -> float:
    """Return the age by its mtime, or by how long we have seen it: an mtime may lie in the future."""
    return max(now.wall_s - lock.stat.mtime_ns / 1e9, now.mono_s - lock.seen_s)


# --- HEAD, branch, index ---------------------------------------------------------------------------------


def operations(clone: Clone, found: Mapping[str, FileStat]) -> list[Finding]:
    """Find merges and their like that were begun and not ended."""
    return [
        Finding("operation-in-progress", f"{operation} (.git/{name})")
        for name, operation in OPERATIONS.items()
        if clone.path(name) in found
    ]


def head(files: Files, clone: Clone) -> tuple[list[Finding], str | None, str | None]:
    """Return what is wrong with HEAD and its branch, the ref, and the commit they stand for."""
    if files.lstat(clone.path("HEAD")) is None:
        return [Finding("head-broken", ".git/HEAD does not exist")], None, None
    try:
        found = read_head(files, clone)
    except MalformedError as error:
        return [Finding("head-broken", f".git/HEAD: {error}")], None, None
    if found.ref is None:
        return [Finding("head-detached", f"HEAD is at {found.id}, on no branch")], None, found.id
    findings, identity = _branch(files, clone, found.ref)
    return findings, found.ref, identity


def _branch(files: Files, clone: Clone, ref: str) -> tuple[list[Finding], str | None]:
    try:
        identity = read_ref(files, clone, ref)
    except MalformedError as error:
        return [Finding("ref-broken", f"{ref}: {error}")], None
    if identity is not None:
        return [], identity
    if logged(files, clone, ref) is not None:
        return [Finding("ref-broken", f"{ref} is gone, though its reflog is there")], None
    return [Finding("head-unborn", f"{ref} has no commit yet")], None


def logged(files: Files, clone: Clone, ref: str) -> str | None:
    """Return the id a ref's reflog last moved to."""
    path = clone.path("logs", ref)
    stat = files.lstat(path)
    if stat is None or stat.kind != "file":
        return None
    tail = files.read(path, offset=max(0, stat.size - _REFLOG_TAIL_BYTES))
    return reflog_tip(tail, clone.algorithm)


def index(files: Files, clone: Clone) -> list[Finding]:
    """Find an index git cannot or should not believe: git itself checks its checksum only in fsck."""
    path = clone.path("index")
    if files.lstat(path) is None:
        return []
    problem = index_problem(files.read(path), clone.algorithm)
    return [Finding("index-broken", f".git/index: {problem}")] if problem else []


def stashes(files: Files, clone: Clone) -> int:
    """Count the stash's entries."""
    log = clone.path("logs", "refs", "stash")
    if files.lstat(log) is not None:
        return files.read(log).count(b"\n")
    return int(files.lstat(clone.path("refs", "stash")) is not None)
