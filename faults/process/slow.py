"""Slow the worker down: less processor time than it had."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from daemon.core.calls import NONE, Call
from daemon.core.errors import RefusedError
from daemon.core.model import Mode, Order, Outcome, Resource, Reversion, Undo
from daemon.core.parameters import parameter
from daemon.core.seams import Flag, Process, World
from faults.process import cages
from faults.process.pause import let_go_on
from faults.process.victims import Chosen, another_boot, going_on, named, read, written

_DONE = "nothing slowed"
_US = 1_000_000
_PERCENT = 100
_LEAST_US = 1000  # the kernel takes no shorter quota
LATER_S = 60.0  # a holder ends by itself so long after the fault should have been over


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSlow(Chosen):
    """Gives the processes that ``prepare`` chose a share of one processor, by one of two means.

    ``duty`` works everywhere: a process of ours stops and continues them in turn, until its time is over whatever
    becomes of chaosd. ``quota`` is the kernel's own limit, with their children in it, where control groups may be
    written.
    """

    name: ClassVar[str] = "process-slow"
    summary: ClassVar[str] = "Slows the worker: it gets only a share of the processor time"
    modes: ClassVar[tuple[Mode, ...]] = (
        Mode("duty", "stopped and continued in turn by a process of ours: no rights over control groups needed"),
        Mode("quota", "a processor quota of a control group, for it and all that descends from it"),
    )
    touches: ClassVar[Resource] = Resource.PROCESS
    calls: ClassVar[tuple[Call, ...]] = NONE

    mode: str = parameter("duty", "by which means", choices=("duty", "quota"))
    percent: float = parameter(
        10.0,
        "duty: share of the time in which it may run; quota: share of one processor (percent)",
        least=1,
        most=99,
    )
    period: float = parameter(0.1, "how often it gets its share", unit="s", least=0.01, most=1.0)

    def prepare(self, order: Order, world: World) -> Undo:
        """Choose victims and means; raises RefusedError where control groups cannot be used, or are shared.

        The same for a quota that is too short for the kernel.
        """
        bound = self._bound() if self.mode == "quota" else None
        victims = self.victims(order, world, _DONE)
        going_on(victims, world, _DONE)
        if bound is None:
            return self._duty(order, world, victims)
        planned = cages.plan(order, world, victims, bound, _DONE)
        return self._undo(victims, cages.said(planned), world, {"cages": planned})

    def _bound(self) -> cages.Bound:
        quota, period = round(self.period * _US * self.percent / _PERCENT), round(self.period * _US)
        if quota < _LEAST_US:
            raise RefusedError(
                f"{_DONE}: {self.percent:g} % of each {self.period:g} s is a quota of {quota} µs, and the kernel "
                f"takes none below {_LEAST_US} µs",
                rule="cgroup",
                hint=f"set period to {_LEAST_US * _PERCENT / _US / self.percent:.3g} s or more, or percent higher",
            )
        return cages.Bound(
            controller="cpu",
            files=("cpu.cfs_quota_us", "cpu.max"),
            value=lambda own: f"{quota}" if own.version == 1 else f"{quota} {period}",
            beside={"cpu.cfs_period_us": f"{period}"},
        )

    def _duty(self, order: Order, world: World, victims: Sequence[Process]) -> Undo:
        whom = [f"{one.pid}:{one.started_s:.2f}" for one in victims]
        hold = {
            "mark": order.injection,
            "arguments": [f"{self.percent / _PERCENT:g}", f"{self.period:g}", *whom],
            "seconds": order.lasts_s + LATER_S,
        }
        actions = [
            f"let process {one.pid} ({one.command}) run {self.percent:g} % of each {self.period:g} s"
            for one in victims
        ]
        return self._undo(victims, actions, world, {"holder": hold})

    def _undo(self, victims: Sequence[Process], actions: Sequence[str], world: World, data: dict[str, Any]) -> Undo:
        return Undo(
            fault=self.name,
            mode=self.mode,
            victim=named(victims),
            actions=tuple(actions),
            data={**data, "hit": written(victims), "boot": world.boot},
        )

    @classmethod
    def inject(cls, undo: Undo, world: World, stop: Flag) -> None:
        """Slow them; raises RefusedError when somebody stopped one, or changed its group, since ``prepare``."""
        if stop.is_set():
            return
        if undo.mode == "quota":
            cages.bind(undo.data["cages"], world, stop, _DONE)
            return
        hold = undo.data["holder"]
        going_on([one for one in read(undo.data["hit"]) if world.processes.alive(one)], world, _DONE)
        world.holders.start(hold["mark"], "duty", hold["arguments"], seconds=hold["seconds"])

    @classmethod
    def revert(cls, undo: Undo, world: World) -> Reversion:
        """End the holder and let its victims go on, or take the quota back; raises UndoFailedError."""
        other = another_boot(undo, world)
        if undo.mode == "quota":
            return other or cages.freed(undo.data["cages"], world)
        ended = world.holders.stop(undo.data["holder"]["mark"])
        if other is not None:
            return other
        states = let_go_on(read(undo.data["hit"]), world)
        detail = "" if ended else "the process of ours that slowed it was gone already, or never there"
        return Reversion(
            outcome=Outcome.RESTORED,
            proof={**states.proof, "holder": "ended" if ended else "gone"},
            detail=detail,
            idle=not ended,
        )
