"""Rebases and bisects that were begun, and what a crash leaves of an operation: a state that is only half there."""

import posixpath
from collections.abc import Callable

from daemon.core.gitobjects import commit_links, raw
from faults.git.entry import Entry, Scheme
from faults.git.kinds import FileEdit
from faults.git.making import OURS, Maker, clash, in_worktree, staged
from faults.git.prey import content_of
from faults.git.sight import Look

_AUTHOR = "GIT_AUTHOR_NAME='chaosd'\nGIT_AUTHOR_EMAIL='chaosd@localhost'\nGIT_AUTHOR_DATE='@{when} +0000'\n"


def _free(look: Look, name: str) -> str:
    path = look.clone.path(name)
    if look.node(path) is not None:
        raise look.refused(f"{look.clone.shown(path)} is already there: an operation is under way", "busy")
    return path


def _files(look: Look, folder: str, contents: dict[str, str]) -> tuple[FileEdit, ...]:
    directory = _free(look, folder)
    return tuple(look.create(posixpath.join(directory, name), raw(text)) for name, text in contents.items())


def _rebase(folder: str, *, broken: bool = False) -> Callable[[Look], Scheme]:
    """Leave a rebase that stopped at the checked-out branch's last commit."""

    def scheme(look: Look) -> Scheme:
        maker, ref, tip = Maker(look), look.branch(), look.tip()
        found = clash(look, maker)
        maker.add("blob", found.ours)
        common = {
            "head-name": "" if broken else f"{ref}\n",
            "onto": f"{found.commit}\n",
            "orig-head": "" if broken else f"{tip}\n",
            "author-script": _AUTHOR.format(when=look.now_ns // 10**9),
        }
        merge = {
            "git-rebase-todo": "",
            "done": f"pick {tip} the last commit\n",
            "end": "1\n",
            "msgnum": "1\n",
            "interactive": "",
            "message": "the last commit\n",
            "stopped-sha": f"{tip}\n",
        }
        apply = {"next": "1\n", "last": "1\n", "rebasing": "", "threeway": "t\n", "original-commit": f"{tip}\n"}
        files = _files(look, folder, common | (merge if folder == "rebase-merge" else apply))
        head = look.rewrite(look.clone.path("HEAD"), f"{found.commit}\n".encode(), guarded=True)
        made = (*files, *maker.edits.values(), staged(look, found), *in_worktree(look, found, "UU"), head)
        victim = {"file": found.name, "commit": found.commit, "ours": found.stages[OURS]}
        action = f"leave a rebase that stopped at a conflict in {found.name}"
        return Scheme(edits=made, action=action, victim=victim, anchor=files[1].path)

    return scheme


def _bisect(look: Look) -> Scheme:
    ref, tip = look.branch(), look.tip()
    parents = commit_links(content_of(look.files, look.clone, tip), look.clone.algorithm)[1]
    good = parents[0] if parents else tip
    name = ref.removeprefix("refs/heads/")
    log = f"git bisect start\n# bad: [{tip}]\ngit bisect bad {tip}\n# good: [{good}]\ngit bisect good {good}\n"
    files = tuple(
        look.create(_free(look, path), raw(text))
        for path, text in {
            "BISECT_LOG": log,
            "BISECT_START": f"{name}\n",
            "BISECT_NAMES": "\n",
            "BISECT_TERMS": "bad\ngood\n",
            "BISECT_EXPECTED_REV": f"{tip}\n",
            "refs/bisect/bad": f"{tip}\n",
            f"refs/bisect/good-{good}": f"{good}\n",
        }.items()
    )
    head = look.rewrite(look.clone.path("HEAD"), f"{tip}\n".encode(), guarded=True)
    return Scheme(edits=(*files, head), action="leave a bisect that goes on", victim={}, anchor=files[0].path)


def _left(name: str, content: Callable[[Look], str], action: str) -> Callable[[Look], Scheme]:
    """Leave one file of an operation."""

    def scheme(look: Look) -> Scheme:
        edit = look.create(_free(look, name), raw(content(look)))
        return Scheme(edits=(edit,), action=action)

    return scheme


def _parent(look: Look) -> str:
    """Name a commit that is not merged: the stash's, else another made up of what is there."""
    parents = commit_links(content_of(look.files, look.clone, look.tip()), look.clone.algorithm)[1]
    return f"{(parents or (look.tip(),))[0]}\n"


def _empty_directory(name: str) -> Callable[[Look], Scheme]:
    def scheme(look: Look) -> Scheme:
        made = look.make(_free(look, name), "directory")
        return Scheme(edits=(made,), action=f"leave an empty .git/{name}")

    return scheme


def _row(name: str, summary: str, fails: str, scheme: object, tells: str, **more: object) -> Entry:
    alike = {"repair": "git rebase --abort", "seen": "operation-in-progress", "often": "seen", "tells": tells}
    return Entry(name=name, summary=summary, fails=fails, scheme=scheme, **{**alike, **more})  # type: ignore[arg-type]


_UNMERGED = "commit, checkout, stash and pull die; HEAD is on no branch"
_BEGUN = "rebase dies with 'It seems that there is already a rebase-merge directory'"

ENTRIES = (
    _row(
        "rebase-merge",
        "leave a rebase that stopped at a conflict",
        _UNMERGED,
        _rebase("rebase-merge"),
        "commit -m x",
        says="unmerged files",
        often="daily",
    ),
    _row(
        "rebase-apply",
        "leave a rebase of the older kind (--apply) that stopped at a conflict",
        _UNMERGED,
        _rebase("rebase-apply"),
        "commit -m x",
        says="unmerged files",
    ),
    _row(
        "rebase-broken",
        "leave a rebase that stopped, with the branch's name lost",
        f"{_UNMERGED}; rebase --abort fails",
        _rebase("rebase-merge", broken=True),
        "rebase --abort",
        repair="rm -r .git/rebase-merge; git checkout -f BRANCH",
        often="rare",
    ),
    _row(
        "rebase-merge-empty",
        "leave an empty .git/rebase-merge",
        _BEGUN,
        _empty_directory("rebase-merge"),
        "rebase main",
        repair="rmdir .git/rebase-merge",
    ),
    _row(
        "rebase-apply-empty",
        "leave an empty .git/rebase-apply",
        "am and rebase think that they are under way",
        _empty_directory("rebase-apply"),
        "rebase main",
        repair="rmdir .git/rebase-apply",
    ),
    _row(
        "bisect",
        "leave a bisect that goes on, HEAD detached",
        "nothing: commits are on no branch",
        _bisect,
        "status",
        says="bisecting",
        silent=True,
        repair="git bisect reset",
    ),
    _row(
        "merge-head-stale",
        "leave a lone MERGE_HEAD",
        "nothing: the next commit becomes a merge",
        _left("MERGE_HEAD", _parent, "leave a lone MERGE_HEAD"),
        "status",
        says="still merging",
        silent=True,
        repair="rm .git/MERGE_HEAD",
    ),
    _row(
        "merge-head-garbage",
        "leave a MERGE_HEAD that holds garbage",
        "commit dies with 'could not read MERGE_HEAD' or 'not something we can merge'",
        _left("MERGE_HEAD", lambda _: "garbage\n", "leave a MERGE_HEAD that holds garbage"),
        "commit --allow-empty -m x",
        repair="rm .git/MERGE_HEAD",
        often="rare",
    ),
    _row(
        "merge-head-empty",
        "leave an empty MERGE_HEAD, as a power cut does",
        "merge and pull die with 'You have not concluded your merge'",
        _left("MERGE_HEAD", lambda _: "", "leave an empty MERGE_HEAD"),
        "merge thread-old",
        says="not concluded your merge",
        repair="rm .git/MERGE_HEAD",
    ),
    _row(
        "cherry-pick-head-stale",
        "leave a lone CHERRY_PICK_HEAD",
        "merge, pull and cherry-pick die with 'You have not concluded your cherry-pick'",
        _left("CHERRY_PICK_HEAD", _parent, "leave a lone CHERRY_PICK_HEAD"),
        "merge thread-b",
        says="not concluded your cherry-pick",
        repair="rm .git/CHERRY_PICK_HEAD",
        often="rare",
    ),
    _row(
        "revert-head-stale",
        "leave a lone REVERT_HEAD",
        "nothing but what status says",
        _left("REVERT_HEAD", _parent, "leave a lone REVERT_HEAD"),
        "status",
        says="reverting commit",
        silent=True,
        repair="rm .git/REVERT_HEAD",
        often="rare",
    ),
    _row(
        "merge-message-stale",
        "leave a MERGE_MSG and nothing else",
        "nothing: commit proposes the message",
        _left("MERGE_MSG", lambda _: "left over\n", "leave a MERGE_MSG"),
        "",
        harmless=True,
        repair="rm .git/MERGE_MSG",
        seen="leftover",
    ),
    _row(
        "bisect-log-stale",
        "leave a BISECT_LOG and nothing else",
        "nothing: status says that a bisect goes on",
        _left("BISECT_LOG", lambda _: "git bisect start\n", "leave a BISECT_LOG"),
        "",
        harmless=True,
        repair="git bisect reset",
    ),
    _row(
        "sequencer-stale",
        "leave a list of picks that makes no sense",
        "cherry-pick and revert of several commits fail: 'could not create sequencer directory'",
        _left("sequencer/todo", lambda _: "garbage\n", "leave a .git/sequencer/todo"),
        "cherry-pick --keep-redundant-commits HEAD HEAD",
        says="could not create sequencer directory",
        repair="rm -r .git/sequencer",
        often="rare",
    ),
)
