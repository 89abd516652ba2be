"""States in which a clone is found: operations that were begun and not ended, HEAD on no branch, unfinished work."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

from daemon.core.errors import TargetAbsentError
from daemon.core.gitclone import read_ref
from daemon.core.gitobjects import commit_links
from daemon.core.model import Order, Resource, Reversion, Undo
from daemon.core.parameters import parameter
from daemon.core.seams import Flag, World
from faults.git import edits, making, reversal, stalled
from faults.git.entry import Entry, Scheme, modes, prepare
from faults.git.kinds import Edit, FileEdit
from faults.git.making import Clash, Maker, clash, in_tree, in_worktree, path_of, rewritten, staged
from faults.git.prey import content_of
from faults.git.records import Record
from faults.git.refs import other_branches
from faults.git.sight import Look
from faults.git.staging import plain_entry, read_index, write_index

_CONFLICT = "# Conflicts:\n#\t{name}\n"


def pseudo(look: Look, name: str, content: str) -> FileEdit:
    """Write one of git's own files below .git; one that is there already means that something is under way."""
    path = look.clone.path(name)
    if name != "ORIG_HEAD" and look.node(path) is not None:
        raise look.refused(f"{look.clone.shown(path)} is already there: an operation is under way", "busy")
    return look.put(path, content.encode())


def stopped(look: Look, maker: Maker, found: Clash, kind: str, files: tuple[FileEdit, ...], action: str) -> Scheme:
    """Put a stopped operation together; the first of its files stands for all."""
    made = (*files, *maker.edits.values(), staged(look, found), *in_worktree(look, found, kind))
    victim = {"file": found.name, "conflict": kind, "commit": found.commit}
    return Scheme(
        edits=made,
        action=f"{action}, with a conflict ({kind}) in {found.name},",
        victim=victim,
        anchor=files[0].path,
    )


def _merge(kind: str) -> Callable[[Look], Scheme]:
    def scheme(look: Look) -> Scheme:
        maker = Maker(look)
        found = clash(look, maker, kind)
        files = (
            pseudo(look, "MERGE_HEAD", f"{found.commit}\n"),
            pseudo(look, "MERGE_MODE", ""),
            pseudo(look, "MERGE_MSG", f"Merge the other side\n\n{_CONFLICT.format(name=found.name)}"),
            pseudo(look, "ORIG_HEAD", f"{look.tip()}\n"),
        )
        return stopped(look, maker, found, kind, files, "leave a merge that stopped")

    return scheme


def _picking(head: str, message: str, action: str) -> Callable[[Look], Scheme]:
    def scheme(look: Look) -> Scheme:
        maker = Maker(look)
        found = clash(look, maker)
        files = (
            pseudo(look, head, f"{found.commit}\n"),
            pseudo(look, "MERGE_MSG", f"{message}\n\n{_CONFLICT.format(name=found.name)}"),
        )
        return stopped(look, maker, found, "UU", files, action)

    return scheme


def _merge_uncommitted(look: Look) -> Scheme:
    """Leave a merge without conflicts that only has to be committed."""
    maker = Maker(look)
    found = clash(look, maker)
    entry = replace(found.entry, id=found.theirs_id, stat=bytes(24), owner=bytes(12))
    others = [e for e in found.index.entries if e.path != found.entry.path]
    head = pseudo(look, "MERGE_HEAD", f"{found.commit}\n")
    made = (
        head,
        pseudo(look, "MERGE_MODE", ""),
        pseudo(look, "MERGE_MSG", "Merge the other side\n"),
        *maker.edits.values(),
        write_index(look, found.index, [*others, entry]),
        rewritten(look, path_of(look, found.entry.path), found.theirs),
    )
    victim = {"file": found.name, "commit": found.commit}
    return Scheme(edits=made, action="leave a merge that only has to be committed", victim=victim, anchor=head.path)


# --- HEAD and unfinished work ----------------------------------------------------------------------------


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


def _stash_conflict(look: Look) -> Scheme:
    """Push a stash entry, made on another version of a file, that cannot be applied any more."""
    maker = Maker(look)
    found = clash(look, maker)
    tip = look.tip()
    tree = commit_links(content_of(look.files, look.clone, tip), look.clone.algorithm)[0]
    below = maker.commit(maker.tree(tree, found.entry.path, found.stages[making.BASE]), (tip,), "Before")
    index = maker.commit(maker.tree(tree, found.entry.path, found.stages[making.BASE]), (below,), "index on chaosd")
    top = maker.commit(maker.tree(tree, found.entry.path, found.theirs_id), (below, index), "WIP on chaosd")
    log, ref = look.clone.path("logs/refs/stash"), look.clone.path("refs/stash")
    before = read_ref(look.files, look.clone, "refs/stash") or "0" * len(top)
    line = f"{before} {top} chaosd <chaosd@localhost> {look.now_ns // 10**9} +0000\tWIP on chaosd\n".encode()
    lock = {"guarded": True, "lock_path": f"{ref}.lock", "merge": "text"}
    logged = look.append(log, line, **lock) if look.stat(log) is not None else look.create(log, line, **lock)
    made = (*maker.edits.values(), look.put(ref, f"{top}\n".encode(), guarded=True), logged)
    victim = {"file": found.name, "commit": top}
    return Scheme(edits=made, action=f"push a stash entry that conflicts in {found.name}", victim=victim)


def _row(name: str, summary: str, fails: str, scheme: object, tells: str, **more: object) -> Entry:
    alike = {"repair": "git merge --abort", "seen": "operation-in-progress", "often": "common", "tells": tells}
    return Entry(name=name, summary=summary, fails=fails, scheme=scheme, **{**alike, **more})  # type: ignore[arg-type]


_UNMERGED = "commit, checkout, stash and pull die with 'you need to resolve'; add -A and commit publish the markers"
_DIRTY = {"seen": "worktree-changed", "often": "daily", "repair": "commit it, stash it, or git checkout -- FILE"}
_SWITCH = "checkout {branch}"

ENTRIES = (
    _row(
        "merge-conflict",
        "leave a merge that stopped: a file changed by both (UU)",
        _UNMERGED,
        _merge("UU"),
        "commit -m x",
        says="unmerged files",
        often="daily",
    ),
    _row(
        "merge-conflict-added",
        "leave a merge that stopped: a file added by both (AA)",
        _UNMERGED,
        _merge("AA"),
        "commit -m x",
        says="unmerged files",
    ),
    _row(
        "merge-conflict-deleted-here",
        "leave a merge that stopped: a file deleted here, changed there (DU)",
        _UNMERGED,
        _merge("DU"),
        "commit -m x",
        says="unmerged files",
    ),
    _row(
        "merge-conflict-deleted-there",
        "leave a merge that stopped: a file changed here, deleted there (UD)",
        _UNMERGED,
        _merge("UD"),
        "commit -m x",
        says="unmerged files",
    ),
    _row(
        "merge-uncommitted",
        "leave a merge without conflicts that was not committed",
        "nothing: the next commit, whatever it is, becomes the merge",
        _merge_uncommitted,
        "status",
        says="still merging",
        silent=True,
    ),
    _row(
        "cherry-pick-conflict",
        "leave a cherry-pick that stopped at a conflict",
        _UNMERGED,
        _picking("CHERRY_PICK_HEAD", "The other side", "leave a cherry-pick that stopped"),
        "commit -m x",
        says="unmerged files",
        repair="git cherry-pick --abort",
    ),
    _row(
        "revert-conflict",
        "leave a revert that stopped at a conflict",
        _UNMERGED,
        _picking("REVERT_HEAD", 'Revert "The other side"', "leave a revert that stopped"),
        "commit -m x",
        says="unmerged files",
        repair="git revert --abort",
    ),
    _row(
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
    _row(
        "dirty-tracked",
        "leave unfinished work in a tracked file",
        "nothing, until a switch",
        _dirty_tracked,
        "status --porcelain",
        silent=True,
        **_DIRTY,
    ),
    _row(
        "dirty-at-switch",
        "leave unfinished work in a file of which another branch has another version",
        "checkout of that branch dies: 'Your local changes ... would be overwritten by checkout'",
        _dirty_switch,
        _SWITCH,
        says="would be overwritten",
        **_DIRTY,
    ),
    _row(
        "dirty-untracked",
        "leave an untracked file",
        "nothing: it goes along to the next branch",
        _dirty_untracked,
        "status --porcelain",
        silent=True,
        **_DIRTY,
    ),
    _row(
        "dirty-staged",
        "leave a change that was added and not committed",
        "nothing: it goes along into the next commit",
        _dirty_staged,
        "diff --cached --name-only",
        silent=True,
        **_DIRTY,
    ),
    _row(
        "stash-conflict",
        "push a stash entry that conflicts with what is checked out",
        "stash pop stops at a conflict and keeps the entry",
        _stash_conflict,
        "stash pop",
        says="CONFLICT",
        seen="stash-foreign",
        repair="git checkout -- FILE and git stash drop",
    ),
    *stalled.ENTRIES,
)
_BY_NAME = {entry.name: entry for entry in ENTRIES}


@dataclass(frozen=True, slots=True, kw_only=True)
class GitState:
    """Leaves a clone in the middle of something, by writing the files that git would have written."""

    name: ClassVar[str] = "git-state"
    summary: ClassVar[str] = (
        "leave a merge, rebase, pick, revert or bisect unfinished, HEAD detached, or work undone"
    )
    modes: ClassVar = modes(ENTRIES)
    touches: ClassVar[Resource] = Resource.REPOSITORY

    mode: str = parameter("merge-conflict", "the state in which the clone is left", choices=tuple(_BY_NAME))

    def prepare(self, order: Order, world: World) -> Undo:
        return prepare(self.name, _BY_NAME[self.mode], self, order, world)

    @classmethod
    def inject(cls, undo: Undo, world: World, stop: Flag) -> None:
        edits.apply(Record.load(undo.data), world, stop)

    @classmethod
    def revert(cls, undo: Undo, world: World) -> Reversion:
        return reversal.revert(Record.load(undo.data), world)
