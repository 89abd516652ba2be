"""One clone, looked at through ``Files`` alone: no git process, no lock, nothing written."""

import posixpath
from dataclasses import dataclass

from daemon.core.errors import RefusedError, TargetAbsentError
from daemon.core.gitobjects import (
    ID_BYTES,
    Head,
    MalformedError,
    is_true,
    loose_path,
    packed_refs,
    parse_config,
    parse_head,
)
from daemon.core.seams import Files, FileStat

_EXTENSIONS = frozenset(
    ("noop", "noop-v1", "objectformat", "partialclone", "preciousobjects", "refstorage", "worktreeconfig")
)
_SYMREFS_MAX = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Clone:
    """A repository with a work tree. ``root`` and ``git_dir`` are real paths; ``inode`` is that of ``git_dir``.

    ``partial``: absent objects are fetched when needed, so their absence says nothing.
    """

    root: str
    git_dir: str
    inode: int
    algorithm: str
    partial: bool = False

    def path(self, *parts: str) -> str:
        """Return a path below ``.git``."""
        return posixpath.join(self.git_dir, *parts)

    def object_path(self, identity: str) -> str:
        return self.path("objects", loose_path(identity))

    def shown(self, path: str) -> str:
        """Return a path as people know it, relative to the work tree."""
        return posixpath.relpath(path, self.root)


# --- opening ---------------------------------------------------------------------------------------------


def open_clone(files: Files, path: str) -> Clone:
    """Look at a clone; raises TargetAbsentError or RefusedError, saying what is in the way.

    Refuses what is not supported rather than guessing: bare repositories, linked work trees, submodules,
    reftable, extensions git has added since, and a ``.git`` that lies outside of the work tree.
    """
    root = files.resolve(path)
    stat = files.lstat(root)
    if stat is None:
        raise TargetAbsentError(f"nothing was touched: {path} does not exist", hint="check the repository's path")
    if stat.kind != "directory":
        raise TargetAbsentError(f"nothing was touched: {path} is no directory", hint="name the clone's work tree")
    git_dir = files.resolve(posixpath.join(root, ".git"))
    found = files.lstat(git_dir)
    if found is None or found.kind != "directory":
        raise _no_repository(files, path, root, found)
    if not git_dir.startswith(root.rstrip("/") + "/"):
        raise outside(git_dir, root)
    algorithm, partial = _format(files, path, git_dir)
    return Clone(root=root, git_dir=git_dir, inode=found.inode, algorithm=algorithm, partial=partial)


def outside(path: str, root: str) -> RefusedError:
    """Return the refusal for a path that leads out of the clone that was allowed."""
    return RefusedError(
        f"nothing was touched: {path} lies outside of {root}",
        rule="allow-list",
        hint="a symbolic link leads out of the clone; name the real path if that is meant",
    )


def _no_repository(files: Files, path: str, root: str, dot_git: FileStat | None) -> TargetAbsentError:
    if dot_git is not None and dot_git.kind == "file":
        return TargetAbsentError(
            f"nothing was touched: {path} is a linked work tree or a submodule (its .git is a file): not supported",
            hint="name the main clone instead",
        )
    if all(files.lstat(posixpath.join(root, name)) for name in ("HEAD", "objects", "refs")):
        return TargetAbsentError(
            f"nothing was touched: {path} is a bare repository or the inside of one: not supported",
            hint="name the work tree of a clone",
        )
    return TargetAbsentError(
        f"nothing was touched: {path} is no git repository", hint="name a directory that has a .git directory"
    )


def _format(files: Files, path: str, git_dir: str) -> tuple[str, bool]:
    """Return the hash algorithm and whether it is partial; raises TargetAbsentError for an unknown format."""
    config_path = posixpath.join(git_dir, "config")
    config = parse_config(files.read(config_path)) if files.lstat(config_path) else {}
    if is_true(config.get("core.bare")):
        raise TargetAbsentError(f"nothing was touched: {path} is configured as bare: not supported")
    algorithm = config.get("extensions.objectformat", "sha1").lower()
    refs = config.get("extensions.refstorage", "files").lower()
    unknown = [k for k in config if k.startswith("extensions.") and k.partition(".")[2] not in _EXTENSIONS]
    if algorithm not in ID_BYTES:
        unknown.append(f"objectFormat={algorithm}")
    if refs != "files":
        unknown.append(f"refStorage={refs}")
    if unknown or config.get("core.repositoryformatversion", "0") not in ("0", "1"):
        what = ", ".join(unknown) or f"format {config['core.repositoryformatversion']}"
        raise TargetAbsentError(
            f"nothing was touched: {path} uses a repository format that is not supported: {what}"
        )
    return algorithm, "extensions.partialclone" in config


# --- refs ------------------------------------------------------------------------------------------------


def read_head(files: Files, clone: Clone) -> Head:
    """Return HEAD; raises TargetAbsentError when it is absent, MalformedError when it is garbage."""
    return parse_head(files.read(clone.path("HEAD")), clone.algorithm)


def read_ref(files: Files, clone: Clone, name: str) -> str | None:
    """Return the id a ref stands for, loose before packed; None when there is none, MalformedError when broken."""
    for _ in range(_SYMREFS_MAX):
        stat = files.lstat(clone.path(name))
        if stat is None or stat.kind == "directory":
            return packed_ref(files, clone, name)
        found = parse_head(files.read(clone.path(name)), clone.algorithm)
        if found.ref is None:
            return found.id
        name = found.ref
    raise MalformedError("it points to itself")


def packed_ref(files: Files, clone: Clone, name: str) -> str | None:
    """Return a ref's value in packed-refs."""
    path = clone.path("packed-refs")
    if files.lstat(path) is None:
        return None
    return packed_refs(files.read(path), clone.algorithm).get(name)


def tip(files: Files, clone: Clone) -> str | None:
    """Return the commit HEAD stands for; None on an unborn branch."""
    head = read_head(files, clone)
    return head.id if head.ref is None else read_ref(files, clone, head.ref)
