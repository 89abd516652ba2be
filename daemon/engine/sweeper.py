"""Sweeps the queues of the messages of scenarios: at the end of each run, and of runs whose process died."""

from collections.abc import Callable

from daemon.core.course import Owner, ScenarioRun, SweepFailed, Swept
from daemon.core.errors import ChaosdError, UndoFailedError
from daemon.core.model import Outcome, Reversion, Undo
from daemon.core.seams import World
from daemon.engine.recorder import Recorder

ATTEMPTS = 3
PAUSE_S = 1.0
Sweep = Callable[[Undo, World], Reversion]


class Sweeper:
    """Takes the messages of runs back from their undo records alone. Idempotent.

    ``sweep`` raises ChaosdError when messages may be left. ``lives`` tells whether an owner's process still runs.
    """

    def __init__(
        self, *, world: World, recorder: Recorder, sweep: Sweep, owner: Owner, lives: Callable[[Owner], bool]
    ) -> None:
        self._world = world
        self._recorder = recorder
        self._sweep = sweep
        self._owner = owner
        self._lives = lives

    def orphans(self) -> tuple[ScenarioRun, ...]:
        """Return the open runs whose process is dead, and our own, oldest first.

        To be asked only while this process plays nothing: what it left open then could not be swept before.
        """
        runs = self._recorder.journal.scenarios.open_runs()
        return tuple(r for r in runs if r.opened.owner == self._owner or not self._lives(r.opened.owner))

    def recover(self) -> tuple[ScenarioRun, ...]:
        """Sweep up after the orphans and return them as they stand then, oldest first."""
        names = [orphan.opened.run for orphan in self.orphans()]
        for name in names:
            self.sweep(name)
        runs = self._recorder.journal.scenarios
        return tuple(found for name in names if (found := runs.run(name)))

    def sweep(self, run: str) -> bool:
        """Sweep one run's queues and journal how it went; True when nothing of it is left.

        Tries three times, once when the sweep itself gives up. A failed sweep is journalled, not raised.
        """
        found = self._recorder.journal.scenarios.run(run)
        if found is None or not found.outstanding:
            return True
        clock = self._world.clock
        for number in range(1, ATTEMPTS + 1):
            try:
                reversion = self._sweep(found.opened.undo, self._world)
            except ChaosdError as error:
                failed = SweepFailed(at=clock.instant(), attempt=found.failures + number, error=error.message)
                self._recorder.record_run(run, failed)
                # It gave up, having waited: trying again at once would only do harm.
                if isinstance(error, UndoFailedError) or number == ATTEMPTS:
                    return False
                clock.wait(None, PAUSE_S)
            else:
                self._recorder.record_run(run, Swept(at=clock.instant(), reversion=reversion))
                return True
        return False

    def clean(self, run: str, detail: str) -> None:
        """Journal that nothing of a run is left, as its own ledger has seen: no queue need be looked through."""
        reversion = Reversion(outcome=Outcome.SUPERSEDED, detail=detail)
        self._recorder.record_run(run, Swept(at=self._world.clock.instant(), reversion=reversion))
