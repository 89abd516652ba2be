"""Lock files that a crashed git leaves behind."""

from dataclasses import dataclass
from typing import ClassVar

from daemon.core.calls import NONE, Call
from daemon.core.errors import RefusedError
from daemon.core.model import Order, Resource, Reversion, Undo
from daemon.core.parameters import parameter
from daemon.core.seams import Flag, World
from faults.git import edits, reversal
from faults.git.corrupt import current_branch
from faults.git.entry import Change, Entry, Look, Scheme, modes, prepare
from faults.git.records import Recipe, Record


def _lock_scheme(look: Look, name: str) -> Scheme:
    """Create ``.git/NAME.lock``; git never reads what is in it, so it says whose it is."""
    path = look.clone.path(f"{name}.lock")
    if look.stat(path) is not None:
        raise RefusedError(
            f"not injecting: .git/{name}.lock is already there in {look.clone.root}",
            rule="locked",
            hint="git is at work here, or died: see whether a git process still runs",
        )
    recipe = Recipe(action="write", content=look.mark)
    change = Change(path=path, recipe=recipe, before=None, like=look.fresh(look.clone.path("HEAD")))
    return Scheme(changes=(change,), action=f"create the stale lock .git/{name}.lock", victim={"locked": name})


def _ref_lock(look: Look) -> Scheme:
    return _lock_scheme(look, current_branch(look))


ENTRIES = (
    Entry(
        name="index-lock",
        summary="leave a stale index.lock",
        fails="add, commit, checkout, stash and reset die with 'Unable to create ... index.lock: File exists'",
        repair="remove the lock once no git process runs in the clone",
        fsck=False,
        scheme=lambda look: _lock_scheme(look, "index"),
    ),
    Entry(
        name="ref-lock",
        summary="leave a stale lock of the checked-out branch's ref",
        fails="commit, reset, pull and stash die with 'cannot lock ref'; stash makes its entry all the same",
        repair="remove the lock once no git process runs in the clone",
        fsck=False,
        scheme=_ref_lock,
    ),
    Entry(
        name="head-lock",
        summary="leave a stale HEAD.lock",
        fails="commit, reset and checkout die with 'HEAD.lock: File exists'; checkout has switched files by then",
        repair="remove the lock once no git process runs in the clone; check that files and branch belong together",
        fsck=False,
        scheme=lambda look: _lock_scheme(look, "HEAD"),
    ),
)
_BY_NAME = {entry.name: entry for entry in ENTRIES}


@dataclass(frozen=True, slots=True, kw_only=True)
class GitLock:
    """Creates a lock file as a killed git leaves it, never in place of one that is there."""

    name: ClassVar[str] = "git-lock"
    summary: ClassVar[str] = "leave a stale lock file in a clone"
    modes: ClassVar = modes(ENTRIES)
    touches: ClassVar[Resource] = Resource.REPOSITORY
    calls: ClassVar[tuple[Call, ...]] = NONE

    mode: str = parameter("index-lock", "what is locked", choices=tuple(_BY_NAME))

    def prepare(self, order: Order, world: World) -> Undo:
        return prepare(self.name, _BY_NAME[self.mode], self, order, world)

    @classmethod
    def inject(cls, undo: Undo, world: World, stop: Flag) -> None:
        edits.apply(Record.load(undo.data), world, stop)

    @classmethod
    def revert(cls, undo: Undo, world: World) -> Reversion:
        return reversal.revert(Record.load(undo.data), world)
