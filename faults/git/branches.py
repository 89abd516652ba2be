"""Damage to the refs of branches, remote branches and tags."""

from daemon.core.errors import TargetAbsentError
from daemon.core.gitclone import packed_ref
from daemon.core.gitobjects import ID_BYTES, commit_links
from faults.git.entry import Entry, Scheme
from faults.git.kinds import Edit, FileEdit, Recipe
from faults.git.prey import content_of, packed_object, walk
from faults.git.refs import branches, expect_healthy, other_branches, path_of
from faults.git.sight import Look

_FROM_LOG = "take the last id from .git/logs/refs/heads/BRANCH and write it to the ref"
_ZEROS = bytes(41)


def _ref(look: Look, ref: str, content: bytes, what: str, **victim: str) -> Scheme:
    """Write to a ref's own file, whether it has one yet or stands only in packed-refs."""
    path = path_of(look, ref)
    victim = {"ref": ref, "branch": ref.removeprefix("refs/heads/"), **victim}
    if look.stat(path) is not None:
        edit = look.rewrite(path, content, guarded=True)
        if edit.before is not None:
            expect_healthy(look, ref, edit.before.content)
    elif packed_ref(look.files, look.clone, ref) is not None:
        like = look.fresh(look.clone.path("packed-refs"))
        recipe = Recipe(action="write", content=content)
        edit = FileEdit(path=path, recipe=recipe, before=None, like=like, guarded=True)
    else:
        raise TargetAbsentError(f"nothing was touched: {ref} in {look.clone.root} has no commit yet")
    return Scheme(edits=(edit,), action=f"{what} .git/{ref}", victim=victim)


def _nobody(look: Look) -> str:
    return look.dice.randbytes(ID_BYTES[look.clone.algorithm]).hex()


def _empty(look: Look) -> Scheme:
    return _ref(look, look.branch(), b"", "empty")


def _missing_object(look: Look) -> Scheme:
    nobody = _nobody(look)
    return _ref(look, look.branch(), f"{nobody}\n".encode(), f"write {nobody}, the id of no object, to")


def _zeros(look: Look) -> Scheme:
    return _ref(look, look.branch(), _ZEROS, "fill with zeros")


def _garbage(look: Look) -> Scheme:
    return _ref(look, look.branch(), b"not an id\n", "write garbage to")


def _null_id(look: Look) -> Scheme:
    return _ref(look, look.branch(), b"0" * (2 * ID_BYTES[look.clone.algorithm]) + b"\n", "write the null id to")


def _short(look: Look) -> Scheme:
    return _ref(look, look.branch(), f"{look.tip()[:20]}\n".encode(), "cut the id off in")


def _to_blob(look: Look) -> Scheme:
    blob = packed_object(look, "blob").named.id
    return _ref(look, look.branch(), f"{blob}\n".encode(), f"write {blob}, the id of a blob, to", object=blob)


def _other_empty(look: Look) -> Scheme:
    return _ref(look, other_branches(look)[0], b"", "empty")


def _rollback(look: Look) -> Scheme:
    """Let another branch name an older commit of its own: nothing but its reflog tells."""
    found = branches(look)
    for ref in other_branches(look):
        parents = commit_links(content_of(look.files, look.clone, found[ref]), look.clone.algorithm)[1]
        if parents:
            return _ref(look, ref, f"{parents[0]}\n".encode(), f"write the parent {parents[0]} to")
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


def _vanished(look: Look, ref: str) -> Scheme:
    path, packed = path_of(look, ref), look.clone.path("packed-refs")
    edits: list[Edit] = [look.delete(path, guarded=True)] if look.stat(path) is not None else []
    if packed_ref(look.files, look.clone, ref) is not None:
        content = look.snapshot(packed).content
        line = next(x for x in content.splitlines(keepends=True) if x.rstrip().endswith(f" {ref}".encode()))
        edits.append(look.splice(packed, line, b"", guarded=True))
    if not edits:
        raise TargetAbsentError(f"nothing was touched: {ref} in {look.clone.root} has no commit yet")
    victim = {"ref": ref, "branch": ref.removeprefix("refs/heads/")}
    return Scheme(edits=tuple(edits), action=f"delete {ref}, loose and packed,", victim=victim)


def _other_vanished(look: Look) -> Scheme:
    return _vanished(look, other_branches(look)[0])


def _current_vanished(look: Look) -> Scheme:
    return _vanished(look, look.branch())


def _directory(look: Look) -> Scheme:
    ref = look.branch()
    look.tip()
    edits = look.directory_instead(path_of(look, ref))
    return Scheme(edits=edits, action=f"put a directory in the place of .git/{ref}", victim={"ref": ref})


def _symref_dangling(look: Look) -> Scheme:
    return _ref(look, other_branches(look)[0], b"ref: refs/heads/nowhere\n", "write a symbolic ref to nowhere to")


def _symref_alias(look: Look) -> Scheme:
    return _ref(
        look, other_branches(look)[0], f"ref: {look.branch()}\n".encode(), "write a symbolic ref to HEAD's to"
    )


def _unreadable(look: Look) -> Scheme:
    ref = look.branch()
    edit = look.chmod(path_of(look, ref), 0)
    return Scheme(edits=(edit,), action=f"take all rights to .git/{ref} away", victim={"ref": ref})


def _tracking(look: Look) -> str:
    name = look.branch().removeprefix("refs/heads/")
    ref = f"refs/remotes/origin/{name}"
    if packed_ref(look.files, look.clone, ref) is None and look.stat(path_of(look, ref)) is None:
        raise TargetAbsentError(f"nothing was touched: {look.clone.root} has no {ref}")
    return ref


def _tracking_empty(look: Look) -> Scheme:
    return _ref(look, _tracking(look), b"", "empty")


def _tracking_stale(look: Look) -> Scheme:
    commits = [getattr(one, "named", one) for one in walk(look, look.tip())]
    oldest = [named.id for named in commits if named.kind == "commit"][-1]
    return _ref(look, _tracking(look), f"{oldest}\n".encode(), f"write the old commit {oldest} to")


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


def _row(name: str, summary: str, fails: str, scheme: object, **more: object) -> Entry:
    alike = {"repair": _FROM_LOG, "tells": "log -1", "seen": "ref-broken", "often": "rare"}
    return Entry(name=name, summary=summary, fails=fails, scheme=scheme, **{**alike, **more})  # type: ignore[arg-type]


_BROKEN = "log, commit, fetch, pull and push fail: 'your current branch appears to be broken', 'bad object'"

ENTRIES = (
    _row(
        "ref-empty",
        "empty the file of the checked-out branch's ref",
        _BROKEN,
        _empty,
        says="broken",
        fsck=True,
        often="daily",
    ),
    _row(
        "ref-missing-object",
        "let the checked-out branch's ref name an object that does not exist",
        "status, log, commit and checkout die with 'bad object HEAD'",
        _missing_object,
        says="bad object HEAD",
        fsck=True,
    ),
    _row("ref-zeros", "fill the checked-out branch's ref with zeros", _BROKEN, _zeros, fsck=True, often="seen"),
    _row("ref-garbage", "write garbage to the checked-out branch's ref", _BROKEN, _garbage, fsck=True),
    _row(
        "ref-null-id",
        "write the null id to the checked-out branch's ref",
        "log and commit fail, push says 'rejected'",
        _null_id,
        fsck=True,
        often="common",
    ),
    _row("ref-short", "cut the id off in the checked-out branch's ref", _BROKEN, _short, fsck=True),
    _row(
        "ref-to-blob",
        "let the checked-out branch's ref name a blob",
        "log, commit and gc fail: 'is not a commit' or 'bad object'",
        _to_blob,
        fsck=True,
        tells="rev-parse --verify HEAD^{{commit}}",
    ),
    _row(
        "ref-other-empty",
        "empty the ref of a branch that is not checked out",
        "checkout of it fails; fetch, pull and gc die with 'bad object' or 'unable to resolve'",
        _other_empty,
        tells="rev-parse --verify {ref}",
        fsck=True,
        often="common",
    ),
    _row(
        "ref-rollback",
        "let the ref of another branch name an older commit of it",
        "nothing: the newer commits are on no branch any more",
        _rollback,
        tells="rev-parse {ref}",
        seen="ref-unlike-log",
        silent=True,
        often="seen",
    ),
    _row(
        "ref-packed-stale",
        "delete a branch's own file, so that an older value in packed-refs comes back",
        "nothing: the newer commits are on no branch any more",
        _packed_stale,
        tells="rev-parse {ref}",
        seen="ref-unlike-log",
        silent=True,
        often="seen",
    ),
    _row(
        "ref-other-vanished",
        "delete a branch that is not checked out",
        "nothing: checkout makes it anew from the remote, without the commits that were not pushed",
        _other_vanished,
        tells="for-each-ref",
        seen="ref-broken",
        silent=True,
        often="seen",
    ),
    _row(
        "ref-current-vanished",
        "delete the checked-out branch",
        "nothing: HEAD is unborn, and a commit begins a history of its own",
        _current_vanished,
        tells="status --branch --porcelain",
        says="No commits yet",
        silent=True,
    ),
    _row(
        "ref-directory",
        "put a directory in the place of the checked-out branch's ref",
        "commit, pull and checkout fail: 'there is a non-empty directory blocking reference'",
        _directory,
        tells="update-ref {ref} origin/main",
        says="couldn't set",
        fsck=True,
    ),
    _row(
        "ref-symref-dangling",
        "let another branch's ref be a symbolic ref to nowhere",
        "log of it fails; others only warn 'ignoring dangling symref'",
        _symref_dangling,
        tells="rev-parse --verify {ref}",
        fsck=True,
    ),
    _row(
        "ref-symref-alias",
        "let another branch's ref be a symbolic ref to the checked-out branch",
        "nothing: two names are one branch, and a commit on one is on both",
        _symref_alias,
        tells="rev-parse {ref}",
        seen="ref-symbolic",
        silent=True,
    ),
    _row(
        "ref-unreadable",
        "take all rights to the checked-out branch's ref away; a worker that is root does not notice",
        _BROKEN,
        _unreadable,
        repair="chmod 644 the file",
        seen="permission-lost",
        rights=True,
        fsck=True,
    ),
    _row(
        "ref-tracking-empty",
        "empty the ref of the remote's branch",
        "fetch and gc die with 'bad object'; status says 'upstream is gone'",
        _tracking_empty,
        tells="rev-parse --verify {ref}",
        repair="delete the file, then git fetch",
        fsck=True,
        often="common",
    ),
    _row(
        "ref-tracking-stale",
        "let the ref of the remote's branch name an old commit",
        "nothing: until the next fetch, new work starts from the old commit",
        _tracking_stale,
        tells="rev-parse {ref}",
        repair="git fetch",
        seen="ref-unlike-log",
        silent=True,
    ),
    _row(
        "ref-origin-head-dangling",
        "point origin/HEAD to a branch that is gone",
        "`git log origin` fails; others warn 'ignoring dangling symref'",
        _origin_head_dangling,
        tells="log -1 origin/HEAD",
        repair="git remote set-head origin --auto",
        fsck=True,
    ),
    _row(
        "ref-origin-head-empty",
        "empty origin/HEAD",
        "fetch, pull and gc die with 'bad object refs/remotes/origin/HEAD'",
        _origin_head_empty,
        tells="log -1 origin/HEAD",
        repair="git remote set-head origin --auto",
        fsck=True,
    ),
    _row(
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
    _row(
        "ref-replace",
        "let refs/replace put another blob in the place of one",
        "nothing: every command reads the other blob, and only of this clone",
        _replace,
        tells="cat-file blob {object}",
        repair="git replace -d ID",
        seen="replaced-objects",
        silent=True,
    ),
    _row(
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
