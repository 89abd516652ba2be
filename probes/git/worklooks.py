"""The work tree against the index, content by content, and against what other branches hold."""

import posixpath
from collections.abc import Iterator

from daemon.core import gitindex
from daemon.core.errors import TargetAbsentError
from daemon.core.gitclone import Clone
from daemon.core.gitobjects import MalformedError, TreeEntry, commit_links, object_id, tree_entries
from daemon.core.gitpacks import locate, read_object
from daemon.core.model import Finding
from daemon.core.seams import Files, FileStat
from probes.git.conditions import key
from probes.git.stores import digest_of
from probes.git.survey import Survey

_FILES_MAX = 20_000
_HASHED_BYTES_MAX = 64 << 20
_REGULAR, _EXECUTABLE, _LINK, _MODULE = 0o100644, 0o100755, 0o120000, 0o160000
_BRANCHES_MAX = 50
_MODES = (_REGULAR, _EXECUTABLE, _LINK, _MODULE)


class Work:
    """Remembers which files were hashed, with what they were then, and what the last look at it all said."""

    def __init__(self) -> None:
        self._same: dict[str, tuple[object, ...]] = {}
        self._unlike: dict[str, object] = {}
        self._of: tuple[object, ...] | None = None
        self._said: list[Finding] = []
        self.hashed = 0

    def look(self, files: Files, clone: Clone, tip: str | None, there: Survey) -> list[Finding]:
        """Return what does not fit between HEAD, index and files; every file is hashed once."""
        self.hashed = 0
        path = clone.path("index")
        stat = files.lstat(path)
        if stat is None or stat.kind != "file":
            what = "does not exist" if stat is None else f"is a {stat.kind}"
            return [Finding("index-broken", f".git/index {what}")] if tip is not None else []
        state = (clone.root, key(stat), tip)
        if state == self._of and self._unchanged(files, clone, there):
            return self._said
        self._of = None
        try:
            index = gitindex.parse(files.read(path), clone.algorithm)
        except gitindex.UnsupportedError:
            return []  # git reads it; we do not
        except MalformedError as error:
            return [Finding("index-broken", f".git/index: {error}")]
        except TargetAbsentError:
            return []  # said of its rights
        trees = _Trees(files, clone)
        files_said, read = self._files(files, clone, index, there)
        self._said = _index(index) + files_said + _deletions(trees, index, tip)
        self._of = state if read and trees.whole else None  # what could not be read is looked at again
        return self._said

    def _unchanged(self, files: Files, clone: Clone, there: Survey) -> bool:
        return all(_mark(files, clone, name, there) == mark[0] for name, mark in self._same.items()) and all(
            _mark(files, clone, name, there) == mark for name, mark in self._unlike.items()
        )

    def _files(
        self, files: Files, clone: Clone, index: gitindex.Index, there: Survey
    ) -> tuple[list[Finding], bool]:
        """Return what is wrong with the tracked files, and whether all of them could be read."""
        findings: list[Finding] = []
        before, self._same, self._unlike = self._same, {}, {}
        read = True
        for entry in index.entries[:_FILES_MAX]:
            name = entry.path.decode("utf-8", "surrogateescape")
            if entry.stage or entry.mode == _MODULE or entry.extended & gitindex.SKIP_WORKTREE:
                continue
            mark = (_mark(files, clone, name, there), entry.id, entry.mode)
            if before.get(name) == mark:
                self._same[name] = mark
                continue
            now = files.lstat(path := posixpath.join(clone.root, name))  # the survey is some seconds old
            problem = self._differs(files, path, entry, now, clone.algorithm)
            if problem == "permission-lost" and files.lstat(path) is None:
                problem = "worktree-changed"  # it went away just now
            read = read and problem != "permission-lost"
            mark = (key(now) if now is not None else None, entry.id, entry.mode)
            if problem is None:
                self._same[name] = mark
            else:
                self._unlike[name] = mark[0]
                findings.append(Finding(problem, name))
        return findings, read

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
            content = (
                files.link_target(path).encode("utf-8", "surrogateescape")
                if entry.mode == _LINK
                else files.read(path)
            )
        except TargetAbsentError:
            return "permission-lost"
        self.hashed += 1
        return None if digest_of(algorithm, content) == entry.id or _converted(content) else wrong


def _mark(files: Files, clone: Clone, name: str, there: Survey) -> object:
    path = posixpath.join(clone.root, name)
    now = there.get(path) or files.lstat(path)
    return key(now) if now is not None else None


def _converted(content: bytes) -> bool:
    """Tell whether line ends may have been changed on the way out, so that the hash says nothing."""
    return b"\r\n" in content


def _believed(entry: gitindex.Entry, now: FileStat) -> bool:
    """Tell whether git takes the file as unchanged: same time in whole seconds and same size."""
    return entry.mtime[0] == now.mtime_ns // 10**9 and entry.size == now.size & 0xFFFFFFFF


def _index(index: gitindex.Index) -> list[Finding]:
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
            Finding(
                "index-broken",
                f".git/index: its cache names another tree for /{n.path.decode('utf-8', 'backslashreplace')}",
            )
            for n in wrong
        ]
    return findings


class _Trees:
    """Reads commits' trees; ``whole`` is False once one was not there, or not what its id says.

    That is told by those who look at objects; here the rest is still worth looking at.
    """

    def __init__(self, files: Files, clone: Clone) -> None:
        self._files, self._clone = files, clone
        self.whole = True

    def of(self, commit: str) -> list[TreeEntry]:
        """Return what the top tree of a commit names."""
        payload = self._payload(commit)
        return self.named(commit_links(payload, self._clone.algorithm)[0]) if payload else []

    def named(self, tree: str) -> list[TreeEntry]:
        """Return what a tree names."""
        if tree == object_id(self._clone.algorithm, "tree", b""):
            return []  # need not exist
        try:
            return list(tree_entries(self._payload(tree), self._clone.algorithm))
        except MalformedError:
            self.whole = False
            return []

    def _payload(self, identity: str) -> bytes:
        try:
            found = read_object(self._files, self._clone, identity)
        except (MalformedError, TargetAbsentError, IndexError):
            found = None
        if found is None or object_id(self._clone.algorithm, found.kind, found.payload) != identity:
            self.whole = False
            return b""
        return found.payload


def _deletions(trees: _Trees, index: gitindex.Index, tip: str | None) -> list[Finding]:
    """Find files of HEAD that the index no longer has."""
    if tip is None:
        return []
    have = {e.path for e in index.entries if not e.extended & gitindex.INTENT_TO_ADD}
    gone = (name for name, _ in _blobs(trees, trees.of(tip), modules=True) if name not in have)
    return [Finding("staged-deletion", name.decode("utf-8", "replace")) for name in gone]


def _blobs(
    trees: _Trees, entries: list[TreeEntry], above: bytes = b"", *, modules: bool = False
) -> Iterator[tuple[bytes, str]]:
    """Yield path and id of every file below; with ``modules`` of every submodule, too."""
    for entry in entries:
        name = above + entry.raw
        if entry.kind == "tree":
            yield from _blobs(trees, trees.named(entry.id), name + b"/", modules=modules)
        elif entry.kind == "blob" or modules:
            yield name, entry.id


class Others:
    """Remembers what the branches hold that is not checked out, by commit, and what of it is not in the index."""

    def __init__(self) -> None:
        self._trees: dict[str, dict[bytes, str]] = {}
        self._of: tuple[object, ...] | None = None
        self._theirs: list[tuple[str, str, str, bool]] = []

    def look(self, files: Files, clone: Clone, refs: dict[str, str]) -> list[Finding]:
        """Find what lies in the way of another branch's files, and objects that only it needs and that are gone."""
        heads = [(ref, identity) for ref, identity in refs.items() if ref.startswith("refs/heads/")][:_BRANCHES_MAX]
        stat = files.lstat(clone.path("index"))
        state = (clone.root, key(stat) if stat is not None else None, tuple(heads))
        if state != self._of:
            self._of = None
            try:
                index = gitindex.parse(files.read(clone.path("index")), clone.algorithm)
            except (MalformedError, TargetAbsentError):
                return []
            self._theirs, whole_look = self._unlike(files, clone, index, heads)
            self._of = state if whole_look else None
        whole = not clone.partial and files.lstat(clone.path("objects", "info", "alternates")) is None
        findings: dict[tuple[str, str], Finding] = {}
        for ref, name, blob, here in self._theirs:
            if not here and files.lstat(posixpath.join(clone.root, name)) is not None:
                findings[name, "way"] = Finding("in-the-way", f"{name} is not tracked here, and is on {ref}")
            if whole and not _exists(files, clone, blob):
                findings[name, blob] = Finding("object-missing", f"blob {blob} ({name} on {ref})")
        return list(findings.values())

    def _unlike(
        self, files: Files, clone: Clone, index: gitindex.Index, heads: list[tuple[str, str]]
    ) -> tuple[list[tuple[str, str, str, bool]], bool]:
        """Return ref, name and blob of what is otherwise or not at all in the index, and whether its name is there.

        Besides, whether every branch could be read.
        """
        have = {entry.path: entry.id for entry in index.entries}
        trees, found = _Trees(files, clone), []
        for ref, identity in heads:
            found += [
                (ref, raw.decode("utf-8", "surrogateescape"), blob, raw in have)
                for raw, blob in self._tree(trees, identity).items()
                if have.get(raw) != blob
            ]
        self._trees = {identity: self._trees[identity] for _, identity in heads if identity in self._trees}
        return found, trees.whole

    def _tree(self, trees: _Trees, identity: str) -> dict[bytes, str]:
        if identity in self._trees:
            return self._trees[identity]
        whole, trees.whole = trees.whole, True
        tree = dict(_blobs(trees, trees.of(identity)))
        if trees.whole:
            self._trees[identity] = tree
        trees.whole = trees.whole and whole
        return tree


def _exists(files: Files, clone: Clone, identity: str) -> bool:
    return files.lstat(clone.object_path(identity)) is not None or locate(files, clone, identity) is not None
