"""What Prometheus sees: a listener on events and looks. The only module that knows prometheus-client.

Label sets that are known from the settings start at 0, so that a rate over them is never absent. No ids as
labels: ids are in the log and the journal.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import choose_encoder

from daemon.core import guard
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
from daemon.core.invariants import INVARIANTS
from daemon.core.model import Observation, Reversion, Status
from daemon.core.settings import ExperimentSetting, Settings
from daemon.faces.asking import or_unknown

BUCKETS_S = (0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 45, 60, 90, 120, 180, 300, 600, 900, 1800)
MANUAL = "manual"
BURST = "sqs-burst"
QUEUE_STATES = ("visible", "in_flight", "delayed", "dead_letter")


class Metrics:
    """Counts and gauges of one daemon, on a registry of their own. Thread-safe."""

    def __init__(self, settings: Settings, *, version: str) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._settings = settings
        self._kinds = {p.name: p.probe for p in settings.probes}
        self._latest: dict[str, Observation] = {}
        self._plans: dict[str, Plan] = {}
        self._measured_once: dict[str, set[str]] = {}
        self._purposes: dict[str, Purpose] = {}
        self._complete: set[str] = set()
        self._define()
        self._build_info.labels(version).set(1)
        self._start_at_zero()

    def _define(self) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"chaosd_{name}", text, labels, registry=self.registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"chaosd_{name}", text, labels, registry=self.registry)

        def histogram(name: str, text: str, *labels: str) -> Histogram:
            return Histogram(f"chaosd_{name}", text, labels, registry=self.registry, buckets=BUCKETS_S)

        at, on = ("fault", "target"), ("probe", "target")
        self._build_info = gauge("build_info", "Constant 1, labelled with the version.", "version")
        self._started = counter("experiments_started", "Experiments proposed.", "experiment")
        self._finished = counter("experiments_finished", "Experiments judged.", "experiment", "verdict")
        self._active = gauge("fault_active", "1 while an injection may have an effect.", *at)
        self._deadline = gauge("fault_deadline_timestamp_seconds", "When the active fault must be gone.", *at)
        self._injections = counter("injections", "Injections carried out.", *at)
        self._undo_failures = counter("undo_failures", "Failed attempts to take a fault back.", "fault")
        self._pending = gauge("pending_undo", "Injections not yet taken back, and scenarios not yet swept.")
        self._recovery = histogram("recovery_seconds", "Injection to steady again, healed by the worker.", *at)
        self._detection = histogram("detection_seconds", "Injection to the first failing probe.", *at)
        self._violations = counter(
            "invariant_violations", "Invariants broken by a workload's run, each once a run.", "invariant", "target"
        )
        self._success = gauge("probe_success", "1 when the probe's last look was ok, else 0.", *on)
        self._duration = gauge("probe_duration_seconds", "How long the probe's last look took.", *on)
        self._value = gauge("probe_value", "What the probe measured; NaN while unknown.", *on, "measure")
        self._steady = gauge("steady_state", "1 while every steady-state probe is ok, else 0.", "target")
        self._refusals = counter("refusals", "Experiments refused or skipped.", "reason")
        self._halted = gauge("halted", "1 while a halt is in force.")
        self._lag = gauge("schedule_lag_seconds", "How late the last experiment was started.")
        self._next = gauge("next_experiment_timestamp_seconds", "Next scheduled start.", "experiment")
        self._sent = counter("messages_sent", "Marked messages sent to a target.", "scenario", "target")
        self._queue = gauge("queue_messages", "Messages in the target's queues.", "target", "state")
        self._message = gauge("message_seconds", "Last canary or scenario: slowest message to deployed.", "target")
        self._switch = gauge("branch_switch_seconds", "Last scenario: slowest change of branch, at most.", "target")
        self._listener = counter("listener_failures", "Listeners that broke on an event.", "listener")

    def _start_at_zero(self) -> None:
        for reason in guard.names():
            self._refusals.labels(reason)
        for target in self._settings.steady_state:
            self._steady.labels(target).set(0)
        for experiment in self._settings.experiments:
            at = (experiment.fault, experiment.target)
            self._started.labels(experiment.name)
            for verdict in Verdict:
                self._finished.labels(experiment.name, verdict.value)
            for family in (self._active, self._injections, self._recovery, self._detection):
                family.labels(*at)
            self._undo_failures.labels(experiment.fault)
            for sender in _senders(experiment):
                self._sent.labels(sender, experiment.target)
        able = [n for n, t in self._settings.targets.items() if t.queue is not None and t.repository is not None]
        for invariant, target in product(INVARIANTS, able):
            self._violations.labels(invariant, target)

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
        at = (plan.fault, plan.target)
        match event:
            case Planned():
                self._active.labels(*at).set(1)
                due_s = event.deadline.wall_s if event.deadline else event.at.wall_s + plan.duration_s
                self._deadline.labels(*at).set(due_s + event.undo.wait_s)
            case Injected():
                self._injections.labels(*at).inc()
                if event.error is None:
                    self._complete.add(injection)
            case Aborted():
                self._complete.discard(injection)
            case Settled():
                self._active.labels(*at).set(0)
                self._deadline.labels(*at).set(0)
            case Reverted():
                self._active.labels(*at).set(0)
                self._deadline.labels(*at).set(0)
                self._swept(plan, event.reversion, complete=injection in self._complete)
            case RevertFailed():
                self._undo_failures.labels(plan.fault).inc()
            case _:
                pass

    def _judged(self, injection: str, plan: Plan, event: Judged) -> None:
        if not event.revised:
            self._finished.labels(plan.experiment or MANUAL, event.judgement.verdict.value).inc()
            self._measured(plan, event.judgement)
        if event.judgement.verdict is not Verdict.UNDO_FAILED:
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
        steady = self._settings.steady_state.get(observation.target, ())
        if observation.probe in steady:
            ok = all(n in self._latest and self._latest[n].status is Status.OK for n in steady)
            self._steady.labels(observation.target).set(ok)

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
            self._active.labels(plan.fault, plan.target).set(1)
            wait_s = left.undo.wait_s if left.undo else 0.0
            due_s = left.deadline.wall_s if left.deadline else plan.planned_at.wall_s + plan.duration_s
            self._deadline.labels(plan.fault, plan.target).set(due_s + wait_s)

    def skipped(self, reason: str) -> None:
        """Count a scheduled occurrence that was skipped."""
        self._refusals.labels(reason).inc()

    def lagged(self, seconds: float) -> None:
        """Note how late a scheduled experiment was started."""
        self._lag.set(seconds)

    def broke(self, listener: str) -> None:
        """Count a listener that broke."""
        self._listener.labels(listener).inc()

    def watch(
        self,
        *,
        halted: Callable[[], bool],
        pending: Callable[[], int],
        next_times: Callable[[], Mapping[str, float]],
    ) -> None:
        """Ask these at every scrape."""
        self._halted.set_function(or_unknown(halted))
        self._pending.set_function(or_unknown(pending))
        for experiment in self._settings.experiments:
            name = experiment.name
            self._next.labels(name).set_function(lambda name=name: next_times().get(name, math.nan))  # type: ignore[misc]

    def render(self, accept: str) -> tuple[bytes, str]:
        """Return the exposition and its content type, negotiated from the Accept header."""
        encoder, content_type = choose_encoder(accept)
        return encoder(self.registry), content_type


def _senders(experiment: ExperimentSetting) -> tuple[str, ...]:
    """Return what sends messages in an experiment: its workload's scenario, and a burst."""
    played = (experiment.workload.scenario,) if experiment.workload else ()
    return (*played, BURST) if experiment.fault == BURST else played
