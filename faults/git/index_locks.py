"""Locks of the index."""

from dataclasses import replace

from faults.git.entry import Scheme
from faults.git.kinds import Hold
from faults.git.locks import lock, named, row
from faults.git.sight import Look

_DAY_NS = 86_400 * 10**9


_HALF = 2


def _index_full(look: Look) -> Scheme:
    """Leave what a git has written that was killed before it renamed the lock into place."""
    edit = lock(look, "index", look.snapshot(look.clone.path("index")).content)
    return Scheme(edits=(edit,), action="leave a complete index in .git/index.lock", victim={"locked": "index"})


def _index_half(look: Look) -> Scheme:
    content = look.snapshot(look.clone.path("index")).content
    edit = lock(look, "index", content[: len(content) // _HALF])
    return Scheme(edits=(edit,), action="leave half an index in .git/index.lock", victim={"locked": "index"})


def _index_future(look: Look) -> Scheme:
    edit = lock(look, "index")
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
    edit = lock(look, "index")
    hold = Hold(
        path="holder", mark=look.injection, what="files", arguments=(edit.path,), seconds=look.parameters.hold
    )
    return Scheme(edits=(edit, hold), action="let a process hold .git/index.lock", victim={"locked": "index"})


def _stash_index(look: Look) -> Scheme:
    """Leave what a killed stash leaves: a lock of its own index, which nobody waits for."""
    edit = look.create(look.clone.path(f"index.stash.{look.dice.randrange(1000, 9999)}.lock"), look.mark)
    return Scheme(edits=(edit,), action=f"leave {look.clone.shown(edit.path)} of a killed stash")


_INDEX = "add, commit, checkout, stash and reset die with 'Unable to create ... index.lock: File exists'"


_HELD = "index.lock': File exists"


ENTRIES = (
    row(
        "index-lock",
        "leave a stale index.lock",
        _INDEX,
        named("index"),
        "read-tree HEAD",
        says=_HELD,
        often="daily",
    ),
    row(
        "index-lock-full",
        "leave a stale index.lock that holds a complete index",
        _INDEX,
        _index_full,
        "read-tree HEAD",
        says=_HELD,
        often="daily",
    ),
    row(
        "index-lock-half",
        "leave a stale index.lock that holds half an index",
        _INDEX,
        _index_half,
        "read-tree HEAD",
        says=_HELD,
        often="daily",
    ),
    row(
        "index-lock-future",
        "leave a stale index.lock whose time is tomorrow: cleaners that go by age leave it alone",
        _INDEX,
        _index_future,
        "read-tree HEAD",
        says=_HELD,
    ),
    row(
        "index-lock-directory",
        "make index.lock a directory: rm -f does not remove it",
        _INDEX,
        _index_directory,
        "read-tree HEAD",
        says=_HELD,
        repair="rm -r .git/index.lock",
    ),
    row(
        "index-lock-live",
        "let a living process hold index.lock",
        f"{_INDEX}; whoever removes the lock races with the process",
        _index_live,
        "read-tree HEAD",
        says=_HELD,
        repair="wait until the process ends",
        often="daily",
    ),
    row(
        "stash-index-lock",
        "leave the lock of a killed stash's own index: git does not mind",
        "nothing",
        _stash_index,
        "",
        repair="delete the file",
        harmless=True,
        often="common",
    ),
)
