"""Short of memory: taken by a process of ours, or denied to the worker by the kernel."""

from dataclasses import dataclass
from typing import Any, ClassVar

from daemon.core.calls import NONE, Call
from daemon.core.cgroups import Cgroup
from daemon.core.errors import RefusedError
from daemon.core.model import Mode, Order, Outcome, Resource, Reversion, Undo
from daemon.core.parameters import parameter
from daemon.core.seams import Flag, World
from faults.process import cages
from faults.process.slow import LATER_S
from faults.process.victims import Chosen, another_boot, named

_DONE = "no memory taken"
_MIB = 1 << 20
_PAGE = 4096
_PERCENT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryPressure(Chosen):
    """Makes memory scarce for the worker, never below a floor.

    ``hog``: a process of ours touches memory and keeps it, the first that the kernel kills when there is none, and
    gives back what the floor needs. It is in chaosd's own control group: where that has a limit of its own (a
    container), only that group feels it. ``limit``: the kernel's limit on the worker's group, little above what it
    uses now; asking for more ends in the out-of-memory killer, and revert does not bring back who was killed.
    """

    name: ClassVar[str] = "memory-pressure"
    summary: ClassVar[str] = "Makes memory scarce: a process of ours takes it, or the worker's group gets a limit"
    modes: ClassVar[tuple[Mode, ...]] = (
        Mode("hog", "a process of ours takes memory, down to a stated amount that stays free"),
        Mode("limit", "a memory limit of a control group, so much above what the worker uses now"),
    )
    touches: ClassVar[Resource] = Resource.PROCESS
    calls: ClassVar[tuple[Call, ...]] = NONE

    mode: str = parameter("hog", "by which means", choices=("hog", "limit"))
    take: int = parameter(0, "hog: how much it takes; 0: all but what is to stay free", unit="MiB", least=0)
    leave: int = parameter(512, "hog: how much stays free at least", unit="MiB", least=1)
    floor: int = parameter(256, "hog: never less than that stays free, whatever is asked", unit="MiB", least=64)
    floor_percent: float = parameter(5.0, "hog: nor less than this share of all memory (percent)", least=1, most=90)
    headroom: int = parameter(64, "limit: how much more the worker may use than now", unit="MiB", least=1)

    def prepare(self, order: Order, world: World) -> Undo:
        """Choose victims and amount; raises RefusedError where the floor or the control groups forbid it."""
        victims = self.victims(order, world, _DONE)
        if self.mode == "hog":
            actions, data = self._hog(order, world)
        else:
            planned = cages.plan(order, world, victims, self._bound(world), _DONE)
            actions, data = cages.said(planned), {"cages": planned}
        return Undo(
            fault=self.name,
            mode=self.mode,
            victim=named(victims),
            actions=tuple(actions),
            data={**data, "boot": world.boot},
        )

    def _bound(self, world: World) -> cages.Bound:
        def most(own: Cgroup) -> str:
            # Version 1 leaves what is used already with the group it was asked for in; version 2 sets the whole.
            used = 0 if own.version == 1 else int(world.cgroups.read(own.path, "memory.current") or 0)
            return str((used + self.headroom * _MIB) // _PAGE * _PAGE)  # the kernel counts in pages

        return cages.Bound(controller="memory", files=("memory.limit_in_bytes", "memory.max"), value=most)

    def _hog(self, order: Order, world: World) -> tuple[list[str], dict[str, Any]]:
        memory = world.cgroups.memory()
        floor = max(self.floor * _MIB, int(memory.total_bytes * self.floor_percent / _PERCENT))
        stays = max(self.leave * _MIB, floor)
        room = memory.free_bytes - stays
        take = self.take * _MIB or room
        if take > room or room < _MIB:
            raise RefusedError(
                f"{_DONE}: {memory.free_bytes // _MIB} MiB are free and {stays // _MIB} MiB must stay free "
                f"(leave {self.leave} MiB, floor {floor // _MIB} MiB): no room to take "
                f"{max(take, _MIB) // _MIB} MiB",
                rule="floor",
                hint="take less, or lower leave, floor and floor_percent",
            )
        hold = {
            "mark": order.injection,
            "arguments": [str(take), str(stays), str(floor), *memory.groups],
            "seconds": order.lasts_s + LATER_S,
        }
        said = f"take {take // _MIB} MiB of memory with a process of ours, so that {stays // _MIB} MiB stay free"
        return [said], {"holder": hold}

    @classmethod
    def inject(cls, undo: Undo, world: World, stop: Flag) -> None:
        """Take the memory, or set the limit; the hog goes on taking when there is much to take."""
        if stop.is_set():
            return
        if undo.mode == "limit":
            cages.bind(undo.data["cages"], world, stop, _DONE)
            return
        hold = undo.data["holder"]
        world.holders.start(hold["mark"], "memory", hold["arguments"], seconds=hold["seconds"])

    @classmethod
    def revert(cls, undo: Undo, world: World) -> Reversion:
        """End the hog, or take the limit back; raises UndoFailedError."""
        if undo.mode == "limit":
            return another_boot(undo, world) or cages.freed(undo.data["cages"], world)
        ended = world.holders.stop(undo.data["holder"]["mark"])
        free = world.cgroups.memory().free_bytes // _MIB
        detail = "" if ended else "the process that took it was gone already: killed for memory, or never there"
        return Reversion(
            outcome=Outcome.RESTORED,
            proof={"holder": "ended" if ended else "gone", "free_mib": free},
            detail=detail,
            idle=not ended,
        )
