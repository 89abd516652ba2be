"""The one revert path: the injector's ``finally``, every start, ``chaosd recover`` and ``revert`` all come here."""

from collections.abc import Mapping
from threading import RLock

from daemon.core import events
from daemon.core.errors import ChaosdError, JournalError, UndoFailedError, UnrecordedError
from daemon.core.events import Aborted, Event, Injection, Judged, Reverted, RevertFailed
from daemon.core.redact import redact
from daemon.core.seams import Fault, World
from daemon.core.verdict import judge
from daemon.engine.recorder import Recorder

ATTEMPTS = 3
PAUSE_S = 1.0


class Reverter:
    """Takes injections back from their undo records alone. Idempotent; two threads never revert at once."""

    def __init__(self, *, world: World, recorder: Recorder, faults: Mapping[str, type[Fault]]) -> None:
        self._world = world
        self._recorder = recorder
        self._faults = faults
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

    def recover(self) -> tuple[Injection, ...]:
        """Take back everything the journal says is ours and still there; judge what a crash interrupted.

        Idempotent. Returns the injections touched, newest first.
        """
        touched = [self._close(i) for i in self._recorder.journal.outstanding()]
        rest = [self._close(i) for i in self._recorder.journal.running()]
        return (*touched, *rest)

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
            text = redact(str(error) or repr(error))
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
