"""Take our change out of a file that the worker has changed since, without touching what the worker wrote."""

from collections.abc import Set as AbstractSet

from daemon.core import gitindex
from daemon.core.gitobjects import MalformedError, printable
from faults.git import merging_config, merging_refs
from faults.git.kinds import FileEdit


def without(edit: FileEdit, now: bytes, loose: AbstractSet[bytes] = frozenset()) -> bytes | None:
    """Return the content without our change; None when it is no longer there, or cannot be told apart.

    ``loose`` names the refs that have a file of their own, for ``packed-refs``.
    """
    before, after = edit.before.content if edit.before else b"", edit.after
    if edit.merge == "log":
        return _log(before, after or b"", now)  # git has begun a deleted one anew
    if edit.merge == "packed-refs":
        return merging_refs.joined(before, after or b"", now, loose)
    if edit.merge == "config":
        return merging_config.joined(before, after or b"", now)
    if after is None or not edit.merge:
        return None
    if edit.merge == "index":
        return _index(before, after, now, edit.algorithm)
    start, end = _common(before, after)
    ours, theirs = after[start : len(after) - end], before[start : len(before) - end]
    return now.replace(ours, theirs) if ours.strip() and now.count(ours) == 1 else None


def lacking(edit: FileEdit, now: bytes, loose: AbstractSet[bytes] = frozenset()) -> str:
    """Say what we took away and cannot put back, because of what the worker has put there; empty when nothing."""
    if edit.merge != "packed-refs" or edit.before is None:
        return ""
    names = merging_refs.missing(edit.before.content, edit.after or b"", now, loose)
    return ", ".join(printable(name.decode("utf-8", "surrogateescape")) for name in names)


def _log(before: bytes, after: bytes, now: bytes) -> bytes | None:
    """Put the lines that were added since behind those that were there."""
    if len(before) > len(after) and now.startswith(before):
        return None  # they are back already: what we left is the beginning of them, too
    return before + now[len(after) :] if now.startswith(after) else _log_beside(before, after, now)


def _log_beside(before: bytes, after: bytes, now: bytes) -> bytes | None:
    """Put what we took away before what is there, when the worker has dropped entries that we had left."""
    away, there = taken(before, after), _entries(now)
    return away + now if away and not there & _entries(away) else None


def taken(before: bytes, after: bytes) -> bytes:
    """Return the lines of a log that we took away."""
    left = _entries(after)
    return b"".join(line for line in before.splitlines(keepends=True) if _entry(line) not in left)


def _entries(log: bytes) -> set[bytes]:
    return {_entry(line) for line in log.splitlines()}


def _entry(line: bytes) -> bytes:
    """Return a line without the id of the entry before it, which git changes when it drops that one."""
    return line.partition(b" ")[2].rstrip(b"\n")


def _common(one: bytes, other: bytes) -> tuple[int, int]:
    """Return how many bytes of whole lines two contents share at their beginning and at their end."""
    first, second = one.splitlines(keepends=True), other.splitlines(keepends=True)
    most = min(len(first), len(second))
    head = next((n for n in range(most) if first[n] != second[n]), most)
    most -= head
    tail = next((n for n in range(most) if first[-1 - n] != second[-1 - n]), most)
    return sum(map(len, first[:head])), sum(map(len, first[len(first) - tail :]))


def _index(before: bytes, after: bytes, now: bytes, algorithm: str) -> bytes | None:
    """Put back each entry that is as we left it; ``before`` itself when only stat data was refreshed."""
    try:
        found = [gitindex.parse(data, algorithm) for data in (before, after, now)]
    except MalformedError:
        return None
    old, ours, theirs = ({(e.path, e.stage): e for e in index.entries} for index in found)
    if _meaning(ours) == _meaning(theirs) and found[1].tree == found[2].tree:
        return before
    changed = {key for key in old.keys() | ours.keys() if _said(old.get(key)) != _said(ours.get(key))}
    still = {key for key in changed if _said(theirs.get(key)) == _said(ours.get(key))}
    if not still:
        return None
    kept = {key: entry for key, entry in theirs.items() if key not in still}
    kept |= {key: old[key] for key in still if key in old}
    return gitindex.build(found[2].algorithm, [kept[key] for key in sorted(kept)], gitindex.needed(found[2]))


def _meaning(entries: dict[tuple[bytes, int], gitindex.Entry]) -> dict[tuple[bytes, int], object]:
    return {key: _said(entry) for key, entry in entries.items()}


def _said(entry: gitindex.Entry | None) -> object:
    return None if entry is None else (entry.mode, entry.id, entry.flags, entry.extended)
