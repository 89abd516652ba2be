"""Damage to packed-refs, and to the directory of refs."""

from daemon.core.errors import TargetAbsentError
from faults.git.entry import Scheme
from faults.git.kinds import Recipe
from faults.git.refs import row
from faults.git.sight import Look


def _packed(look: Look, recipe: Recipe | bytes, action: str, **victim: str) -> Scheme:
    edit = look.rewrite(look.clone.path("packed-refs"), recipe, guarded=True, merge="packed-refs")
    return Scheme(edits=(edit,), action=action, victim=victim)


def _packed_lines(look: Look) -> list[bytes]:
    path = look.clone.path("packed-refs")
    lines = look.snapshot(path).content.splitlines(keepends=True)
    refs = [line for line in lines if line[:1] not in (b"#", b"^")]
    if not refs:
        raise TargetAbsentError(f"nothing was touched: packed-refs of {look.clone.root} holds no ref")
    return lines


def _packed_garbage(look: Look) -> Scheme:
    _packed_lines(look)
    edit = look.append(look.clone.path("packed-refs"), b"[garbage\n", guarded=True, merge="text")
    return Scheme(edits=(edit,), action="add a line of garbage to packed-refs")


def _packed_empty(look: Look) -> Scheme:
    _packed_lines(look)
    return _packed(look, b"", "empty packed-refs")


def _packed_missing(look: Look) -> Scheme:
    _packed_lines(look)
    return _packed(look, Recipe(action="unlink"), "delete packed-refs")


def _packed_truncate(look: Look) -> Scheme:
    lines = _packed_lines(look)
    size = sum(map(len, lines[:-1])) + 20
    return _packed(look, Recipe(action="truncate", size=size), "cut packed-refs off in the middle of its last line")


def _packed_zeros(look: Look) -> Scheme:
    return _packed(look, bytes(sum(map(len, _packed_lines(look)))), "fill packed-refs with zeros")


def _packed_unsorted(look: Look) -> Scheme:
    """Reverse the refs under a header that says they are sorted: git's binary search then misses most."""
    lines = _packed_lines(look)
    groups: list[list[bytes]] = []
    for line in lines[1:]:
        if line.startswith(b"^") and groups:
            groups[-1].append(line)
        else:
            groups.append([line])
    if len(groups) < 2 or b"sorted" not in lines[0]:  # noqa: PLR2004  nothing to put in another order
        raise TargetAbsentError(f"nothing was touched: packed-refs of {look.clone.root} holds fewer than two refs")
    content = lines[0] + b"".join(line for group in reversed(groups) for line in group)
    return _packed(look, content, "put the lines of packed-refs in another order")


def _refs_missing(look: Look) -> Scheme:
    return Scheme(edits=(look.away(look.clone.path("refs"), joins="refs"),), action="move .git/refs away")


_FROM_LOGS = "write the refs anew from the remote and from .git/logs"


ENTRIES = (
    row(
        "packed-refs-garbage",
        "add a line of garbage to packed-refs",
        "every command that reads refs dies with 'unexpected line in .git/packed-refs'",
        _packed_garbage,
        tells="for-each-ref",
        says="unexpected line",
        repair="remove the line",
        seen="packed-refs-broken",
        fsck=True,
    ),
    row(
        "packed-refs-empty",
        "empty packed-refs",
        "nothing at once: the branches, tags and remote branches in it are gone",
        _packed_empty,
        tells="for-each-ref",
        repair=_FROM_LOGS,
        seen="refs-lost",
        silent=True,
        fsck=True,
    ),
    row(
        "packed-refs-missing",
        "delete packed-refs",
        "nothing at once: the branches, tags and remote branches in it are gone",
        _packed_missing,
        tells="for-each-ref",
        repair=_FROM_LOGS,
        seen="refs-lost",
        silent=True,
        fsck=True,
    ),
    row(
        "packed-refs-truncate",
        "cut packed-refs off in the middle of its last line",
        "every command that reads refs dies with 'unterminated line' or 'unexpected line'",
        _packed_truncate,
        tells="for-each-ref",
        says="line",
        repair="remove the last line",
        seen="packed-refs-broken",
        fsck=True,
    ),
    row(
        "packed-refs-zeros",
        "fill packed-refs with zeros",
        "every command that reads refs dies with 'unterminated line'",
        _packed_zeros,
        tells="for-each-ref",
        says="line",
        repair=_FROM_LOGS,
        seen="packed-refs-broken",
        fsck=True,
    ),
    row(
        "packed-refs-unsorted",
        "put the lines of packed-refs in another order than its header says",
        "nothing at once: git's binary search does not find some of the refs",
        _packed_unsorted,
        tells="show-ref",
        repair="sort the lines by ref",
        seen="packed-refs-broken",
        silent=True,
    ),
    row(
        "refs-missing",
        "move .git/refs away",
        "every git command dies with 'not a git repository'",
        _refs_missing,
        says="not a git repository",
        repair=_FROM_LOGS,
        seen="refs-absent",
        fsck=True,
    ),
)
