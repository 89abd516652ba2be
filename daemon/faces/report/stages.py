"""Times per stage: from sending to branch, deployment and answer, per scenario and fault."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from daemon.faces.report.trials import Trial
from daemon.faces.report.waterfall import PARTS, after_s
from daemon.faces.shapes import DIGITS

P95_MIN = 20  # below that the 95th percentile is the maximum under another name


def stage_times(found: Sequence[Trial]) -> list[dict[str, Any]]:
    """Return a row per target, scenario and fault (or purpose, where there is none), of all messages due."""
    groups: dict[tuple[str, str, str], list[Trial]] = {}
    for trial in found:
        if trial.course.ledger.sent:
            beside = trial.fault or trial.purpose.value
            groups.setdefault((trial.target, trial.course.scenario, beside), []).append(trial)
    return [
        {
            "target": target,
            "scenario": scenario,
            "beside": beside,
            "runs": len(own),
            "messages": sum(1 for t in own for _ in t.course.ledger.wanted()),
            "stages": {stage: _stage(own, stage) for stage in PARTS},
        }
        for (target, scenario, beside), own in sorted(groups.items())
    ]


def _stage(own: Sequence[Trial], stage: str) -> Mapping[str, Any]:
    """Return the summary of one stage. What was not seen is counted and left out of the times, never taken as 0."""
    able = [t for t in own if PARTS[stage] not in t.course.ledger.absent]
    times = [s for trial in able for s in after_s(trial, stage)]
    seen = sorted(s for s in times if s is not None)
    return {
        "absent": not able,
        "n": len(seen),
        "unseen": len(times) - len(seen),
        "median": round(median(seen), DIGITS) if seen else None,
        "p95": round(_nearest_rank(seen), DIGITS) if len(seen) >= P95_MIN else None,
        "max": round(seen[-1], DIGITS) if seen else None,
    }


def _nearest_rank(ordered: Sequence[float]) -> float:
    return ordered[-(-len(ordered) * 95 // 100) - 1]
