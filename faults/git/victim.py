"""Which clone, and which remote of it, is struck: named by the target, held against the allow-list."""

import fnmatch
import posixpath
from collections.abc import Iterable

from daemon.core.errors import ChaosdError, RefusedError, TargetAbsentError
from daemon.core.gitclone import Clone, open_clone, outside
from daemon.core.gitobjects import remote_url
from daemon.core.model import Order
from daemon.core.seams import Files


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
    clones, problems = _open(files, allowed, order.allow_repositories)
    if not clones:
        raise problems[0]
    return clones[order.dice.randrange(len(clones))]


def _allowed(path: str, patterns: Iterable[str] | None) -> bool:
    return patterns is None or any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


def _open(files: Files, paths: list[str], patterns: Iterable[str] | None) -> tuple[list[Clone], list[ChaosdError]]:
    """Open what can be opened: a pattern may match directories that are no clones."""
    clones: dict[str, Clone] = {}
    problems: list[ChaosdError] = []
    for path in paths:
        try:
            clone = open_clone(files, path)
            if clone.root != path:
                raise outside(clone.root, path)
            if patterns is not None and clone.shared and not _allowed(_owner(clone), patterns):
                raise outside(clone.common, path)
            clones[clone.root] = clone
        except (TargetAbsentError, RefusedError) as error:
            problems.append(error)
    return list(clones.values()), problems


def _owner(clone: Clone) -> str:
    """Return the path by which the repository of a linked work tree is allowed: its main work tree, or itself."""
    above, name = posixpath.split(clone.common)
    return above if name == ".git" else clone.common


def open_remote(order: Order, clone: Clone, files: Files) -> Clone:
    """Open the repository that is the clone's origin; raises RefusedError when it is no local path."""
    name = order.target.repository.remote if order.target.repository else "origin"
    name = "origin" if set("/:") & set(name) else name
    path = clone.path("config")
    url = remote_url(files.read(path), name) if files.lstat(path) is not None else None
    if url is None:
        raise TargetAbsentError(f"nothing was touched: {clone.root} has no remote {name!r}")
    local = url.removeprefix("file://")
    if "://" in local or (":" in local.partition("/")[0]):
        raise RefusedError(
            f"nothing was touched: the remote of {clone.root} is no local path: {url}",
            rule="remote",
            hint="choose a mode that strikes the clone's own configuration, such as http-hang",
        )
    real = files.resolve(posixpath.join(clone.root, local))
    if not _allowed(real, order.allow_repositories):
        raise RefusedError(
            f"nothing was touched: the remote {real} is not in the allow-list",
            rule="allow-list",
            hint="add its real path to guard.allow.repositories",
        )
    return open_clone(files, real, bare=True)
