"""What the status page shows, as plain data: from the journal, the prober and the schedule."""

from collections.abc import Mapping, Sequence
from typing import Any

from daemon.core.events import Injection, Plan, State
from daemon.core.model import Observation, Status
from daemon.core.settings import AboutEvery, Cron, Every, ExperimentSetting, Settings
from daemon.faces import shapes
from daemon.faces.serving.desk import Desk
from daemon.faces.web.past import Past
from daemon.faces.web.words import span

RECENT_MAX = 40
LISTED_MAX = 3
STATES: Mapping[State, str] = {
    State.PROPOSED: "looking whether the target is steady",
    State.PLANNED: "being injected",
    State.INJECTED: "active",
    State.REVERTED: "undone; the recovery is watched",
    State.SUPERSEDED: "repaired by the worker; the recovery is watched",
    State.REVERT_FAILED: "the undo has failed; it is tried again",
    State.SETTLED: "settled",
    State.REFUSED: "refused",
    State.DROPPED: "dropped",
}


def situation(desk: Desk, past: Past) -> dict[str, Any]:
    """Return everything the page shows; raises JournalError."""
    settings, now_s = desk.settings(), desk.news.clock.instant().wall_s
    running, outstanding = desk.journal.running(), desk.journal.outstanding()
    known = {i.plan.injection: i for i in (*running, *outstanding)}
    active = sorted(known.values(), key=lambda i: i.plan.planned_at.wall_s)
    recent = past.experiments(desk.journal.recent(most=RECENT_MAX), desk.journal, desk.news.clock.instant())
    looks = _looks(settings, desk.latest())
    halted = desk.control.halted
    return {
        "facts": desk.facts,
        "now": shapes.stamp(now_s),
        "halted": halted,
        "active": [_active(i, now_s) for i in active],
        "runs": shapes.scenario_runs(desk.journal.scenarios.open_runs()),
        "looks": looks,
        "next": _next(settings, desk.next_times()),
        "experiments": recent,
        "headline": headline(halted, active, looks),
        "targets": sorted(settings.targets),
        "faults": [shapes.fault(kind) for _, kind in sorted(desk.faults.items())],
    }


def headline(
    halted: str | None, active: Sequence[Injection], looks: Sequence[Mapping[str, Any]]
) -> tuple[str, str]:
    """Return the page in one sentence, and its tone: the worst that is true. Unknown is not quiet."""
    steady = [look for look in looks if look["steady"]]
    failing = [look["probe"] for look in steady if look["status"] == Status.FAILING]
    unseen = [look["probe"] for look in steady if look["status"] not in (Status.OK, Status.FAILING)]
    stuck = [i.plan for i in active if i.state is State.REVERT_FAILED]
    harming = [i.plan for i in active if i.outstanding]
    told: tuple[tuple[Sequence[Plan | str], str, str], ...] = (
        (stuck, "An undo has failed: {0}", "bad"),
        ([] if halted is None else [halted], "Halted: nothing begins until somebody resumes", "warn"),
        (harming, "Active: {0}", "calm"),
        (failing, "No fault is active, yet failing: {0}", "bad"),
        ([i.plan for i in active], "Under way: {0}", "calm"),
        (unseen, "No fault is active; unknown: {0}", "warn"),
    )
    for found, sentence, tone in told:
        if found:
            return sentence.format(_listed(found)), tone
    return "Quiet: no fault is active and every target is steady", "good"


def _listed(found: Sequence[Plan | str]) -> str:
    said = [one if isinstance(one, str) else f"{one.fault} on {one.target}" for one in found]
    return ", ".join(said[:LISTED_MAX]) + (f" and {len(said) - LISTED_MAX} more" if len(said) > LISTED_MAX else "")


def _active(found: Injection, now_s: float) -> dict[str, Any]:
    plan, deadline = found.plan, found.deadline
    begun_s = found.injected.started.wall_s if found.injected else None
    ends_s = None
    if found.outstanding and found.aborted is None:
        ends_s = begun_s + plan.duration_s if begun_s is not None else deadline.wall_s if deadline else None
    document = shapes.injection(found)
    return document | {
        "what": _doing(found),
        "tone": "bad" if found.state is State.REVERT_FAILED else "calm",
        "outstanding": found.outstanding,
        "actions": list(found.undo.actions) if found.undo else [],
        "ends_at": None if ends_s is None else shapes.stamp(ends_s),
        "left": None if ends_s is None else max(0.0, ends_s - now_s),
        "failures": found.failures,
    }


def _doing(found: Injection) -> str:
    """Return what is going on with it, in words."""
    if found.aborted is not None and found.state in (State.PLANNED, State.INJECTED):
        return f"being undone: {found.aborted.reason}"
    return STATES[found.state]


def _looks(settings: Settings, latest: Mapping[str, Observation]) -> list[dict[str, Any]]:
    """Return the configured probes, each with its latest look; those that do not look well first."""
    order = {Status.FAILING: 0, Status.UNKNOWN: 1, "not yet": 2, Status.OK: 3}
    rows = []
    for probe in settings.probes:
        seen = latest.get(probe.name)
        row = {
            "probe": probe.name,
            "kind": probe.probe,
            "target": probe.target,
            "every": span(probe.every_s),
            "steady": probe.name in settings.steady_state.get(probe.target, ()),
            "status": "not yet",
            "at": None,
            "measures": {},
            "findings": [],
        }
        rows.append(row | shapes.observation(seen) if seen else row)
    return sorted(rows, key=lambda row: (order[row["status"]], row["target"], row["probe"]))


def _next(settings: Settings, times: Mapping[str, float]) -> list[dict[str, Any]]:
    """Return the configured experiments, those due first on top; one without a time comes last."""
    rows = [
        {
            "name": e.name,
            "fault": e.fault,
            "mode": str(e.parameters.get("mode", "")),
            "target": e.target,
            "trigger": trigger(e),
            "for": span(e.duration_s),
            "workload": e.workload.scenario if e.workload else None,
            "at": shapes.stamp(times[e.name]) if e.name in times else None,
        }
        for e in settings.experiments
    ]
    return sorted(rows, key=lambda row: (row["at"] is None, row["at"] or "", row["name"]))


def trigger(experiment: ExperimentSetting) -> str:
    """Return when an experiment is due, in words."""
    match experiment.trigger:
        case Cron(expression=expression, timezone=zone):
            return f"cron {expression} ({zone})"
        case Every(seconds=seconds):
            return f"every {span(seconds)}"
        case AboutEvery(seconds=seconds):
            return f"about every {span(seconds)}"
