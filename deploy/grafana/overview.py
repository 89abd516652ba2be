"""Is anything injected now, does the system hold, how fast does it recover, what is broken."""

from panels import GREEN, ORANGE, RED, YES_IS_BAD
from shared import FAULTS, NONE_IS_GOOD, P95, RECOVERY, STEADY_STATE, VIOLATIONS, T, panel, q

OVERVIEW = (
    (
        "Now",
        (
            panel(
                "stat",
                "Faults active",
                "short",
                "Injected and not yet taken back.",
                q(f"sum(chaosd_fault_active{{{T}}})"),
                width=4,
                height=4,
                steps=((None, GREEN), (1.0, ORANGE)),
            ),
            panel(
                "stat",
                "Past their deadline",
                "short",
                "Active faults that should be gone.",
                q(
                    f"count((time() > (chaosd_fault_deadline_timestamp_seconds{{{T}}} > 0)) "
                    f"and on (job, instance, fault, target) chaosd_fault_active == 1) "
                    # none is 0 where somebody tells of faults, and unknown where nobody does
                    f"or 0 * count(chaosd_fault_active{{{T}}})"
                ),
                width=4,
                height=4,
                steps=NONE_IS_GOOD,
            ),
            panel(
                "stat",
                "Steady targets",
                "percentunit",
                "Share of the targets that are steady now.",
                q(f"avg(min by (target) (chaosd_steady_state{{{T}}}))"),  # a target of two instances is one
                width=4,
                height=4,
                extra={"max": 1},
                steps=((None, RED), (1.0, GREEN)),
            ),
            panel(
                "stat",
                "Undo outstanding",
                "short",
                "Injections not yet taken back, scenarios not yet swept.",
                q("sum(chaosd_pending_undo)"),
                width=4,
                height=4,
                steps=((None, GREEN), (1.0, ORANGE)),
            ),
            panel(
                "stat",
                "Halted",
                "none",
                "Whether any daemon is halted; unknown when one cannot tell and no other is.",
                # max leaves NaN out, a sum does not
                q("max(chaosd_halted) == 1 or sum(chaosd_halted)"),
                width=4,
                height=4,
                says=YES_IS_BAD,
            ),
            panel(
                "stat",
                "Next experiment",
                "dateTimeFromNow",
                "When the next one is due.",
                q("min(chaosd_next_experiment_timestamp_seconds) * 1000"),
                width=4,
                height=4,
                lowest=None,
            ),
            FAULTS,
            STEADY_STATE,
        ),
    ),
    (
        "Recovery",
        (
            RECOVERY,
            panel(
                "gauges",
                "p95 as a share of the objective",
                "percentunit",
                "Above 100 %: one recovery in twenty takes longer than allowed.",
                q(
                    f"max by (fault, target) ({P95}{{{T}}}) / on (target) group_left () "
                    f'max by (target) (chaosd_objective_seconds{{objective="recover", {T}}})',
                    "{{fault}} on {{target}}",
                ),
                steps=((None, GREEN), (0.8, ORANGE), (1.0, RED)),
            ),
        ),
    ),
    (
        "Verdicts and invariants",
        (
            panel(
                "bars",
                "Verdicts",
                "short",
                "Experiments judged, by verdict.",
                q(
                    "sum by (verdict) (increase(chaosd_experiments_finished_total[$__rate_interval]))",
                    "{{verdict}}",
                ),
            ),
            panel(
                "gauges",
                "Verdicts in this period",
                "short",
                "Experiments judged in the period shown.",
                q(
                    "round(sum by (verdict) (increase(chaosd_experiments_finished_total[$__range])))",
                    "{{verdict}}",
                ),
            ),
            VIOLATIONS,
            panel(
                "gauges",
                "Violations in this period",
                "short",
                "Runs that broke each invariant.",
                q(
                    f"round(sum by (invariant) (increase(chaosd_invariant_violations_total{{{T}}}[$__range])))",
                    "{{invariant}}",
                ),
                steps=NONE_IS_GOOD,
            ),
            panel(
                "stat",
                "Steady share of the last day",
                "percentunit",
                "Time in which each target was steady, and of how much of the day anybody knows: a share of that.",
                q(
                    # every scrape counts once, whichever job and instance it was of
                    f"sum by (target) (sum_over_time(chaosd_steady_state{{{T}}}[1d])) "
                    f"/ sum by (target) (count_over_time(chaosd_steady_state{{{T}}}[1d]))",
                    "{{target}}",
                ),
                q(f"max by (target) (target:chaosd_steady_state:coverage1d{{{T}}})", "{{target}}: observed"),
                extra={"max": 1},
                steps=((None, RED), (0.95, ORANGE), (0.99, GREEN)),
            ),
            panel(
                "bars",
                "Refused and skipped",
                "short",
                "What the guard refused and the schedule skipped, by rule.",
                q("sum by (reason) (increase(chaosd_refusals_total[$__rate_interval]))", "{{reason}}"),
            ),
        ),
    ),
)
