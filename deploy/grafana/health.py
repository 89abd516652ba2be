"""Whether the daemon itself is well: undo, journal, schedule, notifications, memory."""

from panels import GREEN, ORANGE, RED, YES_IS_BAD
from shared import I, panel, q

HEALTH = (
    (
        "Now",
        (
            panel(
                "stat",
                "Up",
                "none",
                "Whether Prometheus reaches it.",
                q(f'min by (instance) (up{{job="chaosd", {I}}})', "{{instance}}"),
                width=6,
                height=4,
                says=(("0", "down", RED), ("1", "up", GREEN)),
            ),
            panel(
                "stat",
                "Version",
                "none",
                "What runs where.",
                q(f"max by (version) (chaosd_build_info{{{I}}})", "{{version}}"),
                width=6,
                height=4,
            ),
            panel(
                "stat",
                "Halted",
                "none",
                "Whether a halt is in force.",
                q(f"max by (instance) (chaosd_halted{{{I}}})", "{{instance}}"),
                width=6,
                height=4,
                says=YES_IS_BAD,
            ),
            panel(
                "stat",
                "Undo outstanding",
                "short",
                "No data: the journal does not answer.",
                q(f"sum by (instance) (chaosd_pending_undo{{{I}}})", "{{instance}}"),
                width=6,
                height=4,
                steps=((None, GREEN), (1.0, ORANGE)),
            ),
        ),
    ),
    (
        "Undo and schedule",
        (
            panel(
                "bars",
                "Failed undos",
                "short",
                "Attempts to take a fault back that failed.",
                q(f"sum by (fault) (increase(chaosd_undo_failures_total{{{I}}}[$__rate_interval]))", "{{fault}}"),
            ),
            panel(
                "lines",
                "Schedule lag",
                "s",
                "How late the last experiment was started.",
                q(f"max by (instance) (chaosd_schedule_lag_seconds{{{I}}})", "{{instance}}"),
            ),
            panel(
                "lines",
                "Time to the next start",
                "s",
                "Below zero: overdue.",
                q(
                    f"min by (experiment) (chaosd_next_experiment_timestamp_seconds{{{I}}}) - time()",
                    "{{experiment}}",
                ),
                lowest=None,
            ),
            panel(
                "bars",
                "Experiments started",
                "short",
                "Proposed, by experiment.",
                q(
                    f"sum by (experiment) (increase(chaosd_experiments_started_total{{{I}}}[$__rate_interval]))",
                    "{{experiment}}",
                ),
            ),
        ),
    ),
    (
        "Listeners",
        (
            panel(
                "bars",
                "Notifications",
                "short",
                "Delivered, given up, dropped because they came too fast.",
                q(
                    "sum by (destination, outcome) "
                    f"(increase(chaosd_notifications_total{{{I}}}[$__rate_interval]))",
                    "{{destination}} {{outcome}}",
                ),
            ),
            panel(
                "bars",
                "Listeners that broke",
                "short",
                "They stop nothing, but what they tell is not complete.",
                q(
                    f"sum by (listener) (increase(chaosd_listener_failures_total{{{I}}}[$__rate_interval]))",
                    "{{listener}}",
                ),
            ),
        ),
    ),
    (
        "Fault proxy",
        (
            panel(
                "stat",
                "Proxy",
                "none",
                "Whether it answers; no data: the configuration has none.",
                q(f"min by (instance) (chaosd_proxy_up{{{I}}})", "{{instance}}"),
                width=6,
                says=(("0", "down", RED), ("1", "up", GREEN)),
            ),
            panel(
                "bars",
                "Calls through it",
                "short",
                "By service.",
                q(
                    f"sum by (aws_service) (increase(chaosd_proxy_requests_total{{{I}}}[$__rate_interval]))",
                    "{{aws_service}}",
                ),
                width=9,
            ),
            panel(
                "bars",
                "Requests disturbed",
                "short",
                "By a rule, each try of an SDK counted.",
                q(f"sum by (fault) (increase(chaosd_proxy_faults_total{{{I}}}[$__rate_interval]))", "{{fault}}"),
                width=9,
            ),
        ),
    ),
    (
        "Process",
        (
            panel(
                "lines",
                "Memory",
                "bytes",
                "Resident.",
                q(f'process_resident_memory_bytes{{job="chaosd", {I}}}', "{{instance}}"),
                width=8,
            ),
            panel(
                "lines",
                "CPU",
                "percentunit",
                "Share of one core.",
                q(f'rate(process_cpu_seconds_total{{job="chaosd", {I}}}[$__rate_interval])', "{{instance}}"),
                width=8,
            ),
            panel(
                "lines",
                "Open files",
                "short",
                "File descriptors in use.",
                q(f'process_open_fds{{job="chaosd", {I}}}', "{{instance}}"),
                width=8,
            ),
        ),
    ),
)
