"""The target's clones, for probes: which exist, and which should."""

import posixpath

from daemon.core.errors import TargetAbsentError
from daemon.core.gitclone import Clone, follow, open_clone
from daemon.core.model import Finding
from daemon.core.seams import Files
from daemon.core.target import Repository, Target


def repository_of(target: Target) -> Repository:
    """Return the target's repository; raises TargetAbsentError when the configuration names none."""
    if target.repository is None:
        raise TargetAbsentError(
            f"not looked at: target {target.name!r} has no repository",
            hint="set targets.NAME.repository.worktree, or give --repository PATH",
        )
    return target.repository


def clones(files: Files, repository: Repository) -> tuple[list[Clone], list[Finding]]:
    """Return the clones that can be looked at and a finding for each that should be there and is not.

    Raises TargetAbsentError or RefusedError for one that cannot be looked at, bare or linked, say.
    """
    found: dict[str, Clone] = {}
    absent = []
    for pattern in repository.worktree:
        paths = files.glob(pattern)
        if not paths:
            absent.append(Finding("repository-absent", f"{pattern} does not exist"))
        for path in paths:
            if _absent(files, path):
                absent.append(Finding("repository-absent", f"{path} is no git repository"))
            else:
                try:
                    clone = open_clone(files, path)
                except TargetAbsentError:
                    if not _points_nowhere(files, path):
                        raise
                    absent.append(Finding("repository-absent", f"{path}: its .git file points nowhere"))
                else:
                    found[clone.root] = clone
    return list(found.values()), absent


def _points_nowhere(files: Files, path: str) -> bool:
    """Tell whether ``.git`` is a file that leads nowhere: of a linked work tree or a submodule."""
    dot_git = posixpath.join(files.resolve(path), ".git")
    stat = files.lstat(dot_git)
    if stat is None or stat.kind != "file":
        return False
    try:
        follow(files, dot_git)
    except TargetAbsentError:
        return True
    return False


def _absent(files: Files, path: str) -> bool:
    """Tell whether there is no repository; a bare one, or a file, is something else and not looked at."""
    root = files.resolve(path)
    stat = files.lstat(root)
    if stat is None:
        return True
    names = (".git", "HEAD")
    return stat.kind == "directory" and not any(files.lstat(posixpath.join(root, name)) for name in names)
