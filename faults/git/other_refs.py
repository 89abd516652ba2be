"""Damage to the refs of other branches, of the remote and of tags, and to what stands for objects."""

from daemon.core.errors import TargetAbsentError
from daemon.core.gitclone import packed_ref, read_ref
from daemon.core.gitobjects import commit_links, raw
from faults.git.branches import row, vanished, write_ref
from faults.git.entry import Scheme
from faults.git.prey import content_of, packed_object, walk
from faults.git.refs import branches, other_branches, path_of
from faults.git.sight import Look


def _other_empty(look: Look) -> Scheme:
    return write_ref(look, other_branches(look)[0], b"", "empty")


def _rollback(look: Look) -> Scheme:
    """Let another branch name an older commit of its own: nothing but its reflog tells."""
    found = branches(look)
    for ref in other_branches(look):
        parents = commit_links(content_of(look.files, look.clone, found[ref]), look.clone.algorithm)[1]
        if parents:
            return write_ref(look, ref, f"{parents[0]}\n".encode(), f"write the parent {parents[0]} to")
    raise TargetAbsentError(f"nothing was touched: no other branch of {look.clone.root} has a parent commit")


def _packed_stale(look: Look) -> Scheme:
    """Delete a branch's own file when packed-refs has an older value, which then comes back."""
    for ref, identity in sorted(branches(look).items()):
        older = packed_ref(look.files, look.clone, ref)
        if older and older != identity and look.stat(path_of(look, ref)) is not None:
            edit = look.delete(path_of(look, ref), guarded=True)
            victim = {"ref": ref, "branch": ref.removeprefix("refs/heads/")}
            return Scheme(edits=(edit,), action=f"delete .git/{ref}: packed-refs has {older}", victim=victim)
    raise TargetAbsentError(f"nothing was touched: packed-refs of {look.clone.root} has no older value of a branch")


def _other_vanished(look: Look) -> Scheme:
    return vanished(look, other_branches(look)[0])


def _symref_dangling(look: Look) -> Scheme:
    return write_ref(
        look, other_branches(look)[0], b"ref: refs/heads/nowhere\n", "write a symbolic ref to nowhere to"
    )


def _symref_alias(look: Look) -> Scheme:
    return write_ref(
        look, other_branches(look)[0], raw(f"ref: {look.branch()}\n"), "write a symbolic ref to HEAD's to"
    )


def _tracking(look: Look) -> str:
    name = look.branch().removeprefix("refs/heads/")
    ref = f"refs/remotes/origin/{name}"
    if packed_ref(look.files, look.clone, ref) is None and look.stat(path_of(look, ref)) is None:
        raise TargetAbsentError(f"nothing was touched: {look.clone.root} has no {ref}")
    return ref


def _tracking_empty(look: Look) -> Scheme:
    return write_ref(look, _tracking(look), b"", "empty")


def _tracking_stale(look: Look) -> Scheme:
    ref = _tracking(look)
    now = read_ref(look.files, look.clone, ref)
    before = [named.id for named in walk(look, now) if named.kind == "commit" and named.id != now] if now else []
    if not before:
        raise TargetAbsentError(f"nothing was touched: {look.clone.root} has no commit before that of {ref}")
    return write_ref(look, ref, f"{before[-1]}\n".encode(), f"write the old commit {before[-1]} to")


def _origin_head(look: Look, content: bytes, action: str) -> Scheme:
    path = path_of(look, "refs/remotes/origin/HEAD")
    edit = look.put(path, content, guarded=True)
    return Scheme(edits=(edit,), action=action, victim={"ref": "refs/remotes/origin/HEAD"})


def _origin_head_dangling(look: Look) -> Scheme:
    return _origin_head(look, b"ref: refs/remotes/origin/gone\n", "point origin/HEAD to a branch that is gone")


def _origin_head_empty(look: Look) -> Scheme:
    return _origin_head(look, b"", "empty origin/HEAD")


def _ambiguous(look: Look) -> Scheme:
    ref = other_branches(look)[0]
    name = ref.removeprefix("refs/heads/")
    path = path_of(look, f"refs/tags/{name}")
    edit = look.create(path, f"{look.tip()}\n".encode(), guarded=True)
    return Scheme(
        edits=(edit,), action=f"make a tag of the branch's name {name}", victim={"ref": ref, "branch": name}
    )


def _replace(look: Look) -> Scheme:
    """Let git read one blob where another is named."""
    one = packed_object(look, "blob").named.id
    two = packed_object(look, "blob", fits=lambda other: other.named.id != one).named.id
    edit = look.create(path_of(look, f"refs/replace/{one}"), f"{two}\n".encode(), guarded=True)
    return Scheme(edits=(edit,), action=f"let {two} stand for {one}", victim={"object": one, "kind": "blob"})


def _grafts(look: Look) -> Scheme:
    tip = look.tip()
    edit = look.put(look.clone.path("info", "grafts"), f"{tip}\n".encode())
    return Scheme(edits=(edit,), action=f"say in info/grafts that {tip} has no parent", victim={"object": tip})


ENTRIES = (
    row(
        "ref-other-empty",
        "empty the ref of a branch that is not checked out",
        "checkout of it fails; fetch, pull and gc die with 'bad object' or 'unable to resolve'",
        _other_empty,
        tells="rev-parse --verify {ref}",
        fsck=True,
        often="common",
    ),
    row(
        "ref-rollback",
        "let the ref of another branch name an older commit of it",
        "nothing: the newer commits are on no branch any more",
        _rollback,
        tells="rev-parse {ref}",
        seen="ref-unlike-log",
        silent=True,
        often="seen",
    ),
    row(
        "ref-packed-stale",
        "delete a branch's own file, so that an older value in packed-refs comes back",
        "nothing: the newer commits are on no branch any more",
        _packed_stale,
        tells="rev-parse {ref}",
        seen="ref-unlike-log",
        silent=True,
        often="seen",
    ),
    row(
        "ref-other-vanished",
        "delete a branch that is not checked out",
        "nothing: checkout makes it anew from the remote, without the commits that were not pushed",
        _other_vanished,
        tells="for-each-ref",
        seen="refs-lost",
        silent=True,
        often="seen",
    ),
    row(
        "ref-symref-dangling",
        "let another branch's ref be a symbolic ref to nowhere",
        "log of it fails; others only warn 'ignoring dangling symref'",
        _symref_dangling,
        tells="rev-parse --verify {ref}",
        fsck=True,
    ),
    row(
        "ref-symref-alias",
        "let another branch's ref be a symbolic ref to the checked-out branch",
        "nothing: two names are one branch, and a commit on one is on both",
        _symref_alias,
        tells="rev-parse {ref}",
        seen="ref-symbolic",
        silent=True,
    ),
    row(
        "ref-tracking-empty",
        "empty the ref of the remote's branch",
        "fetch and gc die with 'bad object'; status says 'upstream is gone'",
        _tracking_empty,
        tells="rev-parse --verify {ref}",
        repair="delete the file, then git fetch",
        fsck=True,
        often="common",
    ),
    row(
        "ref-tracking-stale",
        "let the ref of the remote's branch name an old commit",
        "nothing: until the next fetch, new work starts from the old commit",
        _tracking_stale,
        tells="rev-parse {ref}",
        repair="git fetch",
        seen="ref-unlike-log",
        silent=True,
    ),
    row(
        "ref-origin-head-dangling",
        "point origin/HEAD to a branch that is gone",
        "`git log origin` fails; others warn 'ignoring dangling symref'",
        _origin_head_dangling,
        tells="log -1 origin/HEAD",
        repair="git remote set-head origin --auto",
        fsck=True,
    ),
    row(
        "ref-origin-head-empty",
        "empty origin/HEAD",
        "fetch, pull and gc die with 'bad object refs/remotes/origin/HEAD'",
        _origin_head_empty,
        tells="log -1 origin/HEAD",
        repair="git remote set-head origin --auto",
        fsck=True,
    ),
    row(
        "ref-tag-ambiguous",
        "make a tag with the name of a branch",
        "commands warn 'refname is ambiguous' and take the tag",
        _ambiguous,
        tells="rev-parse {branch}",
        says="ambiguous",
        repair="git tag -d NAME",
        seen="ref-ambiguous",
        silent=True,
    ),
    row(
        "ref-replace",
        "let refs/replace put another blob in the place of one",
        "nothing: every command reads the other blob, and only of this clone",
        _replace,
        tells="cat-file blob {object}",
        repair="git replace -d ID",
        seen="replaced-objects",
        silent=True,
    ),
    row(
        "grafts",
        "say in info/grafts that the checked-out commit has no parent",
        "nothing but a hint: log and merge-base see a shorter history",
        _grafts,
        tells="rev-list --count HEAD",
        repair="delete .git/info/grafts",
        seen="replaced-objects",
        silent=True,
    ),
)
