"""The one revert path: the injector's ``finally``, every start, ``chaosd recover`` and ``revert`` all come here.

The undo comes before its record: a journal that cannot be written keeps nothing from being taken back. What could
not be recorded is told at the end, and is still outstanding: the next ``recover`` finds it untouched, and says so.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from threading import RLock, local
from typing import TYPE_CHECKING, Protocol

from daemon.core import events
from daemon.core.errors import (
    ChaosdError,
    JournalError,
    RefusedError,
    TargetAbsentError,
    UndoFailedError,
    UnrecordedError,
    UsageError,
)
from daemon.core.events import Aborted, Event, Injection, Judged, Reverted, RevertFailed, Settled, State
from daemon.core.model import Outcome, Reversion, Undo
from daemon.core.redact import redact
from daemon.core.seams import Fault, World
from daemon.core.verdict import judge
from daemon.engine.recorder import Recorder

if TYPE_CHECKING:  # a fault without a workload needs none of it
    from daemon.core.course import ScenarioRun
    from daemon.engine.sweeper import Sweeper

ATTEMPTS = 3
PAUSE_S = 1.0


SCENARIOS = "scenarios"


class Lease(Protocol):
    """What lets one at a time revert an injection; ``held`` raises BusyError when another keeps it for too long."""

    def held(self, name: str) -> AbstractContextManager[None]: ...


class _Threads:
    """The leases where no other process could revert: one thread at a time does."""

    def __init__(self) -> None:
        self._locks: dict[str, AbstractContextManager[object]] = {}

    @contextmanager
    def held(self, name: str) -> Iterator[None]:
        with self._locks.setdefault(name, RLock()):
            yield


class _Unrecorded(local):
    """What this thread undid and could not journal."""

    def __init__(self) -> None:
        self.found: dict[str, tuple[Injection, JournalError]] = {}


@dataclass(frozen=True, slots=True)
class Recovered:
    """What ``recover`` touched: injections, newest first, and runs of scenarios whose messages were looked for."""

    injections: tuple[Injection, ...] = ()
    runs: "tuple[ScenarioRun, ...]" = ()

    def __add__(self, other: "Recovered") -> "Recovered":
        return Recovered((*self.injections, *other.injections), (*self.runs, *other.runs))


class Reverter:
    """Takes injections back from their undo records alone. Idempotent; no two threads revert the same one at once.

    Nor do two processes, where there is a ``lease``; under it the journal is read anew before anything is done. One
    that takes its time (a task must come back) keeps no other from being reverted.
    ``sweeper`` is asked for only when a run of a scenario is open; without it runs are left alone.
    """

    def __init__(
        self,
        *,
        world: World,
        recorder: Recorder,
        faults: Mapping[str, type[Fault]],
        lease: Lease | None = None,
        sweeper: "Callable[[], Sweeper] | None" = None,
    ) -> None:
        self._lease: Lease = lease or _Threads()
        self._world = world
        self._recorder = recorder
        self._faults = faults
        self._sweeper = sweeper
        self._unrecorded = _Unrecorded()

    def revert(self, injection: str) -> Injection:
        """Take one injection back and return its fold; does nothing when it is not outstanding.

        Tries three times, once when the fault itself gives up. Never raises for a failed revert: it is journalled,
        and the state says so. Raises UnrecordedError, afterwards, when the journal could not take that down.
        """
        with self._lease.held(injection):
            found = self._revert(self._fold(injection))
            self._tell_unrecorded()
            return found

    def finish(self, injection: str) -> Injection:
        """As ``revert``, at the end of an injection of this process.

        What the guardian has taken back meanwhile is not taken back twice; the listeners are told of it here.
        """
        with self._lease.held(injection):
            found = self._fold(injection)
            if found.reverted is not None and not found.outstanding:
                self._recorder.tell(injection, found.reverted)
            return self.revert(injection)

    def rescue(self, injection: str, reason: str, *, ended: bool) -> Injection:
        """As ``revert``, for a daemon that hangs, or has ``ended``: then its experiment is closed as well.

        An injection that is outstanding becomes an aborted one, for that ``reason``.
        """
        with self._lease.held(injection):
            found = self._fold(injection)
            if found.outstanding:
                # First the undo: a daemon that hangs may hold the journal, and writing would only wait for it.
                found = self._revert(found)
                if found.aborted is None and found.judgement is None:
                    found = self._note(found, Aborted(at=self._world.clock.instant(), reason=reason))
                elif found.judgement is not None and not found.outstanding:
                    # Judged by a daemon that could not take it back: nobody else comes to say that it has been.
                    found = self._note(found, self._judged(found, revised=True))
            if ended and not found.outstanding:
                found = self._close(found)
            self._tell_unrecorded()
            return found

    def settle(self, injection: str, *, by: str, because: str) -> Injection:
        """Close the case of what could not be taken back: a person has looked and answers for it.

        Raises RefusedError when the undo did not fail: there is nothing a person would have to answer for. Raises
        UsageError without a reason.
        """
        if not because.strip():
            raise UsageError("not settled: a reason is needed", hint='say why: `chaosd settle ID --because "..."`')
        with self._lease.held(injection):
            if self._recorder.journal.injection(injection) is None:
                raise TargetAbsentError(f"not settled: no injection {injection!r}", hint="see `chaosd history`")
            found = self._fold(injection)
            if found.state is not State.REVERT_FAILED:
                raise RefusedError(
                    f"not settled: {injection} is {found.state}, and only a failed undo can be settled",
                    rule="not-undo-failed",
                    hint="`chaosd recover` takes back what is outstanding",
                )
            settled = Settled(at=self._world.clock.instant(), by=by, because=because.strip())
            found = self._note(found, settled)
            found = self._note(found, self._judged(found, revised=found.judgement is not None))
            self._tell_unrecorded()
            return found

    def close(self, injection: str) -> Injection:
        """As ``revert``; then judge what a crash interrupted, or what was judged before it was taken back."""
        with self._lease.held(injection):
            found = self._close(self._fold(injection))
            self._tell_unrecorded()
            return found

    def recover(self) -> Recovered:
        """Take back everything the journal says is ours and still there; judge what a crash interrupted.

        Then sweep up after the runs of scenarios that nobody plays any more. Idempotent. Raises UnrecordedError
        after all of them.
        """
        journal = self._recorder.journal
        touched = [self._closed(i.plan.injection) for i in journal.outstanding()]
        # Before anything else is asked of a journal that may not answer.
        self._tell_unrecorded()
        rest = [self._closed(i.plan.injection) for i in journal.running()]
        self._tell_unrecorded()
        return Recovered((*touched, *rest), self.sweep())

    def sweep(self) -> "tuple[ScenarioRun, ...]":
        """Sweep up after the runs of scenarios that nobody plays any more; to be asked while nothing runs."""
        with self._lease.held(SCENARIOS):
            return self._sweeper().recover() if self._sweeper and self.orphans() else ()

    def orphans(self) -> "tuple[ScenarioRun, ...]":
        """Return the open runs of scenarios that no living process plays, our own leftovers among them."""
        if self._sweeper is None or not self._recorder.journal.open_run_ids():
            return ()
        return self._sweeper().orphans()

    def _closed(self, injection: str) -> Injection:
        with self._lease.held(injection):
            return self._close(self._fold(injection))

    def _close(self, injection: Injection) -> Injection:
        found, unjudged = injection, injection.judgement is None
        if unjudged and found.aborted is None:
            reason = "chaosd ended before the experiment did"
            found = self._note(found, Aborted(at=self._world.clock.instant(), reason=reason))
        found = self._revert(found)
        if unjudged or injection.outstanding:
            found = self._note(found, self._judged(found, revised=not unjudged))
        return found

    def _judged(self, found: Injection, *, revised: bool) -> Judged:
        return Judged(at=self._world.clock.instant(), judgement=judge(found), revised=revised)

    def _revert(self, found: Injection) -> Injection:
        for number in range(ATTEMPTS):
            if not found.outstanding:
                break
            if number:
                self._world.clock.wait(None, PAUSE_S)
            found, again = self._attempt(found)
            if not again:
                break
        return found

    def _attempt(self, injection: Injection) -> tuple[Injection, bool]:
        """Revert once and journal how it went; tell whether another attempt at once makes sense."""
        assert injection.undo is not None  # noqa: S101  outstanding means planned
        clock, started = self._world.clock, self._world.clock.instant()
        try:
            reversion = self._reversion(injection, injection.undo)
        except Exception as error:  # noqa: BLE001  revert anyway: whatever broke, it must be journalled and retried
            text = redact(str(error) or repr(error))
            failed = RevertFailed(
                started=started, finished=clock.instant(), attempt=injection.failures + 1, error=text
            )
            # The fault itself gave up, having waited or counted its looks: trying again at once would only do harm.
            return self._note(injection, failed), not isinstance(error, UndoFailedError)
        done = Reverted(started=started, finished=clock.instant(), reversion=reversion)
        return self._note(injection, done), False

    def _reversion(self, injection: Injection, undo: Undo) -> Reversion:
        if injection.injected is not None and injection.injected.untouched:
            # What it looks like now somebody else made of it: taken for ours it would be taken back.
            return Reversion(outcome=Outcome.UNTOUCHED, detail="somebody else was quicker, and nothing was touched")
        return self._fault(injection).revert(undo, self._world)

    def _note(self, found: Injection, event: Event) -> Injection:
        """Record one event and return the injection after it, also when the journal does not take it."""
        after = events.apply(found, event)
        try:
            self._recorder.record(found.plan.injection, event)
        except JournalError as error:
            self._recorder.unrecorded(error)
            if isinstance(event, Reverted | RevertFailed):
                # Else the guardian would take back once more, for as long as the journal takes nothing.
                self._recorder.tell(found.plan.injection, event)
            self._unrecorded.found[found.plan.injection] = (after, error)
        return after

    def _tell_unrecorded(self) -> None:
        unrecorded, self._unrecorded.found = self._unrecorded.found, {}
        if not unrecorded:
            return
        states = ", ".join(f"{name} ({after.state})" for name, (after, _) in unrecorded.items())
        why = next(iter(unrecorded.values()))[1]
        raise UnrecordedError(
            f"how these ended could not be journalled: {states}: {why.message}",
            hint="make the journal writable again (space, permissions), then `chaosd recover` looks at each again",
        ) from why

    def _fault(self, injection: Injection) -> type[Fault]:
        fault = self._faults.get(injection.plan.fault)
        if fault is None:
            raise ChaosdError(
                f"not reverted: fault {injection.plan.fault!r} is not installed here",
                hint="install the plug-in that provided it, then `chaosd recover`",
            )
        return fault

    def _fold(self, injection: str) -> Injection:
        journal = self._recorder.journal
        try:
            found = journal.injection(injection)
        except JournalError:
            found = journal.kept(injection)  # the second copy: a damaged journal must not block the undo
            if found is None:
                raise
        found = found or journal.kept(injection)  # nor may one that was emptied, or put in its place
        if found is None:
            raise ChaosdError(
                f"not reverted: the journal knows no injection {injection!r}", hint="see `chaosd history`"
            )
        return found
