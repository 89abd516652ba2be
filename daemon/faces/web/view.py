"""What the status page shows, as plain data: from the journal, the prober and the schedule, all asked at one moment."""

from collections.abc import Mapping, Sequence
from typing import Any

from daemon.core.events import Injection, State
from daemon.core.model import Observation, Status
from daemon.core.settings import AboutEvery, Cron, Every, ExperimentSetting, Settings
from daemon.faces import shapes
from daemon.faces.serving.desk import Desk
from daemon.faces.web.past import Past
from daemon.faces.web.words import span

RECENT_MAX = 40
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
    stuck = [i for i in active if i.state is State.REVERT_FAILED]
    failing = [look["probe"] for look in looks if look["steady"] and look["status"] == Status.FAILING]
    unseen = [
        look["probe"] for look in looks if look["steady"] and look["status"] not in (Status.OK, Status.FAILING)
    ]
    harming = [i for i in active if i.outstanding]
    if stuck:
        return f"An undo has failed: {stuck[0].plan.fault} on {stuck[0].plan.target}", "bad"
    if halted is not None:
        return "Halted: nothing begins until somebody resumes", "warn"
    if harming:
        one = harming[0].plan
        return (
            f"{one.fault} is active on {one.target}" if len(harming) == 1 else f"{len(harming)} faults active"
        ), "calm"
    if failing:
        return f"No fault is active, yet {', '.join(failing)} {'is' if len(failing) == 1 else 'are'} failing", "bad"
    if active:
        return f"{active[0].plan.fault} on {active[0].plan.target}: {STATES[active[0].state]}", "calm"
    if unseen:
        return f"No fault is active; {', '.join(unseen)} {'is' if len(unseen) == 1 else 'are'} unknown", "warn"
    return "Quiet: no fault is active and every target is steady", "good"


def _active(found: Injection, now_s: float) -> dict[str, Any]:
    plan, deadline = found.plan, found.deadline
    begun_s = found.injected.started.wall_s if found.injected else None
    ends_s = None
    if found.outstanding:
        ends_s = begun_s + plan.duration_s if begun_s is not None else deadline.wall_s if deadline else None
    document = shapes.injection(found)
    return document | {
        "what": STATES[found.state],
        "tone": "bad" if found.state is State.REVERT_FAILED else "calm",
        "outstanding": found.outstanding,
        "actions": list(found.undo.actions) if found.undo else [],
        "ends_at": None if ends_s is None else shapes.stamp(ends_s),
        "left": None if ends_s is None else max(0.0, ends_s - now_s),
        "failures": found.failures,
    }


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
