"""When the fault strikes: at once, at a moment of the workload, or on an event that is lain in wait for."""

from dataclasses import dataclass, replace

from daemon.core import guard
from daemon.core.errors import NotNowError, RefusedError
from daemon.core.events import Aborted, Plan
from daemon.core.model import Status
from daemon.core.moments import Armed, Fired, Moment
from daemon.core.seams import Fault
from daemon.core.target import Target
from daemon.engine.ambush import Ambush
from daemon.engine.companion import Companion
from daemon.engine.gate import Gate
from daemon.engine.parts import Parts
from daemon.engine.prober import Watch
from daemon.engine.stop import StopSwitch

SLICE_S = 0.1  # how long a stop may go unnoticed while an event is waited for
FLUSH_S = 1.0


@dataclass(frozen=True, slots=True)
class Due:
    """The moment has come. ``target`` is what of the target the event happened in; ``fired`` says what was seen."""

    target: Target
    fired: tuple[Fired, ...] = ()


class Timing:
    """Waits for the moment to strike; touches nothing."""

    def __init__(self, parts: Parts, gate: Gate) -> None:
        self._parts = parts
        self._gate = gate

    def due(
        self, proposed: Plan, target: Target, fault: Fault, companion: Companion, watch: Watch, stop: StopSwitch
    ) -> Due | None:
        """Start the workload and wait for the moment; None when it does not come, with the reason journalled."""
        moment = proposed.when
        if moment is None:
            return None if self._missed(proposed, companion, watch, stop) else Due(target)
        self._rehearse(proposed, target, fault)
        with Ambush(moment, target, self._parts.world) as ambush:
            self._parts.recorder.record(proposed.injection, Armed(at=self._parts.world.clock.instant()))
            if self.prevented(proposed, companion.begin(stop)):
                return None
            found = self._lie_in_wait(moment, ambush, companion, watch, stop)
            if found is None and ambush.unanswered is not None and not stop.is_set() and not companion.early:
                raise ambush.unanswered
        why = stop.reason if stop.is_set() else companion.early if found is None else companion.hold()
        if self.prevented(proposed, why or _unwell(proposed, watch)) or found is None:
            return None
        fired, root = found
        return Due(_only(target, root), (fired,))

    def prevented(self, proposed: Plan, reason: str) -> bool:
        """Journal why nothing more happens, if there is a reason."""
        if reason:
            self._parts.recorder.record(
                proposed.injection, Aborted(at=self._parts.world.clock.instant(), reason=reason)
            )
        return bool(reason)

    def _missed(self, proposed: Plan, companion: Companion, watch: Watch, stop: StopSwitch) -> bool:
        why = companion.begin(stop)
        if not why and (left_s := companion.left_s) > 0:
            watch.wait(left_s, until=lambda: bool(companion.early), stop=stop)
            why = stop.reason if stop.is_set() else ""
        # From here on until the fault is taken back its effect must not be judged as what it left behind.
        return self.prevented(proposed, why or companion.hold())

    def _rehearse(self, proposed: Plan, target: Target, fault: Fault) -> None:
        """Prepare and ask the guard now: what could never be injected must not be waited for first."""
        try:
            undo = fault.prepare(self._gate.order(proposed, target), self._parts.world)
        except NotNowError:
            return  # what the event is waited for; when it has come the fault looks again, and is asked about then
        answer = self._gate.ask(proposed, target, fault, undo)
        if isinstance(answer, guard.Refusal):
            raise RefusedError(f"{answer.reason} (asked again before waiting)", rule=answer.rule)

    def _lie_in_wait(
        self, moment: Moment, ambush: Ambush, companion: Companion, watch: Watch, stop: StopSwitch
    ) -> tuple[Fired, str] | None:
        clock = self._parts.world.clock
        flushed_s = now_s = clock.instant().mono_s
        end_s = now_s + moment.within_s
        while now_s < end_s and not stop.is_set() and not companion.early:
            hit = ambush.wait(min(SLICE_S, end_s - now_s))
            if hit is not None:
                return Fired(at=clock.instant(), what=hit.what), hit.root
            now_s = clock.instant().mono_s
            if now_s - flushed_s >= FLUSH_S:
                watch.wait(0.0, until=lambda: False, stop=stop)  # what was seen so far goes to the journal
                flushed_s = now_s
        return None


def _unwell(proposed: Plan, watch: Watch) -> str:
    """Say which probe does not hold any more, so long after the steady state was looked at; empty when all do.

    What was broken before the fault would be counted as its impact.
    """
    seen = watch.series()
    wrong = [name for name in proposed.steady if not seen[name] or seen[name][-1].status is not Status.OK]
    return f"not steady any more when the event came: {', '.join(wrong)}" if wrong else ""


def _only(target: Target, root: str) -> Target:
    """Return the target reduced to the clone in which the event happened."""
    if not root or target.repository is None:
        return target
    return replace(target, repository=replace(target.repository, worktree=(root,)))
