"""What lies in a clone and its work tree: who may read and write it, and what git or a worker trips over."""

import posixpath
import re

from daemon.core.errors import TargetAbsentError
from daemon.core.gitclone import Clone
from daemon.core.model import Finding
from daemon.core.seams import Files, FileStat

_FILES_MAX = 20_000
_DEPTH_MAX = 4
_READ = 0o400
_WRITE_ENTER = 0o700
_FULL_BYTES = 1 << 20
_STRANGE = re.compile(r"[\x00-\x1f\udc80-\udcff]")
Survey = dict[str, FileStat]


def survey(files: Files, root: str, depth: int = 0) -> dict[str, FileStat]:
    """Return what lies in the work tree, a few levels deep, by path."""
    found: dict[str, FileStat] = {}
    try:
        names = files.names(root)
    except TargetAbsentError:
        return found
    for name in names:
        path = posixpath.join(root, name)
        try:
            stat = files.lstat(path)
        except TargetAbsentError:  # of a directory that may not be entered: told of its rights
            return found
        if name != ".git" and stat is not None:
            found[path] = stat
            if stat.kind == "directory" and depth < _DEPTH_MAX and len(found) < _FILES_MAX:
                found |= survey(files, path, depth + 1)
    return found


def rights(files: Files, clone: Clone, there: Survey) -> list[Finding]:
    """Find what its own owner may not use, and what belongs to somebody else than the rest."""
    places = [clone.root, clone.git_dir, *(clone.path(n) for n in ("objects", "refs", "HEAD", "index", "config"))]
    places += [clone.path(n) for n in ("logs/HEAD", "refs/heads", "packed-refs")]
    objects = clone.path("objects")
    places += [posixpath.join(objects, name) for name in files.names(objects)]
    pack = posixpath.join(objects, "pack")
    places += [posixpath.join(pack, name) for name in files.names(pack)]
    places += _below(files, clone.path("refs"))
    for name in files.names(objects):
        places += [posixpath.join(objects, name, inside) for inside in files.names(posixpath.join(objects, name))]
    stats = {path: stat for path in places if (stat := files.lstat(path)) is not None} | there
    stats = {path: stat for path, stat in stats.items() if stat.kind != "symlink"}
    findings = [
        Finding("permission-lost", f"{clone.shown(path)} has mode {stat.mode:o}")
        for path, stat in stats.items()
        if not _usable(path, stat, objects)
    ]
    owners = {stat.uid for stat in stats.values()}
    if len(owners) > 1:
        findings.append(
            Finding("owner-changed", f"the clone belongs to users {', '.join(map(str, sorted(owners)))}")
        )
    free, size = files.free_bytes(clone.git_dir)
    if size and free < _FULL_BYTES:
        findings.append(Finding("disk-full", f"{free} bytes are free"))
    return findings


def _usable(path: str, stat: FileStat, objects: str) -> bool:
    if stat.kind == "directory":
        return stat.mode & _WRITE_ENTER == _WRITE_ENTER
    least = _READ if path.startswith(f"{objects}/") else 0o600
    return stat.mode & least == least


def _below(files: Files, directory: str) -> list[str]:
    found: list[str] = []
    for name in files.names(directory):
        path = posixpath.join(directory, name)
        stat = files.lstat(path)
        found.append(path)
        if stat is not None and stat.kind == "directory" and len(found) < _FILES_MAX:
            found += _below(files, path)
    return found


def odd(files: Files, clone: Clone, there: Survey) -> list[Finding]:
    """Find what git or a worker trips over: FIFOs, loops, names, nested repositories, sparse giants."""
    findings, above = [], len(clone.root.rstrip("/")) + 1
    for path, stat in there.items():
        name = path[above:]
        if stat.kind == "other" or _STRANGE.search(name) or (stat.kind == "file" and stat.size >= 1 << 30):
            findings.append(Finding("worktree-odd", repr(name)))
        elif stat.kind == "symlink" and files.resolve(path) == path and files.lstat(path) is not None:
            findings.append(Finding("worktree-odd", f"{name} is a link that points to itself"))
        elif stat.kind == "directory" and files.lstat(posixpath.join(path, ".git", "HEAD")) is not None:
            findings.append(Finding("worktree-odd", f"{name} is a repository within"))
    return findings
