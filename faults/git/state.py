"""States in which a clone is found: operations not ended, HEAD on no branch, unfinished work."""

from dataclasses import dataclass
from typing import ClassVar

from daemon.core.calls import NONE, Call
from daemon.core.model import Order, Resource, Reversion, Undo
from daemon.core.parameters import parameter
from daemon.core.seams import Flag, World
from faults.git import conflicts, edits, reversal, stalled, unfinished
from faults.git.entry import modes, prepare
from faults.git.records import Record

ENTRIES = (
    *conflicts.ENTRIES,
    *unfinished.ENTRIES,
    *stalled.ENTRIES,
)
_BY_NAME = {entry.name: entry for entry in ENTRIES}


@dataclass(frozen=True, slots=True, kw_only=True)
class GitState:
    """Leaves a clone in the middle of something, by writing the files that git would have written."""

    name: ClassVar[str] = "git-state"
    summary: ClassVar[str] = (
        "leave a merge, rebase, pick, revert or bisect unfinished, HEAD detached, or work undone"
    )
    modes: ClassVar = modes(ENTRIES)
    touches: ClassVar[Resource] = Resource.REPOSITORY
    calls: ClassVar[tuple[Call, ...]] = NONE

    mode: str = parameter("merge-conflict", "the state in which the clone is left", choices=tuple(_BY_NAME))

    def prepare(self, order: Order, world: World) -> Undo:
        return prepare(self.name, _BY_NAME[self.mode], self, order, world)

    @classmethod
    def inject(cls, undo: Undo, world: World, stop: Flag) -> None:
        edits.apply(Record.load(undo.data), world, stop)

    @classmethod
    def revert(cls, undo: Undo, world: World) -> Reversion:
        return reversal.revert(Record.load(undo.data), world)
