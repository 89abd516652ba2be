"""Interrupt the worker with a signal, as a person, a supervisor or a spot reclaim would."""

import signal
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from random import Random
from typing import Any, ClassVar

from daemon.core.calls import NONE, Call
from daemon.core.errors import TargetAbsentError, UndoFailedError
from daemon.core.model import Mode, Order, Outcome, Processes, Resource, Reversion, Target, Undo
from daemon.core.parameters import parameter
from daemon.core.seams import Flag, Process, World

_FIRST = {"sigint": signal.SIGINT, "sigterm": signal.SIGTERM, "spot-reclaim": signal.SIGTERM}
_STEP_S = 0.1
_SETTLE_S = 1.0  # whoever has no handler dies of the signal well within this; until then "it lives" means nothing
_COMMAND_MOST = 200  # characters of a command line worth keeping in the journal


@dataclass(frozen=True, slots=True, kw_only=True)
class InterruptSignal:
    """Signals exactly the processes that ``prepare`` chose, by pid and start time.

    A signal cannot be taken back: revert waits until as many matching processes run as before, at most the
    target's ``limits.recover``. ``grace`` is what a container gets: ECS sends SIGTERM, waits the container's
    ``stopTimeout`` (Fargate: at most 120 s, the length of a spot notice) and sends SIGKILL.
    """

    name: ClassVar[str] = "interrupt-signal"
    summary: ClassVar[str] = "Interrupts the worker with SIGINT, SIGTERM, or a spot reclaim's SIGTERM then SIGKILL"
    modes: ClassVar[tuple[Mode, ...]] = (
        Mode("sigint", "SIGINT, as Ctrl-C sends it"),
        Mode("sigterm", "SIGTERM, as a supervisor sends it to stop a service"),
        Mode("spot-reclaim", "SIGTERM, then SIGKILL to whatever still lives after the grace time"),
    )
    touches: ClassVar[Resource] = Resource.PROCESS
    calls: ClassVar[tuple[Call, ...]] = NONE

    mode: str = parameter("sigterm", "which signals", choices=tuple(_FIRST))
    scope: str = parameter("process", "the process alone, or its whole process group", choices=("process", "group"))
    match: str | None = parameter(None, "part of the victim's command line; default: the target's processes")
    pid_file: str | None = parameter(None, "file with the victim's pid; default: the target's processes")
    port: int = parameter(0, "TCP port the victim listens on; 0: the target's processes", least=0, most=65535)
    pick: str = parameter("oldest", "which of several candidates", choices=("oldest", "newest", "random", "all"))
    grace: float = parameter(120.0, "spot-reclaim: time between SIGTERM and SIGKILL", unit="s")

    def prepare(self, order: Order, world: World) -> Undo:
        """Choose the victims; raises TargetAbsentError when none runs, RefusedError when they may not be hit."""
        find = self._find(order.target)
        running = world.processes.find(**find)
        victims = self._pick(running, order.dice)
        if not victims:
            raise TargetAbsentError(
                f"nothing signalled: no process of target {order.target.name} runs with {_said(find)}",
                hint="check match, pid_file and port against `ps`; a stale pid file finds nothing",
            )
        grouped = self.scope == "group"
        for victim in victims:
            world.processes.signal(victim, 0, group=grouped)  # 0 sends nothing and makes only the checks
        units = _groups(victims, world.processes.find()) if grouped else [[v] for v in victims]
        first = _FIRST[self.mode].name
        return Undo(
            fault=self.name,
            mode=self.mode,
            victim={"pids": [v.pid for v in victims], "command": _short(victims[0]).command},
            actions=self._actions(units, first),
            data={
                "find": find,
                "grouped": grouped,
                "units": [[asdict(_short(p)) for p in unit] for unit in units],
                "running": [asdict(_short(p)) for p in running],
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
        _strike(undo, world, signal.Signals[undo.data["first"]])
        if undo.data["kill_after_s"] is None:
            return
        clock, struck = world.clock, _struck(undo)
        deadline_s = clock.instant().mono_s + undo.data["kill_after_s"]
        while any(world.processes.alive(p) for p in struck):
            left_s = deadline_s - clock.instant().mono_s
            if left_s <= 0:
                _strike(undo, world, signal.SIGKILL)
                return
            if clock.wait(stop, min(_STEP_S, left_s)):
                return

    @classmethod
    def revert(cls, undo: Undo, world: World) -> Reversion:
        """Wait until as many matching processes run as before; raises UndoFailedError when they do not come.

        Victims that live count: they handled the signal, still drain, or never got it (which cannot be told).
        """
        if _another_boot(undo, world):
            gone = "the machine was started anew since: no process of before runs, and what runs now is not ours"
            return Reversion(outcome=Outcome.SUPERSEDED, detail=gone)
        clock, before = world.clock, len(undo.data["running"])
        began_s = clock.instant().mono_s
        while True:
            running = world.processes.find(**undo.data["find"])
            living = [p for p in _struck(undo) if world.processes.alive(p)]
            passed_s = clock.instant().mono_s - began_s
            if len(running) >= before and (not living or passed_s >= _SETTLE_S):
                return _proved(undo, running, living)
            if passed_s >= max(undo.wait_s, _SETTLE_S):
                raise _missing(undo, len(running))
            clock.wait(None, _STEP_S)

    def _find(self, target: Target) -> dict[str, Any]:
        own = Processes(match=self.match or None, pid_file=self.pid_file or None, port=self.port or None)
        where = own if own != Processes() else (target.processes or Processes())
        if where == Processes():
            raise TargetAbsentError(
                f"nothing signalled: target {target.name} does not say which processes are its own",
                hint="add processes: {match: ...} to the target, or set match, pid_file or port",
            )
        return asdict(where)

    def _pick(self, running: Sequence[Process], dice: Random) -> list[Process]:
        if not running or self.pick == "all":
            return list(running)
        if self.pick == "random":
            return [dice.choice(running)]
        return [running[0] if self.pick == "oldest" else running[-1]]

    def _actions(self, units: Sequence[Sequence[Process]], first: str) -> tuple[str, ...]:
        kill = f", and SIGKILL {self.grace:g} s later if it still lives" if self.mode == "spot-reclaim" else ""
        whom = "process group {0.group} of process {0.pid}" if self.scope == "group" else "process {0.pid}"
        return tuple(f"send {first} to {whom.format(u[0])} ({_short(u[0]).command}){kill}" for u in units)


def _groups(victims: Sequence[Process], everyone: Sequence[Process]) -> list[list[Process]]:
    """Return the members of each victim's group, the victim first.

    All are kept because the group must stay recognisable after its leader's death, by any member still alive.
    """
    units: dict[int, list[Process]] = {}
    for victim in victims:
        units.setdefault(victim.group, [victim])
    for one in everyone:
        if one.group in units and one not in units[one.group]:
            units[one.group].append(one)
    return list(units.values())


def _strike(undo: Undo, world: World, number: int) -> None:
    """Signal each victim once; a group through the first of its members that still lives."""
    grouped: bool = undo.data["grouped"]
    for unit in undo.data["units"]:
        any(world.processes.signal(Process(**p), number, group=grouped) for p in unit)


def _another_boot(undo: Undo, world: World) -> bool:
    """Tell whether pids and start times of the record mean nothing any more."""
    noted = undo.data.get("boot")  # absent in records of older versions
    return bool(noted and world.boot and noted != world.boot)


def _struck(undo: Undo) -> list[Process]:
    return [Process(**p) for unit in undo.data["units"] for p in unit]


def _proved(undo: Undo, running: Sequence[Process], living: Sequence[Process]) -> Reversion:
    known = {(p["pid"], p["started_s"]) for p in undo.data["running"]}
    new = [p.pid for p in running if (p.pid, p.started_s) not in known]
    alive = [p.pid for p in living]
    gone = [p.pid for p in _struck(undo) if p.pid not in alive]
    # From outside a worker that handled the signal looks like one that will end of it a moment later.
    doubt = f"{len(alive)} handled the signal and live, or drain still" if alive else ""
    return Reversion(
        outcome=Outcome.RESTORED,
        proof={
            "gone": gone,
            "alive": alive,
            "new": new,
            "matching_before": len(undo.data["running"]),
            "matching_now": len(running),
        },
        detail=f"{len(gone)} gone, {len(new)} new",
        doubt=doubt,
    )


def _missing(undo: Undo, now: int) -> UndoFailedError:
    before = len(undo.data["running"])
    return UndoFailedError(
        f"not back: {now} of {before} processes with {_said(undo.data['find'])} run after {undo.wait_s:g} s",
        hint="nothing restarted the worker; start it, then run `chaosd recover`",
    )


def _short(process: Process) -> Process:
    return replace(process, command=process.command[:_COMMAND_MOST])


def _said(find: Mapping[str, Any]) -> str:
    return " and ".join(f"{name}={value!r}" for name, value in find.items() if value is not None)
