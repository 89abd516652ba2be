"""The way of one injection: propose, guard, look, prepare, journal, inject, observe, revert, judge."""

from collections.abc import Sequence

from daemon.core import guard, plan
from daemon.core.errors import BusyError, ChaosdError, JournalError, RefusedError, UntouchedError, UsageError
from daemon.core.events import (
    Aborted,
    Event,
    Injected,
    Injection,
    Judged,
    Observed,
    Plan,
    Planned,
    Proposed,
    Refused,
)
from daemon.core.model import Instant, Phase, Status, Undo
from daemon.core.parameters import build, nearest
from daemon.core.recovery import edges
from daemon.core.redact import redact
from daemon.core.seams import Fault
from daemon.core.target import Target
from daemon.core.verdict import judge
from daemon.engine.ambush import Ambush
from daemon.engine.companion import Alone, Companion
from daemon.engine.gate import Gate
from daemon.engine.parts import Parts
from daemon.engine.prober import Watch
from daemon.engine.stop import StopSwitch
from daemon.engine.timing import Due, Timing

UNSEEN = "what the probes saw could not be journalled"


class Injector:
    """Carries out injections. Thread-safe: the guard admits one request at a time."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._admission = parts.admission
        self._gate = Gate(parts)
        self._timing = Timing(parts, self._gate)

    # --- asked by command line, API and schedule ---------------------------------------------------------

    def check(self, request: plan.Request) -> tuple[Target, Fault]:
        """Return what is asked for; raises UsageError or ConfigError when there is no such thing."""
        target, fault = self._target(request), self._fault(request)
        if request.workload is not None:
            self._parts.company().check(request.workload, target)
        return target, fault

    def preview(self, request: plan.Request) -> Undo:
        """Resolve the victim and return the undo record that injecting would write; touches nothing.

        Asks the guard as well: raises RefusedError where injecting would be refused.
        """
        target, fault = self.check(request)
        proposed = self._plan(request, target, "dry-run")
        if proposed.when is not None:
            with Ambush(proposed.when, target, self._parts.world):
                pass  # could it be waited for?
        refusal = self._gate.ask(proposed, target, fault)
        if isinstance(refusal, guard.Refusal):
            raise RefusedError(refusal.reason, rule=refusal.rule)
        return fault.prepare(self._gate.order(proposed, target), self._parts.world)

    def run(self, request: plan.Request, stop: StopSwitch, *, injection: str) -> Injection:
        """Carry out one injection to its verdict and return its fold. Blocks until then.

        Raises UsageError or ConfigError before anything is journalled; afterwards every end is a verdict, except
        JournalError, and what ``prepare`` raised: that is journalled as a refusal and raised on.
        """
        target, fault = self.check(request)
        proposed = self._plan(request, target, injection)
        try:
            if not self._admit(proposed, target, fault):
                return self._judge(proposed)
            return self._carry_out(proposed, target, fault, stop)
        finally:
            self._gate.forget(injection)

    # --- the steps ---------------------------------------------------------------------------------------

    def _carry_out(self, proposed: Plan, target: Target, fault: Fault, stop: StopSwitch) -> Injection:
        unwritten: JournalError | None = None
        try:
            self._experiment(proposed, target, fault, stop)
        except JournalError as error:
            unwritten = error  # raised after the verdict was tried: that must not hide what it says of the undo
        except RefusedError as error:
            self._refuse(proposed, error.rule, error.message)
            raise
        except ChaosdError as error:
            self._refuse(proposed, "target-absent", error.message)
            raise
        finally:
            judged = self._judge(proposed, unwritten)
        return judged

    def _admit(self, proposed: Plan, target: Target, fault: Fault) -> bool:
        with self._admission:
            answer = self._gate.ask(proposed, target, fault)
            self._record(proposed, Proposed(plan=proposed))
            if isinstance(answer, guard.Refusal):
                self._record(proposed, Refused(at=self._now(), rule=answer.rule, reason=answer.reason))
                return False
        return True

    def _experiment(self, proposed: Plan, target: Target, fault: Fault, stop: StopSwitch) -> None:
        with self._companion(proposed, target) as companion:
            if self._timing.prevented(proposed, companion.prepare(stop)):
                return
            if self._disturb(proposed, target, fault, companion, stop):
                self._check(proposed, companion, stop)

    def _disturb(
        self, proposed: Plan, target: Target, fault: Fault, companion: Companion, stop: StopSwitch
    ) -> bool:
        """Inject and take back, watching; False when nothing was injected."""

        def sink(new: Sequence[Observed]) -> None:
            # Looks may be lost, the undo may not; and without its looks the experiment has no verdict: end it.
            if not self._parts.recorder.looks(proposed.injection, new):
                stop.set(UNSEEN)

        with self._parts.watcher(target, proposed.steady, sink) as watch:
            if not self._steady_before(proposed, watch, stop):
                return False
            self._parts.watchman.ready()
            due = self._timing.due(proposed, target, fault, companion, watch, stop)
            if due is None:
                return False
            undo = fault.prepare(self._gate.order(proposed, due.target), self._parts.world)
            self._commit(proposed, target, fault, undo, stop, due)
            try:
                self._strike(proposed, undo, fault, watch, stop)
            finally:
                # The only way out of an injection, whatever happened: the same revert as at every start.
                self._parts.reverter.finish(proposed.injection)
            watch.enter(Phase.AFTER)
            self._await_recovery(proposed, watch, stop)
        return True

    def _check(self, proposed: Plan, companion: Companion, stop: StopSwitch) -> None:
        """Let the workload settle and note how its messages fared."""
        if proposed.workload is None:
            return
        checked = companion.finish()
        if checked is not None:
            self._record(proposed, checked)
        elif self._fold(proposed).aborted is None:
            self._timing.prevented(proposed, stop.reason or "the workload was stopped")

    def _commit(
        self, proposed: Plan, target: Target, fault: Fault, undo: Undo, stop: StopSwitch, moment: Due
    ) -> None:
        """Ask the guard again, with the victim known, and make the plan durable in the same breath.

        Time has passed since the admission: others may have begun, somebody may have halted, the target may be
        another. Raises RefusedError with the rule's name; nothing was touched then.
        """
        with self._admission:
            if not stop.is_set():  # else the strike will not happen anyway, and says why
                answer = self._gate.ask(proposed, target, fault, undo)
                if isinstance(answer, guard.Refusal):
                    raise RefusedError(f"{answer.reason} (asked again just before)", rule=answer.rule)
            now = self._now()
            due = self._parts.watchman.deadline(undo, proposed.duration_s, now.wall_s)
            planned = Planned(at=now, undo=undo, boot=self._parts.boot, deadline=due)
            self._record(proposed, *moment.fired, planned)

    def _steady_before(self, proposed: Plan, watch: Watch, stop: StopSwitch) -> bool:
        def steady() -> bool:
            seen = watch.series()
            return all(seen[n] and seen[n][-1].status is Status.OK for n in proposed.steady)

        if watch.wait(self._parts.settings.sampling.steady_timeout_s, until=steady, stop=stop):
            return True
        if stop.is_set():
            self._record(proposed, Aborted(at=self._now(), reason=stop.reason))
        return False

    def _strike(self, proposed: Plan, undo: Undo, fault: Fault, watch: Watch, stop: StopSwitch) -> None:
        watch.enter(Phase.DURING)
        started, error, untouched = self._now(), None, False
        try:
            if not stop.is_set():
                self._parts.watchman.arm(proposed.injection)
                fault.inject(undo, self._parts.world, stop)
        except Exception as broken:  # noqa: BLE001  the effect is unknown now: journal it, revert anyway
            error, untouched = redact(str(broken) or repr(broken)), isinstance(broken, UntouchedError)
        ended = Injected(started=started, finished=self._now(), error=error, untouched=untouched)
        self._record(proposed, ended)
        watch.enter(Phase.DURING)  # once more, so that the impact is looked for at once
        if error is None:
            left_s = proposed.duration_s - (self._now().mono_s - started.mono_s)
            watch.wait(max(0.0, left_s), until=lambda: self._healed(proposed, watch, started.mono_s), stop=stop)
        if stop.is_set():
            self._record(proposed, Aborted(at=self._now(), reason=stop.reason))

    def _await_recovery(self, proposed: Plan, watch: Watch, stop: StopSwitch) -> None:
        """Look until the system is steady for long enough, or the target's time to recover is over."""
        found = self._fold(proposed)
        if found.injected is None or found.reverted is None:
            return
        since_s, back_s = found.injected.started.mono_s, found.reverted.finished.mono_s

        def steady() -> bool:
            seen = watch.series()
            fresh = all(
                seen[n] and seen[n][-1].status is Status.OK and seen[n][-1].asked.mono_s >= back_s
                for n in proposed.steady
            )
            return fresh and (not self._hurt(proposed, watch, since_s) or self._healed(proposed, watch, since_s))

        left_s = proposed.recover_s - (self._now().mono_s - since_s)
        # A recovery at the last moment still needs its stable time to be seen.
        wait_s = max(proposed.stable_s, left_s) + proposed.stable_s
        if stop.is_set() or not watch.wait(wait_s, until=steady, stop=stop):
            self._broken_off(proposed, found, stop)

    def _broken_off(self, proposed: Plan, found: Injection, stop: StopSwitch) -> None:
        """Say that nobody waited for the recovery: it must not be judged as one that never came."""
        if stop.is_set() and found.aborted is None:
            self._record(proposed, Aborted(at=self._now(), reason=stop.reason))

    # --- small ones --------------------------------------------------------------------------------------

    def _companion(self, proposed: Plan, target: Target) -> Companion:
        return Alone() if proposed.workload is None else self._parts.company().accompany(proposed, target)

    def _hurt(self, proposed: Plan, watch: Watch, since_s: float) -> bool:
        return edges(watch.series(), injected_s=since_s, stable_s=proposed.stable_s).impact is not None

    def _healed(self, proposed: Plan, watch: Watch, since_s: float) -> bool:
        found = edges(watch.series(), injected_s=since_s, stable_s=proposed.stable_s)
        return found.impact is not None and found.recovered is not None

    def _target(self, request: plan.Request) -> Target:
        targets = self._parts.settings.targets
        if request.target not in targets:
            raise UsageError(
                f"not injecting: unknown target {request.target!r}{nearest(request.target, dict(targets))}"
            )
        return targets[request.target]

    def _fault(self, request: plan.Request) -> Fault:
        kind = self._parts.faults.get(request.fault)
        if kind is None:
            known = nearest(request.fault, dict(self._parts.faults))
            raise UsageError(
                f"not injecting: unknown fault {request.fault!r}{known}", hint="see `chaosd faults list`"
            )
        return build(kind, request.parameters, where=request.fault)

    def _plan(self, request: plan.Request, target: Target, injection: str) -> Plan:
        settings = self._parts.settings
        return plan.make(
            request,
            injection=injection,
            seed=self._parts.new_seed(),
            at=self._now(),
            target=target,
            steady=settings.steady_state.get(target.name, ()),
            sampling=settings.sampling,
        )

    def _refuse(self, proposed: Plan, rule: str, reason: str) -> None:
        if self._fold(proposed).undo is None:
            self._record(proposed, Refused(at=self._now(), rule=rule, reason=reason))

    def _judge(self, proposed: Plan, unwritten: JournalError | None = None) -> Injection:
        try:
            if self._parts.recorder.lost(proposed.injection):
                self._record(proposed, Aborted(at=self._now(), reason=UNSEEN))
            judgement = judge(self._fold(proposed))
            self._record(proposed, Judged(at=self._now(), judgement=judgement))
            judged = self._fold(proposed)
        except JournalError as error:
            raise unwritten or error from None
        if unwritten is not None:
            raise unwritten
        return judged

    def _record(self, proposed: Plan, *happened: Event) -> None:
        self._parts.recorder.record(proposed.injection, *happened)

    def _fold(self, proposed: Plan) -> Injection:
        found = self._parts.journal.injection(proposed.injection)
        if found is None:
            raise BusyError(f"injection {proposed.injection} vanished from the journal")
        return found

    def _now(self) -> Instant:
        return self._parts.world.clock.instant()
