"""What the status page shows, as plain data: from the journal, the prober and the schedule."""

from collections.abc import Mapping
from typing import Any

from daemon.core.events import Injection, State
from daemon.core.model import Instant, Observation, Status
from daemon.core.settings import AboutEvery, Cron, Every, ExperimentSetting, Settings
from daemon.faces import shapes
from daemon.faces.serving.desk import Desk
from daemon.faces.web.headline import headline
from daemon.faces.web.past import Past
from daemon.faces.web.words import span, time_of_day

RECENT_MAX = 40
OLD_S = 30.0  # a look that is older, and has missed its turn several times, says nothing of now
OLD_TURNS = 3
STATES: Mapping[State, str] = {
    State.PROPOSED: "looking whether the target is steady",
    State.PLANNED: "being injected",
    State.INJECTED: "active",
    State.REVERTED: "undone; the recovery is watched",
    State.SUPERSEDED: "changed by somebody else, left alone; the recovery is watched",
    State.REVERT_FAILED: "the undo has failed; it is tried again",
    State.SETTLED: "settled",
    State.REFUSED: "refused",
    State.DROPPED: "dropped",
}


def situation(desk: Desk, past: Past) -> dict[str, Any]:
    """Return everything the page shows; raises JournalError."""
    settings, now = desk.settings(), desk.news.clock.instant()
    running, outstanding = desk.journal.running(), desk.journal.outstanding()
    known = {i.plan.injection: i for i in (*running, *outstanding)}
    active = sorted(known.values(), key=lambda i: i.plan.planned_at.wall_s)
    recent = past.experiments(desk.journal.recent(most=RECENT_MAX), desk.journal, now)
    looks = _looks(settings, desk.latest(), now)
    runs = shapes.scenario_runs(desk.journal.scenarios.open_runs())
    halted = desk.control.halted
    return {
        "facts": desk.facts,
        "now": shapes.stamp(now.wall_s),
        "halted": halted,
        "active": [_active(i, now.wall_s) for i in active],
        "runs": runs,
        "looks": looks,
        "next": _next(settings, desk.next_times()),
        "experiments": recent,
        "headline": headline(halted, active, looks, runs, sorted(settings.targets)),
        "targets": sorted(settings.targets),
        "faults": [shapes.fault(kind) for _, kind in sorted(desk.faults.items())],
    }


def _active(found: Injection, now_s: float) -> dict[str, Any]:
    plan, deadline = found.plan, found.deadline
    begun_s = found.injected.started.wall_s if found.injected else None
    ends_s = None
    if found.state in (State.PLANNED, State.INJECTED) and found.aborted is None:
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
    if found.state is State.PROPOSED and found.armed is not None and found.plan.when is not None:
        until_s = found.armed.at.wall_s + found.plan.when.within_s
        return f"waiting for {found.plan.when}, until {time_of_day(shapes.stamp(until_s))}"
    return STATES[found.state]


def _looks(settings: Settings, latest: Mapping[str, Observation], now: Instant) -> list[dict[str, Any]]:
    """Return the configured probes, each with its latest look; those that do not look well first.

    ``old`` is a look that says nothing of now.
    """
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
            "old": seen is not None and _old(seen, probe.every_s, now),
            "at": None,
            "measures": {},
            "findings": [],
        }
        rows.append(row | shapes.observation(seen) if seen else row)
    return sorted(rows, key=lambda row: (order[row["status"]], row["target"], row["probe"]))


def _old(seen: Observation, every_s: float, now: Instant) -> bool:
    turn_s = every_s + seen.answered.mono_s - seen.asked.mono_s
    return now.mono_s - seen.answered.mono_s > max(OLD_S, OLD_TURNS * turn_s)


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
            "when": str(e.when) if e.when else None,
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
