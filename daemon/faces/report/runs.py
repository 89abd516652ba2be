"""Scenario runs in the report's document: what ``scenario run`` prints of each, and what the report adds."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from daemon.core.course import Purpose
from daemon.faces import courses
from daemon.faces.report.trials import Ending, Trial
from daemon.faces.report.waterfall import waterfall


def document(trial: Trial) -> dict[str, Any]:
    """Return one run. ``violations`` holds all that was seen; ``masked`` names what the baseline had shown too."""
    opened = trial.run.opened
    return {
        **courses.course(trial.course),
        "unknown": [{"invariant": r.invariant, "reason": r.reason} for r in trial.unknown],
        "purpose": opened.purpose.value,
        "injection": opened.injection,
        "fault": trial.fault,
        "parameters": dict(opened.parameters),
        "ending": trial.ending.value,
        "masked": list(trial.masked),
        "swept": not trial.run.outstanding,
        "sweep_error": trial.run.last_error if trial.run.outstanding else None,
        "waterfall": waterfall(trial),
    }


def summary(found: Sequence[Trial]) -> dict[str, Any]:
    """Return how many runs of each purpose ended how."""
    endings, purposes = Counter(t.ending for t in found), Counter(t.purpose for t in found)
    return {
        "total": len(found),
        "endings": {e.value: endings.get(e, 0) for e in Ending},
        "purposes": {p.value: purposes.get(p, 0) for p in Purpose},
        "alone_violated": sum(1 for t in alone(found) if t.ending is Ending.VIOLATED),
        "unswept": [t.run.opened.run for t in found if t.run.outstanding],
    }


def alone(found: Sequence[Trial]) -> list[Trial]:
    """Return the runs that speak for themselves: an experiment's is in its verdict, a baseline's is no failure."""
    return [t for t in found if t.purpose is Purpose.ALONE]
