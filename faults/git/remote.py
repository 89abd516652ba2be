"""What happens to the remote, the local repository that is ``origin``, and on the way to it."""

from dataclasses import dataclass
from typing import ClassVar

from daemon.core.calls import NONE, Call
from daemon.core.model import Order, Resource, Reversion, Undo
from daemon.core.parameters import parameter
from daemon.core.seams import Flag, World
from faults.git import edits, network, remote_hooks, remote_parts, remote_refs, reversal
from faults.git.entry import modes, prepare
from faults.git.records import Record

ENTRIES = (
    *remote_refs.ENTRIES,
    *remote_parts.ENTRIES,
    *remote_hooks.ENTRIES,
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
    calls: ClassVar[tuple[Call, ...]] = NONE

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
