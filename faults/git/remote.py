"""What happens to the remote: gone, rewritten, refusing, broken. Struck is the local repository that is ``origin``."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

from daemon.core.errors import TargetAbsentError
from daemon.core.gitclone import packed_ref, read_ref
from daemon.core.gitobjects import commit_links
from daemon.core.model import Order, Resource, Reversion, Undo
from daemon.core.parameters import parameter
from daemon.core.seams import Flag, World
from faults.git import edits, loose, network, packs, reversal
from faults.git.entry import Entry, Scheme, modes, prepare
from faults.git.hook import FAIL, HANG, SAID, hook
from faults.git.kinds import Edit, FileEdit, Recipe
from faults.git.making import Maker
from faults.git.prey import content_of
from faults.git.records import Record
from faults.git.settings import added
from faults.git.sight import Look


def _branch(look: Look) -> tuple[str, str]:
    """Return the branch that the worker has checked out, and its commit on the remote."""
    ref = replace(look, clone=look.worker).branch()
    identity = read_ref(look.files, look.clone, ref)
    if identity is None:
        raise TargetAbsentError(f"nothing was touched: the remote {look.clone.root} has no {ref}")
    return ref, identity


def _set(look: Look, ref: str, content: bytes) -> FileEdit:
    """Write to a ref of the remote, whether it has a file of its own or not."""
    path = look.clone.path(ref)
    if look.stat(path) is not None:
        return look.rewrite(path, content, guarded=True)
    recipe = Recipe(action="write", content=content)
    return FileEdit(path=path, recipe=recipe, before=None, like=look.fresh(look.clone.path("HEAD")), guarded=True)


def _victim(ref: str, **more: str) -> dict[str, str]:
    return {"ref": ref, "branch": ref.removeprefix("refs/heads/"), **more}


def _moved(look: Look, *, onto: Callable[[str, tuple[str, ...]], tuple[str, ...]], action: str) -> Scheme:
    """Let the worker's branch name a commit of somebody else's; ``onto`` gives its parents."""
    ref, tip = _branch(look)
    maker = Maker(look)
    tree, parents = commit_links(content_of(look.files, look.clone, tip), look.clone.algorithm)
    blob = maker.add("blob", f"written by somebody else, {look.injection}\n".encode())
    commit = maker.commit(maker.tree(tree, b"chaosd-peer.txt", blob), onto(tip, parents), "Somebody else's work")
    made: tuple[Edit, ...] = (*maker.edits.values(), _set(look, ref, f"{commit}\n".encode()))
    return Scheme(edits=made, action=f"{action} {ref}", victim=_victim(ref, commit=commit))


def _diverged(look: Look) -> Scheme:
    return _moved(look, onto=lambda tip, _: (tip,), action="push somebody else's commit to")


def _force_pushed(look: Look) -> Scheme:
    return _moved(look, onto=lambda tip, parents: parents[:1] or (tip,), action="force-push another history to")


def _unrelated(look: Look) -> Scheme:
    return _moved(look, onto=lambda _tip, _parents: (), action="push an unrelated history to")


def _rewound(look: Look) -> Scheme:
    ref, tip = _branch(look)
    parents = commit_links(content_of(look.files, look.clone, tip), look.clone.algorithm)[1]
    if not parents:
        raise TargetAbsentError(f"nothing was touched: {ref} of the remote has one commit")
    edit = _set(look, ref, f"{parents[0]}\n".encode())
    return Scheme(edits=(edit,), action=f"take the last commit off {ref}", victim=_victim(ref))


def _deleted(look: Look) -> Scheme:
    ref, _tip = _branch(look)
    path, packed = look.clone.path(ref), look.clone.path("packed-refs")
    made: list[Edit] = [look.delete(path, guarded=True)] if look.stat(path) is not None else []
    if packed_ref(look.files, look.clone, ref) is not None:
        lines = look.snapshot(packed).content.splitlines(keepends=True)
        line = next(x for x in lines if x.rstrip().endswith(f" {ref}".encode()))
        made.append(look.splice(packed, line, b"", guarded=True))
    return Scheme(edits=tuple(made), action=f"delete {ref}", victim=_victim(ref))


def _ref_empty(look: Look) -> Scheme:
    ref, _tip = _branch(look)
    return Scheme(edits=(_set(look, ref, b""),), action=f"empty {ref}", victim=_victim(ref))


def _ref_missing_object(look: Look) -> Scheme:
    ref, tip = _branch(look)
    nobody = look.dice.randbytes(len(tip) // 2).hex()
    return Scheme(
        edits=(_set(look, ref, f"{nobody}\n".encode()),),
        action=f"write an unknown id to {ref}",
        victim=_victim(ref),
    )


def _in_the_name(look: Look) -> Scheme:
    """Make a branch BRANCH-new/x, so that BRANCH-new cannot be pushed."""
    ref, tip = _branch(look)
    edit = look.create(look.clone.path(f"{ref}-new", "x"), f"{tip}\n".encode())
    return Scheme(edits=(edit,), action=f"make a branch {ref}-new/x", victim=_victim(ref))


def _gone(look: Look) -> Scheme:
    return Scheme(edits=(look.away(look.clone.root),), action="move the remote away, it was")


def _head(content: bytes, action: str) -> Callable[[Look], Scheme]:
    def scheme(look: Look) -> Scheme:
        return Scheme(edits=(look.rewrite(look.clone.path("HEAD"), content, guarded=True),), action=action)

    return scheme


def _object_missing(look: Look) -> Scheme:
    """Delete the loose object that the branch names; the remote no longer can give it to anybody."""
    ref, tip = _branch(look)
    path = look.clone.object_path(tip)
    if look.stat(path) is None:
        raise TargetAbsentError(f"nothing was touched: {tip} is not loose in {look.clone.root}")
    edit = look.delete(path, immutable=True)
    return Scheme(edits=(edit,), action=f"delete the commit {tip} of {ref}", victim=_victim(ref, object=tip))


def _chmod(name: str, mode: int) -> Callable[[Look], Scheme]:
    def scheme(look: Look) -> Scheme:
        return Scheme(edits=(look.chmod(look.clone.path(name), mode),), action=f"make {name} read-only")

    return scheme


def _owner(look: Look) -> Scheme:
    return Scheme(
        edits=(look.chown(look.clone.root, int(look.parameters.owner)),), action="give the remote to another user"
    )


def _config_garbage(look: Look) -> Scheme:
    edit = look.append(look.clone.path("config"), b"[[[garbage\n", guarded=True, merge="text")
    return Scheme(edits=(edit,), action="add garbage to the remote's config")


def _row(name: str, summary: str, fails: str, scheme: object, tells: str, **more: object) -> Entry:
    alike = {
        "repair": "retry later, or ask who runs the remote",
        "seen": "remote-broken",
        "often": "seen",
        "tells": tells,
        "remote": True,
    }
    return Entry(name=name, summary=summary, fails=fails, scheme=scheme, **{**alike, **more})  # type: ignore[arg-type]


_PUSH, _FETCH = "push origin HEAD", "fetch origin"
_PULL = "git fetch, then rebase or merge, then push again"

ENTRIES = (
    _row(
        "gone",
        "move the remote away; it is back afterwards",
        "fetch, pull and push fail: 'does not appear to be a git repository'",
        _gone,
        _FETCH,
        says="does not appear to be a git repository",
        seen="remote-gone",
        often="common",
    ),
    _row(
        "diverged",
        "push somebody else's commit to the branch that is checked out",
        "push is rejected: '(fetch first)'",
        _diverged,
        _PUSH,
        says="fetch first",
        seen="remote-moved",
        repair=_PULL,
        often="daily",
    ),
    _row(
        "force-pushed",
        "force-push another history to the branch",
        "push is rejected: '(fetch first)'; fetch says 'forced update'",
        _force_pushed,
        _FETCH,
        says="forced update",
        silent=True,
        seen="remote-moved",
        repair=_PULL,
        often="common",
    ),
    _row(
        "unrelated-history",
        "replace the branch by a history that has nothing in common",
        "push is rejected; pull dies with 'refusing to merge unrelated histories'",
        _unrelated,
        "pull --no-rebase origin thread-a",
        says="unrelated histories",
        seen="remote-moved",
        often="rare",
    ),
    _row(
        "rewound",
        "take the last commit off the branch",
        "nothing: the commit that was pushed is gone, until the next push",
        _rewound,
        "ls-remote origin",
        silent=True,
        seen="remote-moved",
        repair="git push again",
    ),
    _row(
        "branch-deleted",
        "delete the branch",
        "pull fails: 'couldn't find remote ref'; push makes it anew",
        _deleted,
        "fetch origin thread-a",
        says="couldn't find remote ref",
        seen="remote-moved",
        repair="git push again",
        often="common",
    ),
    _row(
        "ref-empty",
        "empty the branch's ref",
        "fetch and push of the branch fail",
        _ref_empty,
        "fetch origin thread-a",
    ),
    _row(
        "ref-missing-object",
        "let the branch name an object that does not exist",
        "fetch dies with 'not our ref', 'bad object' or 'did not receive expected object'",
        _ref_missing_object,
        _FETCH,
    ),
    _row(
        "name-taken",
        "make a branch below the name that a new branch would have",
        "push of that branch is rejected: 'directory file conflict' or 'failed to update ref'",
        _in_the_name,
        "push origin HEAD:{ref}-new",
        says="rejected",
        seen="remote-moved",
        often="rare",
    ),
    _row(
        "head-dangling",
        "point the remote's HEAD to a branch that is gone",
        "nothing: clone exits 0 with an empty work tree",
        _head(b"ref: refs/heads/gone\n", "point HEAD to a branch that is gone"),
        "clone ../remote.git asked",
        says="nonexistent ref",
        silent=True,
    ),
    _row(
        "head-garbage",
        "write garbage to the remote's HEAD",
        "fetch and push fail: 'does not appear to be a git repository'",
        _head(b"garbage\n", "write garbage to HEAD"),
        _FETCH,
        says="does not appear to be a git repository",
    ),
    _row(
        "object-missing",
        "delete the commit that the branch names",
        "clone and fetch of it die with 'bad object' or 'unable to read'",
        _object_missing,
        "clone ../remote.git asked",
        seen="remote-broken",
    ),
    _row(
        "objects-unwritable",
        "make the remote's objects read-only",
        "push is rejected: 'unable to create temporary object directory' or 'unpacker error'",
        _chmod("objects", 0o555),
        _PUSH,
        says="unpack",
        rights=True,
        seen="remote-rights",
    ),
    _row(
        "refs-unwritable",
        "make the remote's branches read-only",
        "push is rejected: 'failed to update ref'",
        _chmod("refs/heads", 0o555),
        _PUSH,
        says="failed",
        rights=True,
        seen="remote-rights",
    ),
    _row(
        "owner",
        "let the remote belong to another user",
        "fetch and push die with 'detected dubious ownership'",
        _owner,
        _FETCH,
        says="dubious ownership",
        rights=True,
        seen="remote-rights",
        often="common",
    ),
    _row(
        "config-garbage",
        "add garbage to the remote's configuration",
        "fetch and push die with 'bad config line'",
        _config_garbage,
        _FETCH,
        says="bad config line",
    ),
    _row(
        "pre-receive-reject",
        "a pre-receive hook that rejects every push",
        f"push is rejected: 'pre-receive hook declined', '{SAID}'",
        hook("pre-receive", FAIL, "install a pre-receive hook that rejects"),
        _PUSH,
        says="pre-receive hook declined",
        seen="remote-hook",
        often="daily",
    ),
    _row(
        "pre-receive-hang",
        "a pre-receive hook that hangs",
        "push hangs",
        hook("pre-receive", HANG, "install a pre-receive hook that hangs"),
        _PUSH,
        says="HANGS",
        seen="remote-hook",
        often="common",
    ),
    _row(
        "pre-receive-slow",
        "a pre-receive hook that takes three seconds",
        "push takes three seconds longer",
        hook("pre-receive", "sleep 3\necho slow >&2\n", "install a slow pre-receive hook"),
        _PUSH,
        says="slow",
        harmless=True,
        seen="remote-hook",
        often="daily",
    ),
    _row(
        "update-reject",
        "an update hook that rejects without a word",
        "push is rejected: 'hook declined'",
        hook("update", "exit 1\n", "install an update hook that rejects"),
        _PUSH,
        says="hook declined",
        seen="remote-hook",
    ),
    _row(
        "post-receive-fail",
        "a post-receive hook that fails: the push is done by then",
        "nothing but what the hook says",
        hook("post-receive", FAIL, "install a post-receive hook that fails"),
        _PUSH,
        says=SAID,
        harmless=True,
        seen="remote-hook",
    ),
    _row(
        "post-receive-rewind",
        "a post-receive hook that takes the push back",
        "nothing: push reports success, and nothing stays",
        hook(
            "post-receive",
            'while read old new ref; do git update-ref "$ref" "$old"; done\necho rewound >&2\n',
            "install a post-receive hook that takes the push back",
        ),
        _PUSH,
        says="rewound",
        silent=True,
        seen="remote-hook",
        often="rare",
    ),
    _row(
        "deny-all",
        "let the remote hide and refuse the branch",
        "push is rejected: 'deny updating a hidden ref'",
        added("[receive]\n\thideRefs = refs/heads\n", "hide every branch from pushes"),
        _PUSH,
        says="hidden ref",
        seen="remote-config",
    ),
    _row(
        "hide-refs",
        "let the remote hide its branches",
        "nothing: fetch and clone exit 0 and bring nothing",
        added("[transfer]\n\thideRefs = refs/heads\n", "hide every branch"),
        "ls-remote origin",
        silent=True,
        seen="remote-config",
        often="rare",
    ),
    _row(
        "size-limit",
        "let the remote refuse packs of more than ten bytes",
        "push is rejected: 'pack exceeds maximum allowed size'",
        added("[receive]\n\tmaxInputSize = 10\n", "refuse packs of more than ten bytes"),
        _PUSH,
        says="maximum allowed size",
        seen="remote-config",
    ),
    _row(
        "pack-missing",
        "move the remote's pack away",
        "fetch and clone die: 'remote did not send all necessary objects' or 'bad object'",
        packs.missing,
        "clone ../remote.git asked",
    ),  # noqa: SLF001  the same damage, elsewhere
    _row(
        "idx-missing",
        "move the index of the remote's pack away",
        "fetch and clone die: 'bad object'",
        packs.idx_missing,
        "clone ../remote.git asked",
    ),  # noqa: SLF001
    _row(
        "pack-bitflip",
        "flip one bit in the remote's pack",
        "clone dies with 'inflate: data stream error' or 'index-pack failed'",
        packs.bitflip,
        "clone --no-local ../remote.git asked",
        seen="remote-broken",
    ),  # noqa: SLF001
    _row(
        "objects-missing",
        "move all of the remote's objects away",
        "fetch and push fail: 'does not appear to be a git repository'",
        loose.gone,
        _FETCH,
        says="does not appear to be a git repository",
    ),  # noqa: SLF001
    *packs.REMOTE_ENTRIES,
    *network.ENTRIES,
)
_BY_NAME = {entry.name: entry for entry in ENTRIES}


@dataclass(frozen=True, slots=True, kw_only=True)
class GitRemote:
    """Disturbs the repository that is the clone's origin, when it is a local path, or the way to it."""

    name: ClassVar[str] = "git-remote"
    summary: ClassVar[str] = "let the remote be gone, ahead, refusing, hanging or broken, or the way to it"
    modes: ClassVar = modes(ENTRIES)
    touches: ClassVar[Resource] = Resource.REPOSITORY

    mode: str = parameter("diverged", "what happens to the remote", choices=tuple(_BY_NAME))
    object: str = parameter(
        "any", "what the pack modes choose: any, commit, tree, blob", choices=("any", "commit", "tree", "blob")
    )
    owner: int = parameter(65534, "the user id to whom the owner mode gives the remote", least=1)
    hold: float = parameter(900.0, "after how long what hangs ends by itself", unit="s", least=1)

    def prepare(self, order: Order, world: World) -> Undo:
        return prepare(self.name, _BY_NAME[self.mode], self, order, world)

    @classmethod
    def inject(cls, undo: Undo, world: World, stop: Flag) -> None:
        edits.apply(Record.load(undo.data), world, stop)

    @classmethod
    def revert(cls, undo: Undo, world: World) -> Reversion:
        return reversal.revert(Record.load(undo.data), world)
