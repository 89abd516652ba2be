"""Merges, picks and reverts that stopped."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from daemon.core.gitclone import read_ref
from daemon.core.gitobjects import commit_links, raw
from faults.git import making
from faults.git.entry import Scheme
from faults.git.kinds import FileEdit
from faults.git.making import Clash, Maker, clash, in_worktree, path_of, rewritten, staged
from faults.git.prey import content_of
from faults.git.sight import Look
from faults.git.staging import write_index
from faults.git.states import row

_CONFLICT = "# Conflicts:\n#\t{name}\n"


def pseudo(look: Look, name: str, content: str) -> FileEdit:
    """Write one of git's own files below .git; one that is there already means that something is under way."""
    path = look.clone.path(name)
    if name != "ORIG_HEAD" and look.node(path) is not None:
        raise look.refused(f"{look.clone.shown(path)} is already there: an operation is under way", "busy")
    return look.put(path, raw(content))


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
    lock: Any = {"guarded": True, "lock_path": f"{ref}.lock", "merge": "text"}
    logged = look.append(log, line, **lock) if look.stat(log) is not None else look.create(log, line, **lock)
    made = (*maker.edits.values(), look.put(ref, f"{top}\n".encode(), guarded=True), logged)
    victim = {"file": found.name, "commit": top}
    return Scheme(edits=made, action=f"push a stash entry that conflicts in {found.name}", victim=victim)


_UNMERGED = "commit, checkout, stash and pull die with 'you need to resolve'; add -A and commit publish the markers"


ENTRIES = (
    row(
        "merge-conflict",
        "leave a merge that stopped: a file changed by both (UU)",
        _UNMERGED,
        _merge("UU"),
        "commit -m x",
        says="unmerged files",
        often="daily",
    ),
    row(
        "merge-conflict-added",
        "leave a merge that stopped: a file added by both (AA)",
        _UNMERGED,
        _merge("AA"),
        "commit -m x",
        says="unmerged files",
    ),
    row(
        "merge-conflict-deleted-here",
        "leave a merge that stopped: a file deleted here, changed there (DU)",
        _UNMERGED,
        _merge("DU"),
        "commit -m x",
        says="unmerged files",
    ),
    row(
        "merge-conflict-deleted-there",
        "leave a merge that stopped: a file changed here, deleted there (UD)",
        _UNMERGED,
        _merge("UD"),
        "commit -m x",
        says="unmerged files",
    ),
    row(
        "merge-uncommitted",
        "leave a merge without conflicts that was not committed",
        "nothing: the next commit, whatever it is, becomes the merge",
        _merge_uncommitted,
        "status",
        says="still merging",
        silent=True,
    ),
    row(
        "cherry-pick-conflict",
        "leave a cherry-pick that stopped at a conflict",
        _UNMERGED,
        _picking("CHERRY_PICK_HEAD", "The other side", "leave a cherry-pick that stopped"),
        "commit -m x",
        says="unmerged files",
        repair="git cherry-pick --abort",
    ),
    row(
        "revert-conflict",
        "leave a revert that stopped at a conflict",
        _UNMERGED,
        _picking("REVERT_HEAD", 'Revert "The other side"', "leave a revert that stopped"),
        "commit -m x",
        says="unmerged files",
        repair="git revert --abort",
    ),
    row(
        "stash-conflict",
        "push a stash entry that conflicts with what is checked out",
        "stash pop stops at a conflict and keeps the entry",
        _stash_conflict,
        "stash pop",
        says="CONFLICT",
        seen="stash-foreign",
        repair="git checkout -- FILE and git stash drop",
    ),
)
