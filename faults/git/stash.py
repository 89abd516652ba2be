"""Damage to the stash, which is a ref and its reflog."""

from collections.abc import Callable

from daemon.core.errors import NotNowError, TargetAbsentError
from daemon.core.gitobjects import commit_links
from faults.git.entry import Scheme
from faults.git.kinds import FileEdit, Recipe
from faults.git.logs import row
from faults.git.prey import content_of
from faults.git.sight import Look

_STASH, _STASH_LOG = "refs/stash", "logs/refs/stash"


def _stash(look: Look, least: int = 1) -> list[bytes]:
    """Return the lines of the stash's reflog, oldest first; raises NotNowError when there are too few."""
    path = look.clone.path(_STASH_LOG)
    lines = look.snapshot(path).content.splitlines(keepends=True) if look.stat(path) is not None else []
    if len(lines) < least or look.stat(look.clone.path(_STASH)) is None:
        entries = "entry" if least == 1 else "entries"
        raise NotNowError(f"nothing was touched: the stash of {look.clone.root} has not {least} {entries}")
    return lines


def _ref(look: Look, recipe: Recipe | bytes) -> FileEdit:
    return look.rewrite(look.clone.path(_STASH), recipe, guarded=True)


def _log(look: Look, recipe: Recipe | bytes) -> FileEdit:
    """Edit the stash's reflog under the lock that git holds to write to it; later entries stay behind ours."""
    lock = look.clone.path(_STASH) + ".lock"
    return look.rewrite(look.clone.path(_STASH_LOG), recipe, guarded=True, lock_path=lock, merge="log")


def _with_ref(recipe: Recipe | bytes, action: str) -> Callable[[Look], Scheme]:
    def scheme(look: Look) -> Scheme:
        _stash(look)
        return Scheme(edits=(_ref(look, recipe),), action=action)

    return scheme


def _with_log(
    change: Callable[[list[bytes]], Recipe | bytes], action: str, least: int = 1
) -> Callable[[Look], Scheme]:
    def scheme(look: Look) -> Scheme:
        return Scheme(edits=(_log(look, change(_stash(look, least))),), action=action)

    return scheme


def _both_missing(look: Look) -> Scheme:
    _stash(look)
    gone = Recipe(action="unlink")
    return Scheme(edits=(_ref(look, gone), _log(look, gone)), action="delete refs/stash and its reflog")


def _midline(lines: list[bytes]) -> bytes:
    return b"".join(lines)[: -max(1, len(lines[-1]) // 2)]


def _swapped(lines: list[bytes]) -> bytes:
    return b"".join([*lines[:-2], lines[-1], lines[-2]])


def _entry_object(look: Look, parent: int | None, recipe: Recipe, action: str) -> Scheme:
    """Damage the commit of the newest entry, or a parent of it; they are loose until the next gc."""
    lines = _stash(look)
    identity = lines[-1].split(b" ")[1].decode()
    if parent is not None:
        identity = commit_links(content_of(look.files, look.clone, identity), look.clone.algorithm)[1][parent]
    path = look.clone.object_path(identity)
    if look.stat(path) is None:
        raise TargetAbsentError(f"nothing was touched: {identity} of the stash of {look.clone.root} is not loose")
    victim = {"object": identity, "kind": "commit"}
    return Scheme(edits=(look.rewrite(path, recipe, immutable=True),), action=f"{action} {identity}", victim=victim)


def _commit_empty(look: Look) -> Scheme:
    return _entry_object(look, None, Recipe(action="truncate"), "empty the commit of the newest stash entry,")


def _index_missing(look: Look) -> Scheme:
    return _entry_object(look, 1, Recipe(action="unlink"), "delete the index's commit of the newest stash entry,")


def _hijack(look: Look) -> Scheme:
    """Make one more entry, of a commit that is in the stash already: whoever pops takes that one."""
    lines = _stash(look, 2)
    oldest, newest = lines[0].split(b" ")[1], lines[-1].split(b" ")[1]
    rest = lines[-1].split(b" ", 2)[2]
    words = b" ".join((newest, oldest, rest))
    at = sum(map(len, lines))
    edits = (_ref(look, oldest + b"\n"), _log(look, Recipe(action="splice", offset=at, content=words)))
    return Scheme(edits=edits, action="push an old entry on top of the stash, as another worker would")


_FROM_LOG = "write the last id of .git/logs/refs/stash to .git/refs/stash"


_FSCK = "git fsck --no-reflogs --unreachable names the commits; git stash store brings one back"


ENTRIES = (
    row(
        "stash-ref-empty",
        "empty refs/stash",
        "stash fails; fetch, pull and gc die with 'bad object refs/stash'",
        _with_ref(b"", "empty .git/refs/stash"),
        tells="rev-parse --verify refs/stash",
        repair=_FROM_LOG,
        fsck=True,
    ),
    row(
        "stash-ref-garbage",
        "write garbage to refs/stash",
        "stash fails; fetch, pull and gc die with 'bad object refs/stash'",
        _with_ref(b"garbage\n", "write garbage to .git/refs/stash"),
        tells="rev-parse --verify refs/stash",
        repair=_FROM_LOG,
        fsck=True,
    ),
    row(
        "stash-ref-missing",
        "delete refs/stash and leave its reflog",
        "nothing: the stash looks empty",
        _with_ref(Recipe(action="unlink"), "delete .git/refs/stash"),
        repair=_FROM_LOG,
        silent=True,
    ),
    row(
        "stash-missing",
        "delete refs/stash and its reflog",
        "nothing: the stash is empty, and gc will remove what was in it",
        _both_missing,
        repair=_FSCK,
        seen="stash-lost",
        silent=True,
        often="seen",
    ),
    row(
        "stash-log-missing",
        "delete the stash's reflog and leave refs/stash",
        "nothing: the stash looks empty",
        _with_log(lambda _: Recipe(action="unlink"), "delete the stash's reflog"),
        repair=_FSCK,
        silent=True,
    ),
    row(
        "stash-log-newest-only",
        "leave only the newest entry in the stash's reflog",
        "nothing: the older entries are gone",
        _with_log(lambda lines: lines[-1], "leave only the newest entry of the stash", 2),
        repair=_FSCK,
        silent=True,
    ),
    row(
        "stash-log-midline",
        "cut the stash's reflog off in the middle of its last line",
        "nothing: the newest entry is gone from the list",
        _with_log(_midline, "cut the stash's reflog off in the middle of its last line"),
        repair=_FSCK,
        silent=True,
    ),
    row(
        "stash-log-empty",
        "empty the stash's reflog",
        "nothing: the stash looks empty",
        _with_log(lambda _: b"", "empty the stash's reflog"),
        repair=_FSCK,
        silent=True,
    ),
    row(
        "stash-log-swapped",
        "let the two newest entries change places in the stash's reflog",
        "nothing: pop takes another entry than the one pushed last",
        _with_log(_swapped, "let the two newest stash entries change places", 2),
        repair="put the lines back in order",
        silent=True,
    ),
    row(
        "stash-hijack",
        "push an old entry on top of the stash, as another worker in the clone would",
        "nothing: pop takes an entry that is not the one pushed last",
        _hijack,
        repair="git stash drop",
        seen="stash-broken",
        silent=True,
        often="seen",
    ),
    row(
        "stash-commit-empty",
        "empty the commit of the newest stash entry",
        "stash pop fails: 'object file ... is empty'; gc fails",
        _commit_empty,
        tells="stash show -p",
        repair="git stash drop, if what it held is elsewhere",
        seen="object-corrupt",
        fsck=True,
    ),
    row(
        "stash-index-missing",
        "delete the index's commit of the newest stash entry",
        "stash pop fails: 'is not a stash-like commit'; gc fails",
        _index_missing,
        tells="rev-parse --verify {object}^{{commit}}",
        repair="git stash drop, after taking its files with git checkout stash@{0} -- .",
        seen="object-missing",
        fsck=True,
    ),
)
