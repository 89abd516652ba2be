"""Locks of refs, configuration and caches, in the clone and in the remote."""

from dataclasses import replace

from daemon.core.errors import TargetAbsentError
from faults.git.entry import Scheme
from faults.git.locks import REMOVE, named, row, stale
from faults.git.refs import other_branches
from faults.git.sight import Look


def _ref(look: Look) -> Scheme:
    return stale(look, look.branch())


def _other_ref(look: Look) -> Scheme:
    ref = other_branches(look)[0]
    scheme = stale(look, ref)
    return replace(scheme, victim={**scheme.victim, "branch": ref.removeprefix("refs/heads/")})


def _graph(look: Look) -> Scheme:
    if look.stat(look.clone.path("shallow")) is not None:
        raise TargetAbsentError(
            f"nothing was touched: {look.clone.root} is a shallow clone, of which git writes no commit-graph"
        )
    return stale(look, "objects/info/commit-graph")


def _tracking(look: Look) -> Scheme:
    return stale(look, f"refs/remotes/origin/{look.branch().removeprefix('refs/heads/')}")


def _shallow(look: Look) -> Scheme:
    if look.stat(look.clone.path("shallow")) is None:
        raise TargetAbsentError(f"nothing was touched: {look.clone.root} is no shallow clone")
    return stale(look, "shallow")


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
    return stale(look, name)


ENTRIES = (
    row(
        "ref-lock",
        "leave a stale lock of the checked-out branch's ref",
        "commit, reset, pull and stash die with 'cannot lock ref'; stash makes its entry all the same",
        _ref,
        "update-ref {locked} HEAD~1",
        says="File exists",
        often="common",
    ),
    row(
        "other-ref-lock",
        "leave a stale lock of another branch's ref",
        "branch -f, fetch into it and update-ref of that branch die with 'cannot lock ref'",
        _other_ref,
        "update-ref {locked} HEAD",
        says="File exists",
    ),
    row(
        "new-ref-lock",
        "leave a stale lock of a branch that is not made yet",
        "checkout -b of that name dies with 'cannot lock ref'",
        named("refs/heads/thread-new"),
        "branch thread-new",
        says="File exists",
    ),
    row(
        "head-lock",
        "leave a stale HEAD.lock",
        "commit, reset and checkout die with 'HEAD.lock: File exists'; checkout has switched files by then",
        named("HEAD"),
        "symbolic-ref HEAD refs/heads/main",
        says="HEAD.lock",
        repair=f"{REMOVE}; check that files and branch belong together",
        often="common",
    ),
    row(
        "packed-refs-lock",
        "leave a stale packed-refs.lock",
        "branch -d, pack-refs, gc and fetch --prune die with 'packed-refs.lock: File exists'",
        named("packed-refs"),
        "pack-refs --all",
        says="packed-refs.lock",
    ),
    row(
        "config-lock",
        "leave a stale config.lock",
        "config, remote and branch --set-upstream die with 'could not lock config file'",
        named("config"),
        "config user.name X",
        says="could not lock config file",
        often="common",
    ),
    row(
        "shallow-lock",
        "leave a stale shallow.lock in a shallow clone",
        "fetch dies with 'shallow.lock: File exists'",
        _shallow,
        "fetch --unshallow origin",
        says="shallow.lock",
        often="common",
    ),
    row(
        "stash-lock",
        "leave a stale lock of refs/stash",
        "stash push dies with 'cannot lock ref refs/stash'; drop and pop fail",
        named("refs/stash"),
        "stash store -m x stash@{{0}}",
        says="refs/stash",
    ),
    row(
        "tracking-lock",
        "leave a stale lock of the remote's branch",
        "fetch, pull and push say 'cannot lock ref'; push has arrived all the same",
        _tracking,
        "update-ref {locked} HEAD~1",
        says="File exists",
        often="common",
    ),
    row(
        "orig-head-lock",
        "leave a stale ORIG_HEAD.lock",
        "merge, pull, rebase and reset fail: 'ORIG_HEAD.lock: File exists'",
        named("ORIG_HEAD"),
        "update-ref ORIG_HEAD HEAD",
        says="ORIG_HEAD.lock",
    ),
    row(
        "log-lock",
        "leave a stale lock of HEAD's reflog",
        "reflog expire and stash drop say 'logs/HEAD.lock: File exists'",
        named("logs/HEAD"),
        "reflog delete HEAD@{{1}}",
        says="File exists",
    ),
    row(
        "graph-lock",
        "leave a stale lock of the commit-graph",
        "gc, fetch and maintenance say 'commit-graph.lock: File exists'",
        _graph,
        "commit-graph write --reachable",
        says="commit-graph.lock",
    ),
    row(
        "midx-lock",
        "leave a stale lock of the multi-pack-index",
        "nothing, until a pack is added: then repack and maintenance die",
        named("objects/pack/multi-pack-index"),
        "",
        harmless=True,
    ),
    row(
        "gc-pid",
        "leave a gc.pid that names a living process",
        "gc dies with 'gc is already running on machine'",
        _gc_pid,
        "gc",
        says="already running",
        repair="remove .git/gc.pid",
        seen="gc-stuck",
    ),
    row(
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
    row(
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
