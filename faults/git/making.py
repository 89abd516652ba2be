"""Objects and conflicts made from nothing but what is there: the very files git would have written."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from daemon.core import gitindex, gitpacks
from daemon.core.errors import TargetAbsentError
from daemon.core.gitindex import Entry, Index
from daemon.core.gitobjects import commit_links, is_printable, object_id, tree_entries
from faults.git.kinds import FileEdit, Recipe
from faults.git.prey import content_of
from faults.git.sight import Look
from faults.git.staging import plain_entry, read_index, write_index

_TEXT_BYTES_MAX = 1 << 20
_WHO = "chaosd <chaosd@localhost>"
BASE, OURS, THEIRS = 1, 2, 3


class Maker:
    """Collects the objects that have to be written; those that are there already are left as they are."""

    def __init__(self, look: Look) -> None:
        self.look = look
        self.edits: dict[str, FileEdit] = {}

    def add(self, kind: str, payload: bytes) -> str:
        """Return the id of an object, which will be written if it is not there."""
        look = self.look
        identity = object_id(look.clone.algorithm, kind, payload)
        path = look.clone.object_path(identity)
        there = look.files.lstat(path) is not None or gitpacks.locate(look.files, look.clone, identity) is not None
        if not there and identity not in self.edits:
            content = zlib.compress(f"{kind} {len(payload)}\0".encode() + payload)
            self.edits[identity] = look.create(path, content, mode=0o444, immutable=True)
        return identity

    def tree(self, root: str, path: bytes, blob: str | None) -> str:
        """Return a tree like ``root`` with another blob at a path; None takes the path out."""
        name, _, rest = path.partition(b"/")
        payload = content_of(self.look.files, self.look.clone, root) if root else b""
        lines = {entry.raw: (entry.mode, entry.id) for entry in tree_entries(payload, self.look.clone.algorithm)}
        mode, below = lines.get(name, (0o100644, ""))
        if rest:
            lines[name] = (0o40000, self.tree(below, rest, blob))
        elif blob is None:
            lines.pop(name, None)
        else:
            lines[name] = (mode, blob)
        return self.add("tree", gitindex.tree_payload((n, m, i) for n, (m, i) in lines.items()))

    def commit(self, tree: str, parents: tuple[str, ...], message: str) -> str:
        """Return a commit of chaosd's own, dated now."""
        when = f"{_WHO} {self.look.now_ns // 10**9} +0000"
        lines = [f"tree {tree}", *(f"parent {parent}" for parent in parents), f"author {when}", f"committer {when}"]
        return self.add("commit", ("\n".join(lines) + f"\n\n{message}\n").encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class Clash:
    """One file of which there are three versions. ``stages`` are the entries of the index by stage."""

    index: Index
    entry: Entry
    name: str
    ours: bytes
    theirs: bytes
    theirs_id: str
    commit: str
    stages: Mapping[int, str]

    @property
    def marked(self) -> bytes:
        """The file as a merge that stopped leaves it."""
        mine, _, rest = self.ours.partition(b"\n")
        other = self.theirs.partition(b"\n")[0]
        return b"<<<<<<< HEAD\n%s\n=======\n%s\n>>>>>>> chaosd\n%s" % (mine, other, rest)


def clash(look: Look, maker: Maker, kind: str = "UU") -> Clash:
    """Make another commit's version of a file that HEAD has too; ``kind`` as git status names the conflict."""
    index, tip = read_index(look), look.tip()
    tree, parents = commit_links(content_of(look.files, look.clone, tip), look.clone.algorithm)
    entry = plain_entry(look, index, lambda e: _clean(look, e, tree))
    ours = look.snapshot(path_of(look, entry.path)).content
    _, _, rest = ours.partition(b"\n")
    theirs, base = b"the other side's line\n" + rest, b"the line both began with\n" + rest
    theirs_id, base_id = maker.add("blob", theirs), maker.add("blob", base)
    if kind == "DU":  # deleted by us: a file that HEAD does not have
        entry = replace(entry, path=b"chaosd-theirs.txt")
        if look.node(path_of(look, entry.path)) is not None:
            raise look.refused("chaosd-theirs.txt is already there", "changed")
    changed = maker.tree(tree, entry.path, None if kind == "UD" else theirs_id)
    stages = {
        "UU": {BASE: base_id, OURS: entry.id, THEIRS: theirs_id},
        "AA": {OURS: entry.id, THEIRS: theirs_id},
        "DU": {BASE: base_id, THEIRS: theirs_id},
        "UD": {BASE: base_id, OURS: entry.id},
    }[kind]
    return Clash(
        index=index,
        entry=entry,
        name=entry.path.decode("utf-8", "surrogateescape"),
        ours=ours,
        theirs=theirs,
        theirs_id=theirs_id,
        commit=maker.commit(changed, parents[:1] or (tip,), "The other side"),
        stages=stages,
    )


def path_of(look: Look, name: bytes) -> str:
    """Return where a file of the work tree lies."""
    return f"{look.clone.root}/{name.decode('utf-8', 'surrogateescape')}"


def _clean(look: Look, entry: Entry, tree: str) -> bool:
    """Tell whether a file is in the work tree what it is in index and HEAD, and can be named."""
    if not is_printable(entry.path.decode("utf-8", "surrogateescape")):
        return False
    stat = look.files.lstat(path_of(look, entry.path))
    if stat is None or stat.kind != "file" or stat.size != entry.size or not 0 < stat.size <= _TEXT_BYTES_MAX:
        return False
    content = look.files.read(path_of(look, entry.path))
    if b"\0" in content or object_id(look.clone.algorithm, "blob", content) != entry.id:
        return False
    return in_tree(look, tree, entry.path) == entry.id


def in_tree(look: Look, tree: str, path: bytes) -> str | None:
    """Return the id that a tree has at a path."""
    name, _, rest = path.partition(b"/")
    payload = content_of(look.files, look.clone, tree)
    for entry in tree_entries(payload, look.clone.algorithm):
        if entry.raw == name:
            return in_tree(look, entry.id, rest) if rest and entry.kind == "tree" else entry.id
    return None


def staged(look: Look, found: Clash) -> FileEdit:
    """Write the index of a merge that stopped at the file."""
    bare = replace(found.entry, stat=bytes(24), owner=bytes(12), flags=0)
    others = [entry for entry in found.index.entries if entry.path != found.entry.path]
    unmerged = [replace(bare, stage=stage, id=identity) for stage, identity in found.stages.items()]
    return write_index(look, found.index, others + unmerged)


def in_worktree(look: Look, found: Clash, kind: str) -> tuple[FileEdit, ...]:
    """Write the file as the merge that stopped leaves it."""
    path = path_of(look, found.entry.path)
    if kind == "UD":
        return ()  # stays as it is
    if kind == "DU":
        return (look.create(path, found.theirs),)
    return (rewritten(look, path, found.marked),)


def rewritten(look: Look, path: str, content: bytes) -> FileEdit:
    """Change a file as somebody who works does: with a new time, so that git looks at it."""
    edit = look.rewrite(path, Recipe(action="write", content=content))
    return replace(edit, like=replace(edit.like, mtime_ns=look.now_ns))


def only_text(look: Look) -> tuple[str, str]:
    """Return name and path of a tracked, unchanged text file; raises TargetAbsentError when there is none."""
    index, tip = read_index(look), look.tip()
    tree = commit_links(content_of(look.files, look.clone, tip), look.clone.algorithm)[0]
    entry = plain_entry(look, index, lambda e: _clean(look, e, tree))
    if not entry.path:
        raise TargetAbsentError(f"nothing was touched: {look.clone.root} has no text file")
    return entry.path.decode("utf-8", "surrogateescape"), path_of(look, entry.path)
