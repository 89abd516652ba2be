"""HEAD on no branch, and work that was not committed."""

from dataclasses import replace

from daemon.core.errors import TargetAbsentError
from daemon.core.gitclone import read_ref
from daemon.core.gitobjects import commit_links
from faults.git import making
from faults.git.entry import Scheme
from faults.git.kinds import Edit
from faults.git.making import Maker, in_tree, path_of, rewritten
from faults.git.prey import content_of
from faults.git.refs import other_branches
from faults.git.sight import Look
from faults.git.staging import plain_entry, read_index, write_index
from faults.git.states import row


def _detached(look: Look) -> Scheme:
    look.branch()
    edit = look.rewrite(look.clone.path("HEAD"), f"{look.tip()}\n".encode(), guarded=True)
    return Scheme(edits=(edit,), action="detach HEAD at its own commit")


def _dirty_tracked(look: Look) -> Scheme:
    name, path = making.only_text(look)
    edit = rewritten(look, path, look.snapshot(path).content + b"unfinished\n")
    return Scheme(edits=(edit,), action=f"leave unfinished work in {name}", victim={"file": name})


def _dirty_switch(look: Look) -> Scheme:
    """Leave unfinished work in a file that another branch has another version of."""
    index = read_index(look)
    for ref in other_branches(look):
        tip = read_ref(look.files, look.clone, ref) or ""
        tree = commit_links(content_of(look.files, look.clone, tip), look.clone.algorithm)[0]
        differing = [e for e in index.entries if in_tree(look, tree, e.path) not in (None, e.id)]
        if differing:
            entry = plain_entry(look, replace(index, entries=tuple(differing)))
            path = path_of(look, entry.path)
            edit = rewritten(look, path, look.snapshot(path).content + b"unfinished\n")
            name = entry.path.decode("utf-8", "surrogateescape")
            victim = {"file": name, "branch": ref.removeprefix("refs/heads/")}
            return Scheme(edits=(edit,), action=f"leave unfinished work in {name}", victim=victim)
    raise TargetAbsentError(f"nothing was touched: no branch of {look.clone.root} has another version of a file")


def _dirty_untracked(look: Look) -> Scheme:
    path = f"{look.clone.root}/chaosd-unfinished.txt"
    if look.node(path) is not None:
        raise look.refused("chaosd-unfinished.txt is already there", "changed")
    return Scheme(edits=(look.create(path, b"unfinished\n"),), action="leave an untracked file")


def _dirty_staged(look: Look) -> Scheme:
    """Leave a change that was added and not committed."""
    maker, index = Maker(look), read_index(look)
    name, path = making.only_text(look)
    content = look.snapshot(path).content + b"staged\n"
    blob = maker.add("blob", content)
    entries = [
        replace(e, id=blob, stat=bytes(24), owner=bytes(12))
        if e.path.decode("utf-8", "surrogateescape") == name
        else e
        for e in index.entries
    ]
    made: tuple[Edit, ...] = (
        *maker.edits.values(),
        write_index(look, index, entries),
        rewritten(look, path, content),
    )
    return Scheme(edits=made, action=f"leave a staged change of {name}", victim={"file": name})


_DIRTY = {"seen": "worktree-changed", "often": "daily", "repair": "commit it, stash it, or git checkout -- FILE"}


_SWITCH = "checkout {branch}"


ENTRIES = (
    row(
        "detached-head",
        "detach HEAD at the checked-out commit",
        "nothing: commits are on no branch; push says 'You are not currently on a branch'",
        _detached,
        "symbolic-ref HEAD",
        says="not a symbolic ref",
        seen="head-detached",
        repair="git checkout BRANCH",
        often="daily",
    ),
    row(
        "dirty-tracked",
        "leave unfinished work in a tracked file",
        "nothing, until a switch",
        _dirty_tracked,
        "status --porcelain",
        silent=True,
        **_DIRTY,
    ),
    row(
        "dirty-at-switch",
        "leave unfinished work in a file of which another branch has another version",
        "checkout of that branch dies: 'Your local changes ... would be overwritten by checkout'",
        _dirty_switch,
        _SWITCH,
        says="would be overwritten",
        **_DIRTY,
    ),
    row(
        "dirty-untracked",
        "leave an untracked file",
        "nothing: it goes along to the next branch",
        _dirty_untracked,
        "status --porcelain",
        silent=True,
        **{**_DIRTY, "seen": "untracked-files"},
    ),
    row(
        "dirty-staged",
        "leave a change that was added and not committed",
        "nothing: it goes along into the next commit",
        _dirty_staged,
        "diff --cached --name-only",
        silent=True,
        **{**_DIRTY, "seen": "staged-changes"},
    ),
)
