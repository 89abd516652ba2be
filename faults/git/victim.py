"""Which clone, and which of its objects, is struck: chosen by dice, looked at without git, never enumerated."""

import fnmatch
from collections.abc import Iterable

from daemon.core.errors import ChaosdError, RefusedError, TargetAbsentError
from daemon.core.gitclone import Clone, open_clone, outside, tip
from daemon.core.gitobjects import MalformedError
from daemon.core.gitwalk import Loose, packed, walk_loose
from daemon.core.model import Order
from daemon.core.seams import Files

_LOOKUPS = 512  # the objects nearest to the tip: what the worker's next command will read
_OBJECT_BYTES_MAX = 16 << 20


def choose_clone(order: Order, files: Files) -> Clone:
    """Choose one of the target's clones; raises TargetAbsentError, or RefusedError outside of the allow-list."""
    repository = order.target.repository
    if repository is None:
        raise TargetAbsentError(
            f"nothing was touched: target {order.target.name!r} has no repository",
            hint="set targets.NAME.repository.worktree, or give --repository PATH",
        )
    paths = sorted({path for pattern in repository.worktree for path in files.glob(pattern)})
    if not paths:
        raise TargetAbsentError(
            f"nothing was touched: {', '.join(repository.worktree)} does not exist",
            hint="check the repository's path",
        )
    # Resolved once: what the allow-list was asked about is what is opened, whatever the path leads to by then.
    real = [files.resolve(path) for path in paths]
    allowed = [path for path in real if _allowed(path, order.allow_repositories)]
    if not allowed:
        raise RefusedError(
            f"nothing was touched: {real[0]} is not in the allow-list",
            rule="allow-list",
            hint="add the real path, all symbolic links followed, to guard.allow.repositories",
        )
    clones, problems = _open(files, allowed)
    if not clones:
        raise problems[0]
    return clones[order.dice.randrange(len(clones))]


def _allowed(path: str, patterns: Iterable[str] | None) -> bool:
    return patterns is None or any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


def _open(files: Files, paths: list[str]) -> tuple[list[Clone], list[ChaosdError]]:
    """Open what can be opened: a pattern may match directories that are no clones."""
    clones: dict[str, Clone] = {}
    problems: list[ChaosdError] = []
    for path in paths:
        try:
            clone = open_clone(files, path)
            if clone.root != path:
                raise outside(clone.root, path)
            clones[clone.root] = clone
        except (TargetAbsentError, RefusedError) as error:
            problems.append(error)
    return list(clones.values()), problems


def reachable(files: Files, clone: Clone, kind: str) -> list[Loose]:
    """Return the loose objects of a kind (or ``any``) near the checked-out commit, sorted by id.

    Raises TargetAbsentError when there is none.
    """
    try:
        start = tip(files, clone)
    except MalformedError as error:
        raise TargetAbsentError(
            f"nothing was touched: the checked-out branch of {clone.root} is broken already: {error}",
            hint="see `chaosd probe git-health`",
        ) from None
    if start is None:
        raise TargetAbsentError(f"nothing was touched: the checked-out branch of {clone.root} has no commit yet")
    walk = walk_loose(files, clone, start, lookups=_LOOKUPS)
    damaged = {found.named.id for found, _ in walk.damaged}
    fitting = [
        found
        for found in walk.loose
        if kind in ("any", found.named.kind)
        and found.named.id not in damaged
        and found.stat.kind == "file"
        and found.stat.size <= _OBJECT_BYTES_MAX
    ]
    if not fitting:
        raise no_loose_object(clone, kind)
    return sorted(fitting, key=lambda found: found.named.id)


def no_loose_object(clone: Clone, kind: str) -> TargetAbsentError:
    """Return the error for a clone whose checked-out commit lies in packs."""
    what = "object" if kind == "any" else kind
    return TargetAbsentError(
        f"nothing was touched: no loose {what} is reachable from HEAD in {clone.root}: all lie in packs",
        hint="the worker's next commit makes some; until then choose an index, HEAD or ref mode",
    )


def git_would_read(files: Files, clone: Clone, found: Loose) -> bool:
    """Tell whether git reads this very file; a packed copy comes first and would make the damage invisible."""
    return not packed(files, clone, found.named.id)
