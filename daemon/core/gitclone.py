"""One clone, looked at through ``Files`` alone: no git process, no lock, nothing written."""

import posixpath
from dataclasses import dataclass

from daemon.core.errors import RefusedError, TargetAbsentError
from daemon.core.gitobjects import (
    ID_BYTES,
    Head,
    MalformedError,
    has_promisor,
    is_true,
    loose_path,
    packed_refs,
    parse_config,
    parse_head,
)
from daemon.core.seams import Files

_EXTENSIONS = frozenset(
    ("noop", "noop-v1", "objectformat", "partialclone", "preciousobjects", "refstorage", "worktreeconfig")
)
_SYMREFS_MAX = 5
_POINTER_BYTES_MAX = 8192
# What linked work trees share lies in the common directory; these are exceptions below names that are shared.
_SHARED = frozenset(
    (
        "objects",
        "refs",
        "packed-refs",
        "config",
        "logs",
        "hooks",
        "info",
        "shallow",
        "worktrees",
        "modules",
        "gc.pid",
    )
)
_OWN = ("logs/HEAD", "refs/bisect", "refs/worktree", "refs/rewritten", "info/sparse-checkout")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clone:
    """A repository. ``root`` and ``git_dir`` are real paths; ``inode`` is that of ``git_dir``.

    ``partial``: absent objects are fetched when needed, so their absence says nothing. ``common`` is the
    directory that a linked work tree shares with the others, else ``git_dir``. Of a bare repository, ``root``
    is ``git_dir``.
    """

    root: str
    git_dir: str
    inode: int
    algorithm: str
    partial: bool = False
    shared: str = ""
    bare: bool = False

    @property
    def common(self) -> str:
        return self.shared or self.git_dir

    def path(self, *parts: str) -> str:
        """Return a path below ``.git``; of a linked work tree, below the directory where git looks for it."""
        inside = posixpath.join(*parts)
        name = inside.removesuffix(".lock")
        common = name.partition("/")[0] in _SHARED and not name.startswith(_OWN)
        return posixpath.join(self.common if common else self.git_dir, inside)

    def object_path(self, identity: str) -> str:
        return self.path("objects", loose_path(identity))

    def shown(self, path: str) -> str:
        """Return a path as people know it, relative to the work tree."""
        return posixpath.relpath(path, self.root)


# --- opening ---------------------------------------------------------------------------------------------


def open_clone(files: Files, path: str, *, bare: bool = False) -> Clone:
    """Look at a clone; raises TargetAbsentError or RefusedError, saying what is in the way.

    Linked work trees and submodules are followed to where their repository lies. Refuses what is not supported
    rather than guessing: reftable, extensions git has added since, a ``.git`` that is a link out of the work
    tree, and bare repositories unless ``bare`` asks for one.
    """
    root = files.resolve(path)
    stat = files.lstat(root)
    if stat is None:
        raise TargetAbsentError(f"nothing was touched: {path} does not exist", hint="check the repository's path")
    if stat.kind != "directory":
        raise TargetAbsentError(f"nothing was touched: {path} is no directory", hint="name the clone's work tree")
    if bare and _looks_bare(files, root):
        algorithm, partial = _format(files, path, root, bare=True)
        return Clone(root=root, git_dir=root, inode=stat.inode, algorithm=algorithm, partial=partial, bare=True)
    dot_git = posixpath.join(root, ".git")
    git_dir = files.resolve(dot_git)
    found = files.lstat(git_dir)
    if found is not None and found.kind == "file":
        return _linked(files, path, root, git_dir)
    if found is None or found.kind != "directory":
        raise _no_repository(files, path, root)
    if not git_dir.startswith(root.rstrip("/") + "/"):
        raise outside(git_dir, root)
    algorithm, partial = _format(files, path, git_dir)
    return Clone(root=root, git_dir=git_dir, inode=found.inode, algorithm=algorithm, partial=partial)


def follow(files: Files, dot_git: str) -> tuple[str, str]:
    """Return where a linked work tree's or submodule's ``.git`` file leads: its own directory, and the shared one.

    The second is empty for a submodule. Raises TargetAbsentError when it leads nowhere.
    """
    root = posixpath.dirname(dot_git)
    text = files.read(dot_git, limit=_POINTER_BYTES_MAX).decode("utf-8", "surrogateescape")
    git_dir = files.resolve(posixpath.join(root, text.removeprefix("gitdir:").strip()))
    found = files.lstat(git_dir) if text.startswith("gitdir:") else None
    if found is None or found.kind != "directory":
        raise TargetAbsentError(f"nothing was touched: {dot_git} names no repository")
    pointer = posixpath.join(git_dir, "commondir")
    if files.lstat(pointer) is None:
        return git_dir, ""
    said = files.read(pointer, limit=_POINTER_BYTES_MAX).decode("utf-8", "surrogateescape").strip()
    return git_dir, files.resolve(posixpath.join(git_dir, said))


def _linked(files: Files, path: str, root: str, dot_git: str) -> Clone:
    git_dir, shared = follow(files, dot_git)
    found = files.lstat(git_dir)
    if found is None:
        raise TargetAbsentError(f"nothing was touched: {git_dir} went away while it was looked at")
    algorithm, partial = _format(files, path, shared or git_dir, bare=bool(shared))
    return Clone(root=root, git_dir=git_dir, inode=found.inode, algorithm=algorithm, partial=partial, shared=shared)


def _looks_bare(files: Files, root: str) -> bool:
    return all(files.lstat(posixpath.join(root, name)) for name in ("HEAD", "objects", "refs"))


def outside(path: str, root: str) -> RefusedError:
    """Return the refusal for a path that leads out of the clone that was allowed."""
    return RefusedError(
        f"nothing was touched: {path} lies outside of {root}",
        rule="allow-list",
        hint="a symbolic link leads out of the clone; name the real path if that is meant",
    )


def _no_repository(files: Files, path: str, root: str) -> TargetAbsentError:
    if _looks_bare(files, root):
        return TargetAbsentError(
            f"nothing was touched: {path} is a bare repository or the inside of one: not supported here",
            hint="name the work tree of a clone; git-remote strikes the bare repository that is its origin",
        )
    return TargetAbsentError(
        f"nothing was touched: {path} is no git repository", hint="name a directory that has a .git directory"
    )


def _format(files: Files, path: str, git_dir: str, *, bare: bool = False) -> tuple[str, bool]:
    """Return the hash algorithm and whether it is partial; raises TargetAbsentError for an unknown format."""
    config_path = posixpath.join(git_dir, "config")
    data = files.read(config_path) if files.lstat(config_path) else b""
    config = parse_config(data)
    if is_true(config.get("core.bare")) and not bare:
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
    return algorithm, "extensions.partialclone" in config or has_promisor(data)


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
