"""Stop the worker without ending it: the hung worker that no supervisor notices."""

import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from daemon.core.calls import NONE, Call
from daemon.core.errors import RefusedError, UndoFailedError, UntouchedError
from daemon.core.model import Mode, Order, Resource, Reversion, Undo
from daemon.core.parameters import parameter
from daemon.core.processes import STOPPED
from daemon.core.seams import Flag, Process, World
from faults.process.victims import (
    SCOPES,
    Chosen,
    another_boot,
    going_on,
    members,
    named,
    outcome,
    read,
    settled,
    written,
)

_DONE = "nothing stopped"
_SETTLE_S = 2.0  # a stopped process has stood still, or gone on, long before that


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessPause(Chosen):
    """Sends SIGSTOP to exactly the processes that ``prepare`` chose, and SIGCONT to take it back, always.

    A process that somebody else stopped, or debugs, is refused: its SIGCONT would not be ours to send.
    """

    name: ClassVar[str] = "process-pause"
    summary: ClassVar[str] = "Stops the worker with SIGSTOP and lets it go on with SIGCONT: a hung process"
    modes: ClassVar[tuple[Mode, ...]] = (
        Mode("process", "the process alone: what it started goes on, and waits for it at the latest at its end"),
        Mode("group", "all of its process group: nothing of it moves"),
        Mode("children", "only what descends from it: a git or a build that hangs under the worker's hands"),
    )
    touches: ClassVar[Resource] = Resource.PROCESS
    calls: ClassVar[tuple[Call, ...]] = NONE

    mode: str = parameter("process", "what is stopped", choices=SCOPES)

    def prepare(self, order: Order, world: World) -> Undo:
        """Choose the victims; raises TargetAbsentError when none runs, RefusedError when they may not be hit."""
        victims = self.victims(order, world, _DONE)
        hit = members(victims, self.mode, world, _DONE)
        going_on(hit, world, _DONE)
        return Undo(
            fault=self.name,
            mode=self.mode,
            victim=named(victims, hit),
            actions=tuple(f"send SIGSTOP to process {one.pid} ({one.command})" for one in hit),
            data={"hit": written(hit), "boot": world.boot},
        )

    @classmethod
    def inject(cls, undo: Undo, world: World, stop: Flag) -> None:
        """Stop them all; raises RefusedError when somebody else stopped one since ``prepare``."""
        hit = [one for one in read(undo.data["hit"]) if world.processes.alive(one)]
        if stop.is_set():
            return
        try:
            going_on(hit, world, _DONE)
        except RefusedError as refused:
            raise UntouchedError.of(refused) from refused
        for one in hit:
            world.processes.signal(one, signal.SIGSTOP)

    @classmethod
    def revert(cls, undo: Undo, world: World) -> Reversion:
        """Let each go on that is still there; raises UndoFailedError when one does not."""
        other = another_boot(undo, world)
        return other or let_go_on(read(undo.data["hit"]), world)


def let_go_on(hit: Sequence[Process], world: World) -> Reversion:
    """Send SIGCONT to each that lives, also where no stop shows: one may be on its way. Raises UndoFailedError."""
    before = {one.pid: world.processes.state(one) for one in hit}
    living = [one for one in hit if world.processes.signal(one, signal.SIGCONT)]
    settled(world, lambda: not any(world.processes.state(one) in STOPPED for one in living), _SETTLE_S)
    after = {one.pid: world.processes.state(one) for one in hit}
    still = [pid for pid, state in after.items() if state in STOPPED]
    if still:
        raise UndoFailedError(
            f"not let go on: {', '.join(map(str, still))} is stopped still after SIGCONT",
            hint=f"somebody stops it again, or traces it: end that, then `kill -CONT {still[0]}`, `chaosd recover`",
        )
    done = outcome(["restored" if state in STOPPED else "superseded" for state in before.values()])
    gone = [pid for pid, state in after.items() if not state]
    ran = [pid for pid, state in before.items() if state and state not in STOPPED]
    said = [f"{len(ran)} ran already: somebody let it go on, or it was never stopped"] if ran else []
    said += [f"{len(gone)} gone"] if gone else []
    return Reversion(
        outcome=done.outcome,
        partly=done.partly,
        proof={"state_before": _told(before), "state": _told(after)},
        detail=", ".join(said),
    )


def _told(states: Mapping[int, str]) -> dict[str, str]:
    return {str(pid): state or "gone" for pid, state in states.items()}
