"""A slow disk for the worker, where the kernel can make it so."""

from dataclasses import dataclass
from typing import ClassVar

from daemon.core.calls import NONE, Call
from daemon.core.errors import TargetAbsentError
from daemon.core.model import Mode, Order, Resource, Reversion, Undo
from daemon.core.parameters import parameter, victim_parameter
from daemon.core.seams import Flag, World
from faults.process import cages
from faults.process.victims import Chosen, another_boot, named

_DONE = "no disk slowed"
_KIB = 1024
_V1 = {"write": "blkio.throttle.write_bps_device", "read": "blkio.throttle.read_bps_device"}
_V2 = {"write": "rbps=max wbps={0} riops=max wiops=max", "read": "rbps={0} wbps=max riops=max wiops=max"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskSlow(Chosen):
    """Lets the worker read or write only so many bytes a second of one disk: the kernel's throttle on its group.

    Version 1 of control groups throttles what waits for the disk: reads that the cache does not have, direct and
    synchronous writes; version 2 also what is written back later. Elsewhere than on a disk of this machine with
    such a group there is no honest way, and it is refused.
    """

    name: ClassVar[str] = "disk-slow"
    summary: ClassVar[str] = "Throttles the worker's disk to so many bytes a second, where control groups allow it"
    modes: ClassVar[tuple[Mode, ...]] = (
        Mode("write", "its writes are throttled"),
        Mode("read", "its reads are throttled, those that the cache does not have"),
    )
    touches: ClassVar[Resource] = Resource.DISK
    calls: ClassVar[tuple[Call, ...]] = NONE

    mode: str = parameter("write", "what is throttled", choices=tuple(_V1))
    path: str | None = victim_parameter(None, "a path on the disk; default: the target's disk")
    rate: int = parameter(64, "how much a second", unit="KiB/s", least=4)

    def prepare(self, order: Order, world: World) -> Undo:
        """Choose disk and processes; raises RefusedError where there is no such throttle."""
        path = self.path or (order.target.disk.path if order.target.disk else None)
        if not path:
            raise TargetAbsentError(
                f"{_DONE}: target {order.target.name} does not say which disk is its own",
                hint="add disk: {path: DIRECTORY} to the target, or set path",
            )
        victims = self.victims(order, world, _DONE)
        device = world.cgroups.device(path)
        planned = cages.plan(order, world, victims, self._bound(device), _DONE)
        return Undo(
            fault=self.name,
            mode=self.mode,
            victim={**named(victims), "device": device},
            actions=tuple(cages.said(planned)),
            data={"cages": planned, "boot": world.boot},
        )

    def _bound(self, device: str) -> cages.Bound:
        rate = self.rate * _KIB
        lines = f"{device} {rate}", f"{device} {_V2[self.mode].format(rate)}"
        return cages.Bound(
            controller="io",
            files=(_V1[self.mode], "io.max"),
            value=lambda own: lines[own.version - 1],
            key=device,
            unbound=f"{device} {_V2['write'].format('max')}",
        )

    @classmethod
    def inject(cls, undo: Undo, world: World, stop: Flag) -> None:
        if not stop.is_set():
            cages.bind(undo.data["cages"], world, stop, _DONE)

    @classmethod
    def revert(cls, undo: Undo, world: World) -> Reversion:
        """Take the throttle back; raises UndoFailedError."""
        return another_boot(undo, world) or cages.freed(undo.data["cages"], world)
