"""Lock files that a crashed git leaves behind, or that a process at work holds."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

from daemon.core.errors import RefusedError, TargetAbsentError
from daemon.core.model import Order, Resource, Reversion, Undo
from daemon.core.parameters import parameter
from daemon.core.seams import Flag, World
from faults.git import edits, reversal
from faults.git.entry import Entry, Scheme, modes, prepare
from faults.git.kinds import FileEdit, Hold, Recipe
from faults.git.records import Record
from faults.git.refs import other_branches
from faults.git.sight import Look

_DAY_NS = 86_400 * 10**9
_HALF = 2


def _lock(look: Look, name: str, content: bytes | None = None) -> FileEdit:
    """Create ``.git/NAME.lock``; git never reads what is in it, so it says whose it is."""
    path = look.clone.path(f"{name}.lock")
    if look.stat(path) is not None:
        raise RefusedError(
            f"not injecting: {look.clone.shown(path)} is already there in {look.clone.root}",
            rule="locked",
            hint="git is at work here, or died: see whether a git process still runs",
        )
    return look.create(path, look.mark if content is None else content)


def _scheme(look: Look, name: str) -> Scheme:
    return Scheme(
        edits=(_lock(look, name),), action=f"create the stale lock .git/{name}.lock", victim={"locked": name}
    )


def _named(name: str) -> Callable[[Look], Scheme]:
    return lambda look: _scheme(look, name)


def _ref(look: Look) -> Scheme:
    return _scheme(look, look.branch())


def _other_ref(look: Look) -> Scheme:
    ref = other_branches(look)[0]
    scheme = _scheme(look, ref)
    return replace(scheme, victim={**scheme.victim, "branch": ref.removeprefix("refs/heads/")})


def _tracking(look: Look) -> Scheme:
    return _scheme(look, f"refs/remotes/origin/{look.branch().removeprefix('refs/heads/')}")


def _shallow(look: Look) -> Scheme:
    if look.stat(look.clone.path("shallow")) is None:
        raise TargetAbsentError(f"nothing was touched: {look.clone.root} is no shallow clone")
    return _scheme(look, "shallow")


def _index_full(look: Look) -> Scheme:
    """Leave what a git has written that was killed before it renamed the lock into place."""
    edit = _lock(look, "index", look.snapshot(look.clone.path("index")).content)
    return Scheme(edits=(edit,), action="leave a complete index in .git/index.lock", victim={"locked": "index"})


def _index_half(look: Look) -> Scheme:
    content = look.snapshot(look.clone.path("index")).content
    edit = _lock(look, "index", content[: len(content) // _HALF])
    return Scheme(edits=(edit,), action="leave half an index in .git/index.lock", victim={"locked": "index"})


def _index_future(look: Look) -> Scheme:
    edit = _lock(look, "index")
    edit = replace(edit, like=replace(edit.like, mtime_ns=look.now_ns + _DAY_NS))
    return Scheme(edits=(edit,), action="leave an .git/index.lock from tomorrow", victim={"locked": "index"})


def _index_directory(look: Look) -> Scheme:
    path = look.clone.path("index.lock")
    if look.node(path) is not None:
        raise look.refused("index.lock is already there", "locked")
    edits = look.directory_instead(path)
    return Scheme(edits=edits, action="make .git/index.lock a directory", victim={"locked": "index"})


def _index_live(look: Look) -> Scheme:
    """Let a living process hold the lock: it has the file open, and ends by itself."""
    edit = _lock(look, "index")
    hold = Hold(
        path="holder", mark=look.injection, what="files", arguments=(edit.path,), seconds=look.parameters.hold
    )
    return Scheme(edits=(edit, hold), action="let a process hold .git/index.lock", victim={"locked": "index"})


def _stash_index(look: Look) -> Scheme:
    """Leave what a killed stash leaves: a lock of its own index, which nobody waits for."""
    edit = look.create(look.clone.path(f"index.stash.{look.dice.randrange(1000, 9999)}.lock"), look.mark)
    return Scheme(edits=(edit,), action=f"leave {look.clone.shown(edit.path)} of a killed stash")


def _gc_pid(look: Look) -> Scheme:
    """Name a living process of this host: git then believes that a gc is at work, for twelve hours."""
    host = look.files.read("/proc/sys/kernel/hostname").strip()
    edit = look.create(look.clone.path("gc.pid"), b"1 " + host)
    return Scheme(edits=(edit,), action="leave a .git/gc.pid that names a living process")


def _gc_log(look: Look) -> Scheme:
    edit = look.create(look.clone.path("gc.log"), b"error: chaosd says that the last gc failed\n")
    return Scheme(edits=(edit,), action="leave a .git/gc.log of a gc that failed")


def _remote_ref(look: Look) -> Scheme:
    """Lock, in the remote, the branch that the worker has checked out."""
    name = replace(look, clone=look.worker).branch()
    return _scheme(look, name)


_REMOVE = "remove the lock once no git process runs in the clone"


def _row(name: str, summary: str, fails: str, scheme: object, tells: str, **more: object) -> Entry:
    alike = {"repair": _REMOVE, "seen": "stale-lock", "often": "seen", "tells": tells}
    return Entry(name=name, summary=summary, fails=fails, scheme=scheme, **{**alike, **more})  # type: ignore[arg-type]


_INDEX = "add, commit, checkout, stash and reset die with 'Unable to create ... index.lock: File exists'"
_HELD = "index.lock': File exists"

ENTRIES = (
    _row(
        "index-lock",
        "leave a stale index.lock",
        _INDEX,
        _named("index"),
        "read-tree HEAD",
        says=_HELD,
        often="daily",
    ),
    _row(
        "index-lock-full",
        "leave a stale index.lock that holds a complete index",
        _INDEX,
        _index_full,
        "read-tree HEAD",
        says=_HELD,
        often="daily",
    ),
    _row(
        "index-lock-half",
        "leave a stale index.lock that holds half an index",
        _INDEX,
        _index_half,
        "read-tree HEAD",
        says=_HELD,
        often="daily",
    ),
    _row(
        "index-lock-future",
        "leave a stale index.lock whose time is tomorrow: cleaners that go by age leave it alone",
        _INDEX,
        _index_future,
        "read-tree HEAD",
        says=_HELD,
    ),
    _row(
        "index-lock-directory",
        "make index.lock a directory: rm -f does not remove it",
        _INDEX,
        _index_directory,
        "read-tree HEAD",
        says=_HELD,
        repair="rm -r .git/index.lock",
    ),
    _row(
        "index-lock-live",
        "let a living process hold index.lock",
        f"{_INDEX}; whoever removes the lock races with the process",
        _index_live,
        "read-tree HEAD",
        says=_HELD,
        repair="wait until the process ends",
        often="daily",
    ),
    _row(
        "ref-lock",
        "leave a stale lock of the checked-out branch's ref",
        "commit, reset, pull and stash die with 'cannot lock ref'; stash makes its entry all the same",
        _ref,
        "update-ref {locked} HEAD~1",
        says="File exists",
        often="common",
    ),
    _row(
        "other-ref-lock",
        "leave a stale lock of another branch's ref",
        "branch -f, fetch into it and update-ref of that branch die with 'cannot lock ref'",
        _other_ref,
        "update-ref {locked} HEAD",
        says="File exists",
    ),
    _row(
        "new-ref-lock",
        "leave a stale lock of a branch that is not made yet",
        "checkout -b of that name dies with 'cannot lock ref'",
        _named("refs/heads/thread-new"),
        "branch thread-new",
        says="File exists",
    ),
    _row(
        "head-lock",
        "leave a stale HEAD.lock",
        "commit, reset and checkout die with 'HEAD.lock: File exists'; checkout has switched files by then",
        _named("HEAD"),
        "symbolic-ref HEAD refs/heads/main",
        says="HEAD.lock",
        repair=f"{_REMOVE}; check that files and branch belong together",
        often="common",
    ),
    _row(
        "packed-refs-lock",
        "leave a stale packed-refs.lock",
        "branch -d, pack-refs, gc and fetch --prune die with 'packed-refs.lock: File exists'",
        _named("packed-refs"),
        "pack-refs --all",
        says="packed-refs.lock",
    ),
    _row(
        "config-lock",
        "leave a stale config.lock",
        "config, remote and branch --set-upstream die with 'could not lock config file'",
        _named("config"),
        "config user.name X",
        says="could not lock config file",
        often="common",
    ),
    _row(
        "shallow-lock",
        "leave a stale shallow.lock in a shallow clone",
        "fetch dies with 'shallow.lock: File exists'",
        _shallow,
        "fetch --unshallow origin",
        says="shallow.lock",
        often="common",
    ),
    _row(
        "stash-lock",
        "leave a stale lock of refs/stash",
        "stash push dies with 'cannot lock ref refs/stash'; drop and pop fail",
        _named("refs/stash"),
        "stash store -m x stash@{{0}}",
        says="refs/stash",
    ),
    _row(
        "stash-index-lock",
        "leave the lock of a killed stash's own index: git does not mind",
        "nothing",
        _stash_index,
        "",
        repair="delete the file",
        harmless=True,
        often="common",
    ),
    _row(
        "tracking-lock",
        "leave a stale lock of the remote's branch",
        "fetch, pull and push say 'cannot lock ref'; push has arrived all the same",
        _tracking,
        "update-ref {locked} HEAD~1",
        says="File exists",
        often="common",
    ),
    _row(
        "orig-head-lock",
        "leave a stale ORIG_HEAD.lock",
        "merge, pull, rebase and reset fail: 'ORIG_HEAD.lock: File exists'",
        _named("ORIG_HEAD"),
        "update-ref ORIG_HEAD HEAD",
        says="ORIG_HEAD.lock",
    ),
    _row(
        "log-lock",
        "leave a stale lock of HEAD's reflog",
        "reflog expire and stash drop say 'logs/HEAD.lock: File exists'",
        _named("logs/HEAD"),
        "reflog delete HEAD@{{1}}",
        says="File exists",
    ),
    _row(
        "graph-lock",
        "leave a stale lock of the commit-graph",
        "gc, fetch and maintenance say 'commit-graph.lock: File exists'",
        _named("objects/info/commit-graph"),
        "commit-graph write --reachable",
        says="commit-graph.lock",
    ),
    _row(
        "midx-lock",
        "leave a stale lock of the multi-pack-index",
        "nothing, until a pack is added: then repack and maintenance die",
        _named("objects/pack/multi-pack-index"),
        "",
        harmless=True,
    ),
    _row(
        "gc-pid",
        "leave a gc.pid that names a living process",
        "gc dies with 'gc is already running on machine'",
        _gc_pid,
        "gc",
        says="already running",
        repair="remove .git/gc.pid",
        seen="gc-stuck",
    ),
    _row(
        "gc-log",
        "leave a gc.log of a gc that failed: no gc runs by itself for a day",
        "gc --auto only repeats 'The last gc run reported the following'",
        _gc_log,
        "",
        repair="remove .git/gc.log",
        seen="gc-stuck",
        harmless=True,
        often="common",
    ),
    _row(
        "remote-ref-lock",
        "leave, in the remote, a stale lock of the branch that is checked out",
        "push says 'remote rejected', 'failed to update ref'",
        _remote_ref,
        "push origin HEAD",
        says="failed to update ref",
        repair="remove the lock in the remote",
        seen="remote-locked",
        remote=True,
    ),
)
_BY_NAME = {entry.name: entry for entry in ENTRIES}


@dataclass(frozen=True, slots=True, kw_only=True)
class GitLock:
    """Creates a lock file as a killed git leaves it, never in place of one that is there."""

    name: ClassVar[str] = "git-lock"
    summary: ClassVar[str] = "leave a stale lock file in a clone, or let a process hold one"
    modes: ClassVar = modes(ENTRIES)
    touches: ClassVar[Resource] = Resource.REPOSITORY

    mode: str = parameter("index-lock", "what is locked", choices=tuple(_BY_NAME))
    hold: float = parameter(900.0, "after how long a process that holds a lock ends by itself", unit="s", least=1)

    def prepare(self, order: Order, world: World) -> Undo:
        return prepare(self.name, _BY_NAME[self.mode], self, order, world)

    @classmethod
    def inject(cls, undo: Undo, world: World, stop: Flag) -> None:
        edits.apply(Record.load(undo.data), world, stop)

    @classmethod
    def revert(cls, undo: Undo, world: World) -> Reversion:
        return reversal.revert(Record.load(undo.data), world)
