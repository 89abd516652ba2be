"""What several dashboards show; each query with the labels that its dashboard's variable chooses."""

from panels import ACTIVE, GREEN, RED, STEADY, Panel, Query

T = 'target=~"$target"'
I = 'instance=~"$instance"'  # noqa: E741  as short as T: both stand in every line
NONE_IS_GOOD = ((None, GREEN), (1.0, RED))
P50, P95 = "fault_target:chaosd_recovery_seconds:p50_7d", "fault_target:chaosd_recovery_seconds:p95_7d"


def panel(kind: str, title: str, unit: str, says_what: str, *queries: Query, **rest: object) -> Panel:
    """Return a panel."""
    return Panel(kind=kind, title=title, unit=unit, says_what=says_what, queries=queries, **rest)  # type: ignore[arg-type]


def q(expr: str, legend: str = "") -> Query:
    """Return a query."""
    return Query(expr=expr, legend=legend)


OBJECTIVE = q(f'max by (target) (chaosd_objective_seconds{{objective="recover", {T}}})', "{{target}}: objective")
RECOVERY = panel(
    "lines",
    "Recovery against the objective",
    "s",
    "Of the last seven days, healed by the worker; a run that did not recover is not in it, but in the verdicts.",
    q(f"max by (fault, target) ({P50}{{{T}}})", "{{fault}} on {{target}}: p50"),
    q(f"max by (fault, target) ({P95}{{{T}}})", "{{fault}} on {{target}}: p95"),
    OBJECTIVE,
)
VIOLATIONS = panel(
    "bars",
    "Invariants violated",
    "short",
    "How many runs of a workload broke each invariant.",
    q(
        f"sum by (invariant) (increase(chaosd_invariant_violations_total{{{T}}}[$__rate_interval]))",
        "{{invariant}}",
    ),
)
STEADY_STATE = panel(
    "states",
    "Steady state",
    "none",
    "Whether every steady-state probe is ok.",
    q(f"min by (target) (chaosd_steady_state{{{T}}})", "{{target}}"),
    says=STEADY,
    height=6,
)
FAULTS = panel(
    "states",
    "Faults",
    "none",
    "When each fault was active.",
    q(f"max by (fault, target) (chaosd_fault_active{{{T}}})", "{{fault}} on {{target}}"),
    says=ACTIVE,
    height=6,
)
