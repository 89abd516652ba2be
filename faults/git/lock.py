"""Lock files that a crashed git leaves behind, or that a process at work holds."""

from dataclasses import dataclass
from typing import ClassVar

from daemon.core.calls import NONE, Call
from daemon.core.model import Order, Resource, Reversion, Undo
from daemon.core.parameters import parameter
from daemon.core.seams import Flag, World
from faults.git import edits, index_locks, other_locks, reversal
from faults.git.entry import modes, prepare
from faults.git.records import Record

ENTRIES = (
    *index_locks.ENTRIES,
    *other_locks.ENTRIES,
)
_BY_NAME = {entry.name: entry for entry in ENTRIES}


@dataclass(frozen=True, slots=True, kw_only=True)
class GitLock:
    """Creates a lock file as a killed git leaves it, never in place of one that is there."""

    name: ClassVar[str] = "git-lock"
    summary: ClassVar[str] = "leave a stale lock file in a clone, or let a process hold one"
    modes: ClassVar = modes(ENTRIES)
    touches: ClassVar[Resource] = Resource.REPOSITORY
    calls: ClassVar[tuple[Call, ...]] = NONE

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
