"""The families of metrics: their names, what they say, their labels, and the label sets that the settings name."""

from dataclasses import asdict
from itertools import product

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from daemon.core import guard
from daemon.core.events import Verdict
from daemon.core.invariants import INVARIANTS
from daemon.core.settings import ExperimentSetting, Settings
from daemon.ports.courier import Outcome

BUCKETS_S = (0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 45, 60, 90, 120, 180, 300, 600, 900, 1800)
MANUAL = "manual"
BURST = "sqs-burst"
_AT, _ON = ("fault", "target"), ("probe", "target")


class Families:
    """Every family on one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        ProcessCollector(registry=registry)
        self._define_experiments()
        self._define_targets()
        self._define_service()

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"chaosd_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"chaosd_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, *labels: str) -> Histogram:
        return Histogram(f"chaosd_{name}", text, labels, registry=self.registry, buckets=BUCKETS_S)

    def _define_experiments(self) -> None:
        self._started = self._counter("experiments_started", "Experiments proposed.", "experiment")
        self._finished = self._counter("experiments_finished", "Experiments judged.", "experiment", "verdict")
        self._active = self._gauge("fault_active", "1 while an injection may have an effect.", *_AT)
        self._deadline = self._gauge(
            "fault_deadline_timestamp_seconds", "When the active fault must be gone.", *_AT
        )
        self._injections = self._counter("injections", "Injections carried out.", *_AT)
        self._undo_failures = self._counter("undo_failures", "Failed attempts to take a fault back.", "fault")
        self._recovery = self._histogram(
            "recovery_seconds", "Injection to steady again, healed by the worker.", *_AT
        )
        self._detection = self._histogram("detection_seconds", "Injection to the first failing probe.", *_AT)
        self._next = self._gauge("next_experiment_timestamp_seconds", "Next scheduled start.", "experiment")

    def _define_targets(self) -> None:
        self._violations = self._counter(
            "invariant_violations", "Invariants broken by a workload's run, each once a run.", "invariant", "target"
        )
        self._success = self._gauge("probe_success", "1 when the probe's last look was ok, else 0.", *_ON)
        self._duration = self._gauge("probe_duration_seconds", "How long the probe's last look took.", *_ON)
        self._value = self._gauge("probe_value", "What the probe measured; NaN while unknown.", *_ON, "measure")
        self._steady = self._gauge("steady_state", "1 while every steady-state probe is ok, else 0.", "target")
        self._sent = self._counter("messages_sent", "Marked messages sent to a target.", "scenario", "target")
        self._queue = self._gauge("queue_messages", "Messages in the target's queues.", "target", "state")
        self._message = self._gauge(
            "message_seconds", "Last canary or scenario: slowest message to deployed.", "target"
        )
        self._switch = self._gauge(
            "branch_switch_seconds", "Last scenario: slowest change of branch, at most.", "target"
        )
        self._objective = self._gauge("objective_seconds", "The target's own limits.", "target", "objective")

    def _define_service(self) -> None:
        self._build_info = self._gauge("build_info", "Constant 1, labelled with the version.", "version")
        self._pending = self._gauge("pending_undo", "Injections not yet taken back, and scenarios not yet swept.")
        self._writable = self._gauge(
            "journal_writable", "1 while there are room and rights to record one more injection, else 0."
        )
        self._refusals = self._counter("refusals", "Experiments refused or skipped.", "reason")
        self._halted = self._gauge("halted", "1 while a halt is in force.")
        self._lag = self._gauge("schedule_lag_seconds", "How late the last experiment was started.")
        self._reload_ok = self._gauge(
            "config_last_reload_successful", "1 when the last reload was taken, 0 when refused."
        )
        self._reload_at = self._gauge(
            "config_last_reload_success_timestamp_seconds", "When the configuration in force was taken."
        )
        self._listener = self._counter("listener_failures", "Listeners that broke on an event.", "listener")
        self._notices = self._counter("notifications", "What became of notifications.", "destination", "outcome")

    def _start_at_zero(self, settings: Settings) -> None:
        """Make the label sets that the settings name, so that a rate over them is never absent; idempotent."""
        for reason in guard.names():
            self._refusals.labels(reason)
        for name in (MANUAL, *(e.name for e in settings.experiments)):
            self._started.labels(name)
            for verdict in Verdict:
                self._finished.labels(name, verdict.value)
        for listener in ("journal.looks", "journal.undo"):  # what the recorder tells beside broken listeners
            self._listener.labels(listener)
        self._targets_at_zero(settings)
        destinations = [d.name for d in settings.notify] + (["grafana"] if settings.grafana else [])
        for destination, outcome in product(destinations, Outcome):
            self._notices.labels(destination, outcome.value)
        for experiment in settings.experiments:
            at = (experiment.fault, experiment.target)
            for family in (self._active, self._injections, self._recovery, self._detection):
                family.labels(*at)
            self._undo_failures.labels(experiment.fault)
            for sender in _senders(experiment):
                self._sent.labels(sender, experiment.target)

    def _targets_at_zero(self, settings: Settings) -> None:
        for judged in settings.steady_state:
            self._steady.labels(judged)
        for name, target in settings.targets.items():
            for objective, limit_s in asdict(target.limits).items():
                self._objective.labels(name, objective.removesuffix("_s")).set(limit_s)
        able = [n for n, t in settings.targets.items() if t.queue is not None and t.repository is not None]
        for invariant, played in product(INVARIANTS, able):
            self._violations.labels(invariant, played)


def _senders(experiment: ExperimentSetting) -> tuple[str, ...]:
    """Return what sends messages in an experiment: its workload's scenario, and a burst."""
    played = (experiment.workload.scenario,) if experiment.workload else ()
    return (*played, BURST) if experiment.fault == BURST else played
