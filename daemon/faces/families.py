"""The families of metrics: their names, what they say, and their labels."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

BUCKETS_S = (0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 45, 60, 90, 120, 180, 300, 600, 900, 1800)


class Families:
    """Every family on one registry, without a label set yet."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        ProcessCollector(registry=registry)

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
        self._reload_ok = gauge(
            "config_last_reload_successful", "1 when the last reload was taken, 0 when refused."
        )
        self._reload_at = gauge(
            "config_last_reload_success_timestamp_seconds", "When the configuration in force was taken."
        )
        self._listener = counter("listener_failures", "Listeners that broke on an event.", "listener")
        self._objective = gauge("objective_seconds", "The target's own limits.", "target", "objective")
        self._notices = counter("notifications", "What became of notifications.", "destination", "outcome")
