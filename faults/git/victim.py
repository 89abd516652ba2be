"""Which clone, and which remote of it, is struck: named by the target, held against the allow-list."""

import fnmatch
import posixpath
from collections.abc import Iterable, Iterator

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
            _expect_allowed(clone, patterns)
            clones[clone.root] = clone
        except (TargetAbsentError, RefusedError) as error:
            problems.append(error)
    return list(clones.values()), problems


def _expect_allowed(clone: Clone, patterns: Iterable[str] | None) -> None:
    """Refuse a clone whose ``.git`` file leads to the repository of somebody who is not in the allow-list."""
    for directory in _led_to(clone):
        owner = _owner(directory)
        if not _allowed(owner, patterns):
            raise RefusedError(
                f"nothing was touched: {clone.root} has its repository in {directory}, and {owner} is not in the "
                "allow-list",
                rule="allow-list",
                hint=f"if that is meant, add {owner} to guard.allow.repositories",
            )


def _led_to(clone: Clone) -> Iterator[str]:
    """Yield the directories outside of the work tree in which a fault may change something.

    Who may write in an allowed work tree may write its ``.git`` file, which may name any repository.
    """
    if not _below(clone.common, clone.root):
        yield clone.common
    if not _below(clone.git_dir, clone.root) and not _below(clone.git_dir, clone.common):
        yield clone.git_dir


def _below(path: str, above: str) -> bool:
    return f"{path}/".startswith(f"{above.rstrip('/')}/")


def _owner(directory: str) -> str:
    """Return the path by which a repository is allowed: the work tree around it, or where it lies when bare."""
    above, dot_git, _ = f"{directory}/".partition("/.git/")
    return (above or "/") if dot_git else directory


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
    remote = open_clone(files, real, bare=True)
    _expect_allowed(remote, order.allow_repositories)
    return remote
