"""One target: its probes, queue, times, recoveries and invariants."""

from panels import LOOK
from shared import FAULTS, RECOVERY, STEADY_STATE, VIOLATIONS, T, panel, q

TARGET = (
    (
        "State",
        (
            FAULTS,
            STEADY_STATE,
            panel(
                "states",
                "Probes",
                "none",
                "The last look of each probe; unknown counts as not ok.",
                q(f"min by (probe) (chaosd_probe_success{{{T}}})", "{{probe}}"),
                says=LOOK,
            ),
            panel(
                "lines",
                "How long a look takes",
                "s",
                "Duration of each probe's last look.",
                q(f"max by (probe) (chaosd_probe_duration_seconds{{{T}}})", "{{probe}}"),
            ),
            panel(
                "lines",
                "What the probes measure",
                "short",
                "Every measure; unknown is a gap.",
                q(f"max by (probe, measure) (chaosd_probe_value{{{T}}})", "{{probe}} {{measure}}"),
                lowest=None,
                width=24,
            ),
        ),
    ),
    (
        "Work",
        (
            panel(
                "lines",
                "Queue",
                "short",
                "Messages in the target's queues.",
                q(f"max by (state) (chaosd_queue_messages{{{T}}})", "{{state}}"),
            ),
            panel(
                "bars",
                "Messages sent by chaosd",
                "short",
                "Of scenarios, the canary and bursts.",
                q(
                    f"sum by (scenario) (increase(chaosd_messages_sent_total{{{T}}}[$__rate_interval]))",
                    "{{scenario}}",
                ),
            ),
            panel(
                "lines",
                "Message to deployed",
                "s",
                "The slowest message of the last scenario or canary.",
                q(f"max by (target) (chaosd_message_seconds{{{T}}})", "{{target}}"),
                q(
                    f'max by (target) (chaosd_objective_seconds{{objective="message", {T}}})',
                    "{{target}}: objective",
                ),
            ),
            panel(
                "lines",
                "Change of branch",
                "s",
                "The slowest of the last scenario, at most.",
                q(f"max by (target) (chaosd_branch_switch_seconds{{{T}}})", "{{target}}"),
                q(
                    f'max by (target) (chaosd_objective_seconds{{objective="branch_switch", {T}}})',
                    "{{target}}: objective",
                ),
            ),
        ),
    ),
    (
        "Faults and their consequences",
        (
            RECOVERY,
            panel(
                "lines",
                "Detection, p95 of seven days",
                "s",
                "Injection to the first failing probe.",
                q(
                    "histogram_quantile(0.95, sum by (fault, le) "
                    f"(increase(chaosd_detection_seconds_bucket{{{T}}}[7d]))) >= 0",
                    "{{fault}}",
                ),
            ),
            panel(
                "bars",
                "Injections",
                "short",
                "Faults carried out.",
                q(f"sum by (fault) (increase(chaosd_injections_total{{{T}}}[$__rate_interval]))", "{{fault}}"),
            ),
            VIOLATIONS,
        ),
    ),
)
