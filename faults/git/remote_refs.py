"""Refs of the remote that moved, vanished or broke."""

from collections.abc import Callable

from daemon.core.errors import TargetAbsentError
from daemon.core.gitclone import packed_ref
from daemon.core.gitobjects import commit_links, raw
from faults.git.entry import Scheme
from faults.git.kinds import Edit, FileEdit, Recipe
from faults.git.making import Maker
from faults.git.prey import content_of
from faults.git.remotes import FETCH, PUSH, branch, row, told
from faults.git.sight import Look


def _set(look: Look, ref: str, content: bytes) -> FileEdit:
    """Write to a ref of the remote, whether it has a file of its own or not."""
    path = look.clone.path(ref)
    if look.stat(path) is not None:
        return look.rewrite(path, content, guarded=True)
    recipe = Recipe(action="write", content=content)
    return FileEdit(path=path, recipe=recipe, before=None, like=look.fresh(look.clone.path("HEAD")), guarded=True)


def _moved(look: Look, *, onto: Callable[[str, tuple[str, ...]], tuple[str, ...]], action: str) -> Scheme:
    """Let the worker's branch name a commit of somebody else's; ``onto`` gives its parents."""
    ref, tip = branch(look)
    maker = Maker(look)
    tree, parents = commit_links(content_of(look.files, look.clone, tip), look.clone.algorithm)
    blob = maker.add("blob", f"written by somebody else, {look.injection}\n".encode())
    commit = maker.commit(maker.tree(tree, b"chaosd-peer.txt", blob), onto(tip, parents), "Somebody else's work")
    made: tuple[Edit, ...] = (*maker.edits.values(), _set(look, ref, f"{commit}\n".encode()))
    return Scheme(edits=made, action=f"{action} {ref}", victim=told(ref, commit=commit))


def _diverged(look: Look) -> Scheme:
    return _moved(look, onto=lambda tip, _: (tip,), action="push somebody else's commit to")


def _force_pushed(look: Look) -> Scheme:
    return _moved(look, onto=lambda tip, parents: parents[:1] or (tip,), action="force-push another history to")


def _unrelated(look: Look) -> Scheme:
    return _moved(look, onto=lambda _tip, _parents: (), action="push an unrelated history to")


def _rewound(look: Look) -> Scheme:
    ref, tip = branch(look)
    parents = commit_links(content_of(look.files, look.clone, tip), look.clone.algorithm)[1]
    if not parents:
        raise TargetAbsentError(f"nothing was touched: {ref} of the remote has one commit")
    edit = _set(look, ref, f"{parents[0]}\n".encode())
    return Scheme(edits=(edit,), action=f"take the last commit off {ref}", victim=told(ref))


def _deleted(look: Look) -> Scheme:
    ref, _tip = branch(look)
    path, packed = look.clone.path(ref), look.clone.path("packed-refs")
    made: list[Edit] = [look.delete(path, guarded=True)] if look.stat(path) is not None else []
    if packed_ref(look.files, look.clone, ref) is not None:
        lines = look.snapshot(packed).content.splitlines(keepends=True)
        line = next(x for x in lines if x.rstrip().endswith(raw(f" {ref}")))
        made.append(look.splice(packed, line, b"", guarded=True, merge="packed-refs"))
    return Scheme(edits=tuple(made), action=f"delete {ref}", victim=told(ref))


def _ref_empty(look: Look) -> Scheme:
    ref, _tip = branch(look)
    return Scheme(edits=(_set(look, ref, b""),), action=f"empty {ref}", victim=told(ref))


def _ref_missing_object(look: Look) -> Scheme:
    ref, tip = branch(look)
    nobody = look.dice.randbytes(len(tip) // 2).hex()
    return Scheme(
        edits=(_set(look, ref, f"{nobody}\n".encode()),),
        action=f"write an unknown id to {ref}",
        victim=told(ref),
    )


def _in_the_name(look: Look) -> Scheme:
    """Make a branch BRANCH-new/x, so that BRANCH-new cannot be pushed."""
    ref, tip = branch(look)
    edit = look.create(look.clone.path(f"{ref}-new", "x"), f"{tip}\n".encode())
    return Scheme(edits=(edit,), action=f"make a branch {ref}-new/x", victim=told(ref))


def _gone(look: Look) -> Scheme:
    return Scheme(edits=(look.away(look.clone.root),), action="move the remote away, it was")


_PULL = "git fetch, then rebase or merge, then push again"


ENTRIES = (
    row(
        "gone",
        "move the remote away; it is back afterwards",
        "fetch, pull and push fail: 'does not appear to be a git repository'",
        _gone,
        FETCH,
        says="does not appear to be a git repository",
        seen="remote-gone",
        often="common",
    ),
    row(
        "diverged",
        "push somebody else's commit to the branch that is checked out",
        "push is rejected: '(fetch first)'",
        _diverged,
        PUSH,
        says="fetch first",
        seen="remote-moved",
        repair=_PULL,
        often="daily",
    ),
    row(
        "force-pushed",
        "force-push another history to the branch",
        "push is rejected: '(fetch first)'; fetch says 'forced update'",
        _force_pushed,
        FETCH,
        says="forced update",
        silent=True,
        seen="remote-moved",
        repair=_PULL,
        often="common",
    ),
    row(
        "unrelated-history",
        "replace the branch by a history that has nothing in common",
        "push is rejected; pull dies with 'refusing to merge unrelated histories'",
        _unrelated,
        "pull --no-rebase origin {branch}",
        says="unrelated histories",
        seen="remote-moved",
        often="rare",
    ),
    row(
        "rewound",
        "take the last commit off the branch",
        "nothing: the commit that was pushed is gone, until the next push",
        _rewound,
        "ls-remote origin",
        silent=True,
        seen="remote-moved",
        repair="git push again",
    ),
    row(
        "branch-deleted",
        "delete the branch",
        "pull fails: 'couldn't find remote ref'; push makes it anew",
        _deleted,
        "fetch origin {branch}",
        says="couldn't find remote ref",
        seen="remote-moved",
        repair="git push again",
        often="common",
    ),
    row(
        "ref-empty",
        "empty the branch's ref",
        "fetch and push of the branch fail",
        _ref_empty,
        "fetch origin {branch}",
    ),
    row(
        "ref-missing-object",
        "let the branch name an object that does not exist",
        "fetch dies with 'not our ref', 'bad object' or 'did not receive expected object'",
        _ref_missing_object,
        FETCH,
    ),
    row(
        "name-taken",
        "make a branch below the name that a new branch would have",
        "push of that branch is rejected: 'directory file conflict' or 'failed to update ref'",
        _in_the_name,
        "push origin HEAD:{ref}-new",
        says="rejected",
        seen="remote-moved",
        often="rare",
    ),
)
