"""Interrupt the worker with a signal, as a person, a supervisor or a spot reclaim would."""

import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from daemon.core.calls import NONE, Call
from daemon.core.model import Mode, Order, Resource, Reversion, Undo
from daemon.core.parameters import parameter
from daemon.core.seams import Flag, Process, World
from faults.process.signalling import STEP_S, come_back, noted, strike, struck
from faults.process.victims import Chosen, named, short, units

_FIRST = {
    "sigint": signal.SIGINT,
    "sigterm": signal.SIGTERM,
    "sigkill": signal.SIGKILL,
    "spot-reclaim": signal.SIGTERM,
}
_DONE = "nothing signalled"
GRACE_MOST_S = 3600.0  # longer than any stopTimeout; what is outstanding is waited for as long at a stop


@dataclass(frozen=True, slots=True, kw_only=True)
class InterruptSignal(Chosen):
    """Signals exactly the processes that ``prepare`` chose, by pid and start time.

    A signal cannot be taken back: revert waits until as many matching processes run as before, at most the
    target's ``limits.recover``. ``grace`` is what a container gets: ECS sends SIGTERM, waits the container's
    ``stopTimeout`` (Fargate: at most 120 s, the length of a spot notice) and sends SIGKILL.
    """

    name: ClassVar[str] = "interrupt-signal"
    summary: ClassVar[str] = (
        "Interrupts the worker with SIGINT, SIGTERM, SIGKILL, or a spot reclaim's SIGTERM then SIGKILL"
    )
    modes: ClassVar[tuple[Mode, ...]] = (
        Mode("sigint", "SIGINT, as Ctrl-C sends it"),
        Mode("sigterm", "SIGTERM, as a supervisor sends it to stop a service"),
        Mode("sigkill", "SIGKILL, as the OOM killer sends it: nothing can be tidied up"),
        Mode("spot-reclaim", "SIGTERM, then SIGKILL to whatever still lives after the grace time"),
    )
    touches: ClassVar[Resource] = Resource.PROCESS
    calls: ClassVar[tuple[Call, ...]] = NONE

    mode: str = parameter("sigterm", "which signals", choices=tuple(_FIRST))
    scope: str = parameter("process", "the process alone, or its whole process group", choices=("process", "group"))
    grace: float = parameter(120.0, "spot-reclaim: time between SIGTERM and SIGKILL", unit="s", most=GRACE_MOST_S)

    def prepare(self, order: Order, world: World) -> Undo:
        """Choose the victims; raises TargetAbsentError when none runs, RefusedError when they may not be hit."""
        find = self.where(order.target, _DONE)
        running = world.processes.find(**find)
        victims = self.among(running, order, _DONE)
        grouped = self.scope == "group"
        for victim in victims:
            world.processes.signal(victim, 0, group=grouped)  # 0 sends nothing and makes only the checks
        hit = units(victims, self.scope, world)
        first = _FIRST[self.mode].name
        return Undo(
            fault=self.name,
            mode=self.mode,
            victim=named(victims, (one for unit in hit for one in unit)),
            actions=self._actions(hit, first),
            data={
                **noted(hit, running, find),
                "grouped": grouped,
                "first": first,
                "boot": world.boot,
                "kill_after_s": self.grace if self.mode == "spot-reclaim" else None,
            },
            wait_s=order.target.limits.recover_s,
            takes_s=self.grace if self.mode == "spot-reclaim" else 0.0,
            restores=False,
        )

    @classmethod
    def inject(cls, undo: Undo, world: World, stop: Flag) -> None:
        """Send the signals; returns early when all victims are gone. Stopped in the grace time: no SIGKILL."""
        if stop.is_set():
            return
        strike(undo, world, signal.Signals[undo.data["first"]])
        if undo.data["kill_after_s"] is None:
            return
        clock, hit = world.clock, struck(undo)
        deadline_s = clock.instant().mono_s + undo.data["kill_after_s"]
        while any(world.processes.alive(p) for p in hit):
            left_s = deadline_s - clock.instant().mono_s
            if left_s <= 0:
                strike(undo, world, signal.SIGKILL)
                return
            if clock.wait(stop, min(STEP_S, left_s)):
                return

    @classmethod
    def revert(cls, undo: Undo, world: World) -> Reversion:
        """Wait until as many matching processes run as before; raises UndoFailedError when they do not come."""
        return come_back(undo, world)

    def _actions(self, hit: Sequence[Sequence[Process]], first: str) -> tuple[str, ...]:
        kill = f", and SIGKILL {self.grace:g} s later if it still lives" if self.mode == "spot-reclaim" else ""
        whom = "process group {0.group} of process {0.pid}" if self.scope == "group" else "process {0.pid}"
        return tuple(f"send {first} to {whom.format(u[0])} ({short(u[0]).command}){kill}" for u in hit)
