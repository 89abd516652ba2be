"""Kill the worker, as the out-of-memory killer or a crash would: nothing can be tidied up."""

import signal
from dataclasses import dataclass
from typing import ClassVar

from daemon.core.calls import NONE, Call
from daemon.core.model import Mode, Order, Resource, Reversion, Undo
from daemon.core.parameters import parameter
from daemon.core.seams import Flag, World
from faults.process.signalling import come_back, noted, strike
from faults.process.victims import SCOPES, Chosen, childless, named, units

_DONE = "nothing killed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessKill(Chosen):
    """Sends SIGKILL to exactly the processes that ``prepare`` chose, by pid and start time.

    It cannot be taken back: revert waits until as many processes of the target run as before, at most its
    ``limits.recover``. Children that were killed are not waited for, unless the target counts them as its own.
    """

    name: ClassVar[str] = "process-kill"
    summary: ClassVar[str] = "Kills the worker with SIGKILL: the process, its whole group, or only its children"
    modes: ClassVar[tuple[Mode, ...]] = (
        Mode("process", "the process alone: what it started lives on without it, and may hold its locks"),
        Mode("group", "its whole process group, as a container's end does"),
        Mode("children", "only what descends from it: a git or a build that dies under the worker's hands"),
    )
    touches: ClassVar[Resource] = Resource.PROCESS
    calls: ClassVar[tuple[Call, ...]] = NONE

    mode: str = parameter("process", "what is killed", choices=SCOPES)

    def prepare(self, order: Order, world: World) -> Undo:
        """Choose the victims; raises TargetAbsentError when none runs, RefusedError when they may not be hit."""
        find = self.where(order.target, _DONE)
        running = world.processes.find(**find)
        victims = self.among(running, order, _DONE)
        grouped = self.mode == "group"
        hit = units(victims, self.mode, world)
        if not hit:
            raise childless(victims[0], _DONE)
        for unit in hit:
            for one in unit[:1] if grouped else unit:
                world.processes.signal(one, 0, group=grouped)  # 0 sends nothing and makes only the checks
        whom = "process group {0.group} with process {0.pid}" if grouped else "process {0.pid}"
        struck = [unit[0] for unit in hit] if grouped else [one for unit in hit for one in unit]
        return Undo(
            fault=self.name,
            mode=self.mode,
            victim=named(victims, (one for unit in hit for one in unit)),
            actions=tuple(f"send SIGKILL to {whom.format(one)} ({one.command})" for one in struck),
            data={**noted(hit, running, find), "grouped": grouped, "boot": world.boot},
            wait_s=order.target.limits.recover_s,
            restores=False,
        )

    @classmethod
    def inject(cls, undo: Undo, world: World, stop: Flag) -> None:
        if not stop.is_set():
            strike(undo, world, signal.SIGKILL)

    @classmethod
    def revert(cls, undo: Undo, world: World) -> Reversion:
        """Wait until as many matching processes run as before; raises UndoFailedError when they do not come."""
        return come_back(undo, world)
