"""What is in the way of a switch."""

import posixpath

from daemon.core.errors import TargetAbsentError
from daemon.core.gitclone import read_ref
from daemon.core.gitobjects import is_printable, raw
from faults.git.entry import Scheme
from faults.git.kinds import Edit
from faults.git.prey import walk
from faults.git.refs import other_branches
from faults.git.sight import Look
from faults.git.staging import read_index
from faults.git.tree import at, new, row

_BRANCHES = 20


def _only_theirs(look: Look) -> tuple[str, str]:
    """Return another branch and a file that it has and the checked-out one has not, and that can be named."""
    ours = {entry.path.decode("utf-8", "surrogateescape") for entry in read_index(look).entries}
    for ref in other_branches(look)[:_BRANCHES]:
        tip = read_ref(look.files, look.clone, ref)
        for named in walk(look, tip, 60, history=False) if tip else ():
            path = at(look, named.name)
            named_well = named.kind == "blob" and named.name not in ours and is_printable(named.name)
            if named_well and look.files.lstat(path) is None:
                return ref.removeprefix("refs/heads/"), named.name
    raise TargetAbsentError(f"nothing was touched: no other branch of {look.clone.root} has a file of its own")


def _untracked(look: Look) -> Scheme:
    branch, name = _only_theirs(look)
    edit = new(look, name, b"somebody's own\n")
    return Scheme(edits=(edit,), action=f"write an untracked {name}", victim={"branch": branch, "file": name})


def _untracked_directory(look: Look) -> Scheme:
    branch, name = _only_theirs(look)
    edits = look.directory_instead(at(look, name))
    return Scheme(edits=edits, action=f"make a directory {name}", victim={"branch": branch, "file": name})


def _ignored(look: Look) -> Scheme:
    """Write an ignored file: a checkout overwrites it without a word."""
    branch, name = _only_theirs(look)
    exclude = look.clone.path("info", "exclude")
    line = raw(f"/{name}\n")
    ignore = look.append(exclude, line) if look.stat(exclude) is not None else look.create(exclude, line)
    edits = (ignore, new(look, name, b"somebody's own\n"))
    return Scheme(edits=edits, action=f"write an ignored {name}", victim={"branch": branch, "file": name})


def _other_worktree(look: Look, *, stale: bool) -> Scheme:
    """Register a linked work tree that has another branch checked out; its directory is there, or was deleted."""
    ref = other_branches(look)[0]
    branch = ref.removeprefix("refs/heads/")
    place = look.clone.path("worktrees", "chaosd")
    there = posixpath.join(place, "tree") if not stale else f"{look.clone.root}-no-such-tree"
    edits: list[Edit] = [
        look.create(posixpath.join(place, "HEAD"), raw(f"ref: {ref}\n")),
        look.create(posixpath.join(place, "commondir"), b"../..\n"),
        look.create(posixpath.join(place, "gitdir"), raw(f"{there}/.git\n")),
    ]
    if not stale:
        edits.append(look.create(posixpath.join(there, ".git"), raw(f"gitdir: {place}\n")))
    what = "a deleted" if stale else "another"
    return Scheme(edits=tuple(edits), action=f"let {what} work tree hold {branch}", victim={"branch": branch})


ENTRIES = (
    row(
        "untracked-in-the-way",
        "write an untracked file where another branch has a tracked one",
        "checkout of that branch dies: 'untracked working tree files would be overwritten by checkout'",
        _untracked,
        "checkout {branch}",
        says="would be overwritten",
        seen="in-the-way",
        repair="move the file away",
        often="daily",
    ),
    row(
        "untracked-directory-in-the-way",
        "make a directory where another branch has a tracked file",
        "checkout of that branch dies: 'Updating the following directories would lose untracked files'",
        _untracked_directory,
        "checkout {branch}",
        says="would lose untracked files",
        seen="in-the-way",
        repair="move the directory away",
    ),
    row(
        "ignored-in-the-way",
        "write an ignored file where another branch has a tracked one",
        "nothing: checkout of that branch overwrites the file without a word",
        _ignored,
        "check-ignore {file}",
        seen="in-the-way",
        repair="move the file away",
        silent=True,
    ),
    row(
        "other-worktree",
        "let another work tree of the repository hold a branch",
        "checkout of that branch dies: 'is already checked out at ...'",
        lambda look: _other_worktree(look, stale=False),
        "checkout {branch}",
        says="already checked out",
        seen="branch-held",
        repair="git worktree remove",
        often="common",
    ),
    row(
        "stale-worktree",
        "let a work tree that was deleted hold a branch",
        "nothing where git sees that it is gone; `git worktree list` calls it prunable",
        lambda look: _other_worktree(look, stale=True),
        "worktree list",
        says="prunable",
        seen="branch-held",
        repair="git worktree prune",
        harmless=True,
    ),
)
