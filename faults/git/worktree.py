"""What happens to a work tree: files in the way, lost, emptied or odd; rights and owners; a full disk."""

from dataclasses import dataclass
from typing import ClassVar

from daemon.core.calls import NONE, Call
from daemon.core.model import Order, Resource, Reversion, Undo
from daemon.core.parameters import parameter
from daemon.core.seams import Flag, World
from faults.git import edits, losses, obstacles, oddities, ownership, reversal
from faults.git.entry import modes, prepare
from faults.git.records import Record

ENTRIES = (
    *obstacles.ENTRIES,
    *losses.ENTRIES,
    *oddities.ENTRIES,
    *ownership.ENTRIES,
)
_BY_NAME = {entry.name: entry for entry in ENTRIES}


@dataclass(frozen=True, slots=True, kw_only=True)
class GitWorktree:
    """Disturbs the files beside ``.git``, who may use them, and the room for them."""

    name: ClassVar[str] = "git-worktree"
    summary: ClassVar[str] = "put files in the way, lose, change or lock them; take rights, owner or room away"
    modes: ClassVar = modes(ENTRIES)
    touches: ClassVar[Resource] = Resource.REPOSITORY
    calls: ClassVar[tuple[Call, ...]] = NONE

    mode: str = parameter("untracked-in-the-way", "what happens to the work tree", choices=tuple(_BY_NAME))
    owner: int = parameter(65534, "the user id to whom the owner modes give files", least=1)
    room: float = parameter(1024.0, "size in MiB up to which a file system may be filled", least=1)

    def prepare(self, order: Order, world: World) -> Undo:
        return prepare(self.name, _BY_NAME[self.mode], self, order, world)

    @classmethod
    def inject(cls, undo: Undo, world: World, stop: Flag) -> None:
        edits.apply(Record.load(undo.data), world, stop)

    @classmethod
    def revert(cls, undo: Undo, world: World) -> Reversion:
        return reversal.revert(Record.load(undo.data), world)
