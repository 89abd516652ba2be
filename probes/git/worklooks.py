"""The work tree against the index, content by content; who may read and write; what is odd."""

import posixpath
from collections.abc import Iterator

from daemon.core import gitindex
from daemon.core.errors import TargetAbsentError
from daemon.core.gitclone import Clone
from daemon.core.gitobjects import MalformedError, commit_links, tree_entries
from daemon.core.gitpacks import locate, read_object
from daemon.core.model import Finding
from daemon.core.seams import Files, FileStat
from probes.git.conditions import key
from probes.git.stores import digest_of

_FILES_MAX = 20_000
_HASHED_BYTES_MAX = 64 << 20
_READ, _READ_ENTER = 0o400, 0o500
_WRITE_ENTER = 0o700
_REGULAR, _EXECUTABLE, _LINK, _MODULE = 0o100644, 0o100755, 0o120000, 0o160000
_FULL_BYTES = 1 << 20
_BRANCHES_MAX = 50
_MODES = (_REGULAR, _EXECUTABLE, _LINK, _MODULE)


class Work:
    """Remembers which files were hashed, with what they were then."""

    def __init__(self) -> None:
        self._same: dict[str, tuple[object, ...]] = {}
        self.hashed = 0

    def look(self, files: Files, clone: Clone, tip: str | None) -> list[Finding]:
        """Return what does not fit between HEAD, index and files; every file is hashed once."""
        self.hashed = 0
        path = clone.path("index")
        stat = files.lstat(path)
        if stat is None or stat.kind != "file":
            what = "does not exist" if stat is None else f"is a {stat.kind}"
            return [Finding("index-broken", f".git/index {what}")] if tip is not None else []
        try:
            index = gitindex.parse(files.read(path), clone.algorithm)
        except MalformedError as error:
            return [Finding("index-broken", f".git/index: {error}")]
        except TargetAbsentError:
            return []  # said of its rights
        return _index(index) + self._files(files, clone, index) + _deletions(files, clone, index, tip)

    def _files(self, files: Files, clone: Clone, index: gitindex.Index) -> list[Finding]:
        findings: list[Finding] = []
        for entry in index.entries[:_FILES_MAX]:
            name = entry.path.decode("utf-8", "surrogateescape")
            if entry.stage or entry.mode == _MODULE or entry.extended & gitindex.SKIP_WORKTREE:
                continue
            path = posixpath.join(clone.root, name)
            now = files.lstat(path)
            mark = (key(now), entry.id, entry.mode) if now is not None else ()
            if now is not None and self._same.get(name) == mark:
                continue
            problem = self._differs(files, path, entry, now, clone.algorithm)
            if problem is None:
                self._same[name] = mark
            else:
                findings.append(Finding(problem, name))
        return findings

    def _differs(
        self, files: Files, path: str, entry: gitindex.Entry, now: FileStat | None, algorithm: str
    ) -> str | None:
        """Return the finding for a file; a difference that git's own stat data hides is the index's."""
        believed = now is not None and _believed(entry, now)
        wrong = "index-unlike-file" if believed else "worktree-changed"
        if now is None or now.kind != ("symlink" if entry.mode == _LINK else "file"):
            return "worktree-changed"
        if entry.mode != _LINK and bool(now.mode & 0o100) != (entry.mode == _EXECUTABLE):
            return wrong
        if now.size > _HASHED_BYTES_MAX:
            return None
        try:
            content = files.link_target(path).encode() if entry.mode == _LINK else files.read(path)
        except TargetAbsentError:
            return "permission-lost"
        self.hashed += 1
        return None if digest_of(algorithm, content) == entry.id or _converted(content) else wrong


def _converted(content: bytes) -> bool:
    """Tell whether line ends may have been changed on the way out, so that the hash says nothing."""
    return b"\r\n" in content


def _believed(entry: gitindex.Entry, now: FileStat) -> bool:
    """Tell whether git takes the file as unchanged: same time in whole seconds and same size."""
    return entry.mtime[0] == now.mtime_ns // 10**9 and entry.size == now.size & 0xFFFFFFFF


def _index(index: gitindex.Index) -> list[Finding]:
    unknown = [name for name, _ in index.extensions if not name[:1].isupper() and name not in (b"link", b"sdir")]
    if unknown:
        return [Finding("index-broken", f".git/index: it has an extension {unknown[0]!r} that git must know")]
    names = [(entry.path, entry.stage) for entry in index.entries]
    if names != sorted(names):
        return [Finding("index-broken", ".git/index: its entries are out of order")]
    if any(entry.mode not in _MODES for entry in index.entries):
        return [Finding("index-broken", ".git/index: a file has a type that does not exist")]
    findings = [
        Finding("index-hides-changes", entry.path.decode("utf-8", "replace"))
        for entry in index.entries
        if entry.flags & gitindex.ASSUME_VALID or entry.extended & gitindex.SKIP_WORKTREE
    ]
    if not any(entry.stage for entry in index.entries):
        real = gitindex.trees(index)
        wrong = [node for node in index.tree if node.count >= 0 and real.get(node.path) != node.id]
        findings += [
            Finding("index-broken", f".git/index: its cache names another tree for /{n.path.decode()}")
            for n in wrong
        ]
    return findings


def _deletions(files: Files, clone: Clone, index: gitindex.Index, tip: str | None) -> list[Finding]:
    """Find top-level files and directories of HEAD, and files in them, that the index no longer has."""
    if tip is None:
        return []
    have = {e.path for e in index.entries if not e.extended & gitindex.INTENT_TO_ADD}
    try:
        commit = read_object(files, clone, tip)
        tree = commit_links(commit.payload, clone.algorithm)[0] if commit else ""
        gone = list(_missing(files, clone, tree, b"", have)) if tree else []
    except (MalformedError, TargetAbsentError, IndexError):
        return []
    return [Finding("staged-deletion", name.decode("utf-8", "replace")) for name in gone]


def _missing(files: Files, clone: Clone, tree: str, above: bytes, have: set[bytes]) -> list[bytes]:
    found = read_object(files, clone, tree)
    gone: list[bytes] = []
    for entry in tree_entries(found.payload if found else b"", clone.algorithm):
        name = above + entry.name.encode("utf-8", "backslashreplace")
        if entry.kind == "tree":
            gone += _missing(files, clone, entry.id, name + b"/", have)
        elif name not in have:
            gone.append(name)
    return gone


# --- rights, owners, room --------------------------------------------------------------------------------


def rights(files: Files, clone: Clone) -> list[Finding]:
    """Find what its own owner may not use, and what belongs to somebody else than the rest."""
    places = [clone.root, clone.git_dir, *(clone.path(n) for n in ("objects", "refs", "HEAD", "index", "config"))]
    places += [clone.path(n) for n in ("logs/HEAD", "refs/heads", "packed-refs")]
    objects = clone.path("objects")
    places += [posixpath.join(objects, name) for name in files.names(objects)]
    pack = posixpath.join(objects, "pack")
    places += [posixpath.join(pack, name) for name in files.names(pack)]
    places += _below(files, clone.path("refs")) + _directories(files, clone.root)
    for name in files.names(objects):
        places += [posixpath.join(objects, name, inside) for inside in files.names(posixpath.join(objects, name))]
    stats = {path: stat for path in places if (stat := files.lstat(path)) is not None and stat.kind != "symlink"}
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


def _directories(files: Files, root: str, depth: int = 0) -> list[str]:
    """Return the directories of the work tree, a few levels deep, and the files in them."""
    found: list[str] = []
    try:
        names = files.names(root)
    except TargetAbsentError:
        return found
    for name in names:
        path = posixpath.join(root, name)
        stat = files.lstat(path)
        if name != ".git" and stat is not None:
            found.append(path)
            if stat.kind == "directory" and depth < 4 and len(found) < _FILES_MAX:  # noqa: PLR2004
                found += _directories(files, path, depth + 1)
    return found


def odd(files: Files, clone: Clone) -> list[Finding]:
    """Find what git or a worker trips over: FIFOs, loops, names, nested repositories, sparse giants."""
    findings = []
    for path in _directories(files, clone.root):
        stat = files.lstat(path)
        name = clone.shown(path)
        strange = any(c < " " or "\udc80" <= c <= "\udcff" for c in name)
        if stat is None:
            continue
        if stat.kind == "other" or strange or (stat.kind == "file" and stat.size >= 1 << 30):
            findings.append(Finding("worktree-odd", repr(name)))
        elif stat.kind == "symlink" and files.resolve(path) == path:
            findings.append(Finding("worktree-odd", f"{name} is a link that points to itself"))
        elif stat.kind == "directory" and files.lstat(posixpath.join(path, ".git", "HEAD")) is not None:
            findings.append(Finding("worktree-odd", f"{name} is a repository within"))
    return findings


class Others:
    """Remembers what the other branches hold, by commit."""

    def __init__(self) -> None:
        self._trees: dict[str, dict[bytes, str]] = {}

    def look(self, files: Files, clone: Clone, refs: dict[str, str]) -> list[Finding]:
        """Find what lies in the way of another branch's files, and objects that only it needs and that are gone."""
        try:
            index = gitindex.parse(files.read(clone.path("index")), clone.algorithm)
        except (MalformedError, TargetAbsentError):
            return []
        have = {entry.path: entry.id for entry in index.entries}
        whole = not clone.partial and files.lstat(clone.path("objects", "info", "alternates")) is None
        findings: dict[tuple[str, str], Finding] = {}
        heads = {ref: identity for ref, identity in refs.items() if ref.startswith("refs/heads/")}
        for ref, identity in list(heads.items())[:_BRANCHES_MAX]:
            for raw, blob in self._tree(files, clone, identity).items():
                name = raw.decode("utf-8", "surrogateescape")
                if raw not in have and files.lstat(posixpath.join(clone.root, name)) is not None:
                    findings[name, "way"] = Finding("in-the-way", f"{name} is not tracked here, and is on {ref}")
                if whole and have.get(raw) != blob and not _exists(files, clone, blob):
                    findings[name, blob] = Finding("object-missing", f"blob {blob} ({name} on {ref})")
        return list(findings.values())

    def _tree(self, files: Files, clone: Clone, identity: str) -> dict[bytes, str]:
        if identity not in self._trees:
            try:
                commit = read_object(files, clone, identity)
                tree = commit_links(commit.payload, clone.algorithm)[0] if commit else ""
                self._trees[identity] = dict(_blobs(files, clone, tree, b"")) if tree else {}
            except (MalformedError, TargetAbsentError, IndexError):
                return {}
        return self._trees[identity]


def _blobs(files: Files, clone: Clone, tree: str, above: bytes) -> Iterator[tuple[bytes, str]]:
    found = read_object(files, clone, tree)
    for entry in tree_entries(found.payload if found else b"", clone.algorithm):
        name = above + entry.name.encode("utf-8", "backslashreplace")
        if entry.kind == "tree":
            yield from _blobs(files, clone, entry.id, name + b"/")
        elif entry.kind == "blob":
            yield name, entry.id


def _exists(files: Files, clone: Clone, identity: str) -> bool:
    return files.lstat(clone.object_path(identity)) is not None or locate(files, clone, identity) is not None
