"""What Prometheus sees: a listener on events and looks. It and ``families`` alone know prometheus-client.

Label sets that are known from the settings start at 0, so that a rate over them is never absent. No ids as
labels: ids are in the log and the journal.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict

from prometheus_client import CollectorRegistry, disable_created_metrics
from prometheus_client.exposition import choose_encoder

from daemon.core.course import Course, Opened, Played, Purpose, RunEvent, Swept
from daemon.core.events import (
    Aborted,
    Checked,
    Event,
    HealedBy,
    Injected,
    Injection,
    Judged,
    Judgement,
    Plan,
    Planned,
    Proposed,
    Refused,
    Reverted,
    RevertFailed,
    Settled,
    Verdict,
)
from daemon.core.events import Observed as ObservedEvent
from daemon.core.model import Observation, Reversion, Status
from daemon.core.settings import Settings, same_probes
from daemon.core.target import Limits
from daemon.faces.asking import or_unknown
from daemon.faces.families import MANUAL, Families
from daemon.faces.inforce import InForce

QUEUE_STATES = ("visible", "in_flight", "delayed", "dead_letter")


class Metrics(Families):
    """Counts and gauges of one daemon, on a registry of their own. Thread-safe."""

    def __init__(self, settings: Settings, *, version: str, faults: Iterable[str] = ()) -> None:
        """Count from 0 what the settings name, and undo failures of ``faults``, injected by hand too."""
        disable_created_metrics()  # type: ignore[no-untyped-call]
        super().__init__(CollectorRegistry())
        self._settings = settings
        self._kinds = {p.name: p.probe for p in settings.probes}
        self._latest: dict[str, Observation] = {}
        self._plans: dict[str, Plan] = {}
        self._in_force = InForce(self._show)
        self._measured_once: dict[str, set[str]] = {}
        self._purposes: dict[str, Purpose] = {}
        self._complete: set[str] = set()
        self._next_times: Callable[[], Mapping[str, float]] = dict
        self._build_info.labels(version).set(1)
        for fault in faults:
            self._undo_failures.labels(fault)
        self._start_at_zero(settings)

    # --- listeners ---------------------------------------------------------------------------------------

    def __call__(self, injection: str, event: Event) -> None:
        """Take one event into account."""
        if isinstance(event, Proposed):
            self._plans[injection] = event.plan
            self._started.labels(event.plan.experiment or MANUAL).inc()
            return
        plan = self._plans.get(injection)
        if isinstance(event, ObservedEvent):
            self.looked(event.observation)
        if plan is None:
            return
        self._moved(injection, plan, event)
        match event:
            case Refused():
                self._refusals.labels(event.rule).inc()
            case Checked():
                self._broken({str(v["invariant"]) for v in event.violations}, plan.target)
            case Judged():
                self._judged(injection, plan, event)
            case _:
                pass

    def _moved(self, injection: str, plan: Plan, event: Event) -> None:
        """Take into account what became of the fault itself."""
        match event:
            case Planned():
                due_s = event.deadline.wall_s if event.deadline else event.at.wall_s + plan.duration_s
                self._in_force.begin(plan, due_s + event.undo.wait_s)
            case Injected():
                self._injections.labels(plan.fault, plan.target).inc()
                if event.error is None:
                    self._complete.add(injection)
            case Aborted():
                self._complete.discard(injection)
            case Settled():
                self._in_force.end(plan)
            case Reverted():
                self._in_force.end(plan)
                self._swept(plan, event.reversion, complete=injection in self._complete)
            case RevertFailed():
                self._undo_failures.labels(plan.fault).inc()
            case _:
                pass

    def _show(self, fault: str, target: str, injections: int, due_s: float) -> None:
        self._active.labels(fault, target).set(injections > 0)
        self._deadline.labels(fault, target).set(due_s)

    def _judged(self, injection: str, plan: Plan, event: Judged) -> None:
        if not event.revised:
            self._finished.labels(plan.experiment or MANUAL, event.judgement.verdict.value).inc()
            self._measured(plan, event.judgement)
        # What could not be undone is heard of again, unless somebody has settled it: then it is in force no more.
        if event.judgement.verdict is not Verdict.UNDO_FAILED or not self._in_force.holds(plan):
            self._in_force.end(plan)  # no more is heard of it: its undo may have been another process's
            del self._plans[injection]
            self._complete.discard(injection)

    def _measured(self, plan: Plan, judged: Judgement) -> None:
        at = (plan.fault, plan.target)
        if judged.impact is not None:
            self._detection.labels(*at).observe(judged.impact.middle_s)
        if judged.recovery is not None and judged.healed_by is HealedBy.WORKER:
            self._recovery.labels(*at).observe(judged.recovery.middle_s)

    def _swept(self, plan: Plan, reversion: Reversion, *, complete: bool) -> None:
        """Count the marked messages of a fault: all it planned when it came to its end, else those found again."""
        if "planned" in reversion.proof and "removed" in reversion.proof:
            found = sum(reversion.proof["removed"].values())
            self._sent.labels(plan.fault, plan.target).inc(reversion.proof["planned"] if complete else found)

    def _broken(self, invariants: Iterable[str], target: str) -> None:
        for invariant in invariants:
            self._violations.labels(invariant, target).inc()

    # --- scenarios ---------------------------------------------------------------------------------------

    def ran(self, run: str, event: RunEvent) -> None:
        """Take one event of a scenario's run into account."""
        if isinstance(event, Opened):
            self._purposes[run] = event.purpose
        elif isinstance(event, Played):
            self._played(event.course, self._purposes.get(run, Purpose.ALONE))
        elif isinstance(event, Swept):  # the end of every run, also of one that broke and was never played
            self._purposes.pop(run, None)

    def _played(self, course: Course, purpose: Purpose) -> None:
        target = course.target
        self._sent.labels(course.scenario, target).inc(sum(s.refused is None for s in course.ledger.sent))
        if purpose is not Purpose.EXPERIMENT:  # there the baseline's defects are subtracted first: see Checked
            self._broken({r.invariant for r in course.violated}, target)
        for figure in course.kpis:
            value = math.nan if figure.value is None else figure.value
            if figure.name == "message, slowest":
                self._message.labels(target).set(value)
            elif figure.name == "branch switch":
                self._switch.labels(target).set(value)

    def looked(self, observation: Observation) -> None:
        """Take one look of a probe into account."""
        on, reading = (observation.probe, observation.target), observation.reading
        self._latest[observation.probe] = observation
        self._success.labels(*on).set(reading.status is Status.OK)
        self._duration.labels(*on).set(observation.answered.mono_s - observation.asked.mono_s)
        measures = self._measures(observation)
        for measure, value in measures.items():
            self._value.labels(*on, measure).set(value)
        self._special(observation, measures)
        if observation.probe in self._settings.steady_state.get(observation.target, ()):
            self._steady.labels(observation.target).set(self._is_steady(observation.target))

    def _is_steady(self, target: str) -> bool:
        steady = self._settings.steady_state[target]
        return all(n in self._latest and self._latest[n].status is Status.OK for n in steady)

    def _measures(self, observation: Observation) -> Mapping[str, float]:
        """Return a look's figures, NaN for those only earlier looks had: an old figure must not pass for new."""
        known = self._measured_once.setdefault(observation.probe, set())
        fresh = {} if observation.status is Status.UNKNOWN else observation.reading.measures
        known.update(fresh)
        return {measure: fresh.get(measure, math.nan) for measure in tuple(known)}

    def _special(self, observation: Observation, measures: Mapping[str, float]) -> None:
        kind = self._kinds.get(observation.probe)
        if kind == "sqs-backlog":
            for state in QUEUE_STATES:
                if state in measures:
                    self._queue.labels(observation.target, state).set(measures[state])
        elif kind == "pipeline-canary":
            if observation.status is not Status.UNKNOWN:
                self._sent.labels(kind, observation.target).inc()
            if "total_seconds" in measures:
                self._message.labels(observation.target).set(measures["total_seconds"])

    # --- told by the lifecycle ---------------------------------------------------------------------------

    def resume(self, outstanding: Sequence[Injection]) -> None:
        """Take over what an earlier life of the daemon left: it is active until its undo is journalled."""
        for left in outstanding:
            plan = left.plan
            self._plans[plan.injection] = plan
            wait_s = left.undo.wait_s if left.undo else 0.0
            due_s = left.deadline.wall_s if left.deadline else plan.planned_at.wall_s + plan.duration_s
            self._in_force.begin(plan, due_s + wait_s)

    def skipped(self, reason: str) -> None:
        """Count a scheduled occurrence that was skipped."""
        self._refusals.labels(reason).inc()

    def lagged(self, seconds: float) -> None:
        """Note how late a scheduled experiment was started."""
        self._lag.set(seconds)

    def notified(self, destination: str, outcome: str) -> None:
        """Count what became of one notification."""
        self._notices.labels(destination, outcome).inc()

    def broke(self, listener: str) -> None:
        """Count a listener that broke."""
        self._listener.labels(listener).inc()

    def watch(
        self,
        *,
        halted: Callable[[], bool],
        pending: Callable[[], int],
        writable: Callable[[], bool],
        next_times: Callable[[], Mapping[str, float]],
    ) -> None:
        """Ask these at every scrape."""
        self._halted.set_function(or_unknown(halted))
        self._pending.set_function(or_unknown(pending))
        self._writable.set_function(or_unknown(writable))
        self._next_times = next_times
        self._watch_next()

    def _watch_next(self) -> None:
        for experiment in self._settings.experiments:
            name = experiment.name
            self._next.labels(name).set_function(lambda name=name: self._next_times().get(name, math.nan))  # type: ignore[misc]

    def adopt(self, settings: Settings) -> None:
        """Take another configuration: counters go on, what it names no more or means otherwise is gone."""
        same = same_probes(self._settings, settings)
        for probe in (p for p in self._settings.probes if p.name not in same):
            self._forget(probe.name, probe.target)
        for target in self._settings.steady_state.keys() - settings.steady_state.keys():
            self._steady.remove(target)
        for target, known in self._settings.targets.items():
            if settings.targets.get(target) != known:
                self._forget_target(target)
        for name in {e.name for e in self._settings.experiments} - {e.name for e in settings.experiments}:
            self._next.remove(name)
        self._settings = settings
        self._kinds = {p.name: p.probe for p in settings.probes}
        self._start_at_zero(settings)
        for target in settings.steady_state:
            self._steady.labels(target).set(self._is_steady(target))
        self._watch_next()

    def _forget(self, probe: str, target: str) -> None:
        """End the series of a probe that is gone, or looks at something else from now on."""
        self._latest.pop(probe, None)
        for measure in self._measured_once.pop(probe, ()):
            self._value.remove(probe, target, measure)
        self._success.remove(probe, target)
        self._duration.remove(probe, target)

    def _forget_target(self, target: str) -> None:
        self._message.remove(target)
        self._switch.remove(target)
        for objective in asdict(Limits()):
            self._objective.remove(target, objective.removesuffix("_s"))
        for state in QUEUE_STATES:
            self._queue.remove(target, state)

    def reloaded(self, at_s: float | None) -> None:
        """Note a reload: when it was (epoch seconds), None for one that was refused."""
        self._reload_ok.set(at_s is not None)
        if at_s is not None:
            self._reload_at.set(at_s)

    def render(self, accept: str) -> tuple[bytes, str]:
        """Return the exposition and its content type, negotiated from the Accept header."""
        encoder, content_type = choose_encoder(accept)
        return encoder(self.registry), content_type
