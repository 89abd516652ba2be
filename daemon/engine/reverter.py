"""The one revert path: the injector's ``finally``, every start, ``chaosd recover`` and ``revert`` all come here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import RLock
from typing import TYPE_CHECKING

from daemon.core.errors import ChaosdError, UndoFailedError
from daemon.core.events import Aborted, Injection, Judged, Reverted, RevertFailed
from daemon.core.seams import Fault, World
from daemon.core.verdict import judge
from daemon.engine.recorder import Recorder

if TYPE_CHECKING:  # a fault without a workload needs none of it
    from daemon.core.course import ScenarioRun
    from daemon.engine.sweeper import Sweeper

ATTEMPTS = 3
PAUSE_S = 1.0


@dataclass(frozen=True, slots=True)
class Recovered:
    """What ``recover`` touched: injections, newest first, and runs of scenarios whose messages were looked for."""

    injections: tuple[Injection, ...] = ()
    runs: "tuple[ScenarioRun, ...]" = ()


class Reverter:
    """Takes injections back from their undo records alone. Idempotent; two threads never revert at once.

    ``sweeper`` is asked for only when a run of a scenario is open; without it runs are left alone.
    """

    def __init__(
        self,
        *,
        world: World,
        recorder: Recorder,
        faults: Mapping[str, type[Fault]],
        sweeper: "Callable[[], Sweeper] | None" = None,
    ) -> None:
        self._world = world
        self._recorder = recorder
        self._faults = faults
        self._sweeper = sweeper
        self._one_at_a_time = RLock()

    def revert(self, injection: str) -> Injection:
        """Take one injection back and return its fold; does nothing when it is not outstanding.

        Tries three times, once when the fault itself gives up. Never raises for a failed revert: it is journalled,
        and the state says so.
        """
        with self._one_at_a_time:
            found = self._fold(injection)
            for number in range(ATTEMPTS):
                if not found.outstanding:
                    break
                if number:
                    self._world.clock.wait(None, PAUSE_S)
                again = self._attempt(found)
                found = self._fold(injection)
                if not again:
                    break
            return found

    def recover(self) -> Recovered:
        """Take back everything the journal says is ours and still there; judge what a crash interrupted.

        Then sweep up after the runs of scenarios that nobody plays any more. Idempotent.
        """
        touched = [self._close(i) for i in self._recorder.journal.outstanding()]
        rest = [self._close(i) for i in self._recorder.journal.running()]
        with self._one_at_a_time:
            swept = self._sweeper().recover() if self._sweeper and self.orphans() else ()
        return Recovered((*touched, *rest), swept)

    def orphans(self) -> "tuple[ScenarioRun, ...]":
        """Return the open runs of scenarios that no living process plays, our own leftovers among them."""
        if self._sweeper is None or not self._recorder.journal.open_run_ids():
            return ()
        return self._sweeper().orphans()

    def _close(self, injection: Injection) -> Injection:
        name, unjudged = injection.plan.injection, injection.judgement is None
        if unjudged and injection.aborted is None:
            reason = "chaosd ended before the experiment did"
            self._recorder.record(name, Aborted(at=self._world.clock.instant(), reason=reason))
        reverted = self.revert(name)
        if unjudged or injection.outstanding:
            judged = Judged(at=self._world.clock.instant(), judgement=judge(reverted), revised=not unjudged)
            self._recorder.record(name, judged)
        return self._fold(name)

    def _attempt(self, injection: Injection) -> bool:
        """Revert once and journal how it went; tell whether another attempt at once makes sense."""
        assert injection.undo is not None  # noqa: S101  outstanding means planned
        clock, name = self._world.clock, injection.plan.injection
        started = clock.instant()
        try:
            reversion = self._fault(injection).revert(injection.undo, self._world)
        except Exception as error:  # noqa: BLE001  revert anyway: whatever broke, it must be journalled and retried
            text = str(error) or repr(error)
            failed = RevertFailed(
                started=started, finished=clock.instant(), attempt=injection.failures + 1, error=text
            )
            self._recorder.record(name, failed)
            # The fault itself gave up, having waited or counted its looks: trying again at once would only do harm.
            return not isinstance(error, UndoFailedError)
        self._recorder.record(name, Reverted(started=started, finished=clock.instant(), reversion=reversion))
        return False

    def _fault(self, injection: Injection) -> type[Fault]:
        fault = self._faults.get(injection.plan.fault)
        if fault is None:
            raise ChaosdError(
                f"not reverted: fault {injection.plan.fault!r} is not installed here",
                hint="install the plug-in that provided it, then `chaosd recover`",
            )
        return fault

    def _fold(self, injection: str) -> Injection:
        found = self._recorder.journal.injection(injection)
        if found is None:
            raise ChaosdError(
                f"not reverted: the journal knows no injection {injection!r}", hint="see `chaosd history`"
            )
        return found
