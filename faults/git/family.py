"""What the families of git faults have in common: a table of modes, and how a mode is struck and taken back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from daemon.core.calls import NONE, Call
from daemon.core.model import Order, Resource, Reversion, Undo
from daemon.core.seams import Flag, World
from faults.git import edits, reversal
from faults.git.entry import Entry, prepare
from faults.git.records import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A family names itself and its entries; its modes' own parameters are its fields."""

    name: ClassVar[str]
    entries: ClassVar[Mapping[str, Entry]]
    touches: ClassVar[Resource] = Resource.REPOSITORY
    calls: ClassVar[tuple[Call, ...]] = NONE

    mode: str

    def prepare(self, order: Order, world: World) -> Undo:
        return prepare(self.name, self.entries[self.mode], self, order, world)

    @classmethod
    def inject(cls, undo: Undo, world: World, stop: Flag) -> None:
        edits.apply(Record.load(undo.data), world, stop)

    @classmethod
    def revert(cls, undo: Undo, world: World) -> Reversion:
        return reversal.revert(Record.load(undo.data), world)
