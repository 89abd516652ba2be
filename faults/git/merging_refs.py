"""Join a damaged packed-refs with what git has made of it since."""

import re
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from daemon.core.gitobjects import MalformedError

_REF = re.compile(rb"[0-9a-f]{40,64} (refs/[^\n]+)\n|\^[0-9a-f]{40,64}\n")
_HEADER = b"# pack-refs with:"
_SORTED = b"sorted"


def joined(before: bytes, after: bytes, now: bytes, loose: AbstractSet[bytes]) -> bytes | None:
    """Return what is there now with the refs that we took away; None when none is to be put back.

    ``loose`` names the refs that have a file of their own, which counts more than a line here.
    """
    try:
        (had, old), (has, new) = read(before), read(now)
    except MalformedError:
        return None
    taken = _taken(old, after, new)
    kept_out = clashing(taken, loose | new.keys()) | loose
    back = {name: old[name] for name in taken if name not in kept_out}
    if not back and (_SORTED not in has or _lines(now) == _ordered(new)):
        return None
    # The header promises something of every line: only what both promised is still true.
    traits = [trait for trait in had if trait != _SORTED and (trait in has or not new)]
    header = b" ".join([_HEADER, *traits, _SORTED, b"\n"])
    return header + _ordered(new | back)


def missing(before: bytes, after: bytes, now: bytes, loose: AbstractSet[bytes]) -> tuple[bytes, ...]:
    """Return the refs that we took away and that cannot be put back: others stand in their way."""
    try:
        old, new = read(before)[1], read(now)[1]
    except MalformedError:
        return ()
    return tuple(sorted(clashing(_taken(old, after, new), loose | new.keys())))


def read(data: bytes) -> tuple[list[bytes], dict[bytes, bytes]]:
    """Return the header's traits, and each ref's lines as they are; raises MalformedError.

    Of a ref that is there twice the first lines count: git wrote them last.
    """
    header, _, _ = data.partition(b"\n")
    traits = header.removeprefix(_HEADER).split() if header.startswith(_HEADER) else []
    found: dict[bytes, bytes] = {}
    name, doubled = b"", False
    for line in data.splitlines(keepends=True):
        if line.startswith(b"#") and not found:
            continue
        match = _REF.fullmatch(line)
        if match is None or (match[1] is None and not name):
            raise MalformedError(f"packed-refs has a line {line[:60]!r}")
        if match[1] is not None:
            name, doubled = match[1], match[1] in found
            found.setdefault(name, line)
        elif not doubled:
            found[name] += line
    return traits, found


def without(data: bytes, ref: bytes) -> bytes:
    """Return the file without one ref, the rest as it is; raises MalformedError."""
    header = data[: len(data) - len(_lines(data))]
    return header + _ordered({name: lines for name, lines in read(data)[1].items() if name != ref})


def clashing(names: Iterable[bytes], others: AbstractSet[bytes]) -> set[bytes]:
    """Return the refs that cannot be beside the others: one name would be a directory of the other's."""
    directories = {above for other in others for above in _above(other)}
    return {name for name in names if name in directories or any(above in others for above in _above(name))}


def _ordered(lines: Mapping[bytes, bytes]) -> bytes:
    return b"".join(lines[name] for name in sorted(lines))


def _lines(data: bytes) -> bytes:
    """Return the file without its header."""
    return data[data.index(b"\n") + 1 :] if data.startswith(b"#") else data


def _above(name: bytes) -> list[bytes]:
    words = name.split(b"/")
    return [b"/".join(words[:n]) for n in range(1, len(words))]


def _taken(old: Mapping[bytes, bytes], after: bytes, new: Mapping[bytes, bytes]) -> list[bytes]:
    try:
        left = read(after)[1]
    except MalformedError:
        left = {}  # git reads none of them
    return [name for name in old if name not in left and name not in new]
