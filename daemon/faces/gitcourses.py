"""The JSON of git scenarios and of their results. Durations are seconds; null is not known."""

from dataclasses import asdict
from typing import Any

from daemon.core.evidence import Evidence
from daemon.core.gitcases import Checked, GitScenario, Judged, Look, Outcome, Result, Skipped, Unbuilt
from daemon.core.kpi import Kpi
from daemon.faces.shapes import DIGITS


def scenario(one: GitScenario) -> dict[str, Any]:
    """Return a git scenario's entry of ``scenario list``."""
    return {"name": one.name, "summary": one.summary, "expects": list(one.expects), "cases": list(one.cases)}


def result(one: Result) -> dict[str, Any]:
    """Return what became of one case. ``skipped`` and ``unbuilt`` are reasons, null when it was played."""
    case = one.case
    return {
        "name": case.scenario.name,
        "case": case.name,
        "outcome": one.outcome.value,
        "passed": one.outcome is Outcome.PASSED,
        "skipped": one.reason if isinstance(one, Skipped) else None,
        "unbuilt": one.reason if isinstance(one, Unbuilt) else None,
        "seed": case.seed,
        "sandbox": case.sandbox,
        "expects": list(case.scenario.expects),
        "checks": [_check(c) for c in one.checks] if isinstance(one, Judged) else [],
        "kpi": {k.name: _kpi(k) for k in one.kpis} if isinstance(one, Judged) else {},
        "messages": [_message(look) for look in one.looks] if isinstance(one, Judged) else [],
    }


def _check(one: Checked) -> dict[str, Any]:
    return {
        "name": one.name,
        "standing": one.standing.value,
        "detail": one.detail,
        "objective": one.objective,
        "evidence": [_evidence(e) for e in one.evidence],
    }


def _evidence(one: Evidence) -> dict[str, Any]:
    return {name: value for name, value in asdict(one).items() if value not in (None, "")}


def _kpi(one: Kpi) -> dict[str, Any]:
    value = None if one.value is None else round(one.value, DIGITS)
    return {"value": value, "unit": one.unit, "goal": one.goal, "met": one.met, "note": one.note}


def _message(look: Look) -> dict[str, Any]:
    return {
        "command": look.message.command,
        "token": look.message.token,
        "branch": look.message.branch,
        "runs": [
            {"exit_code": run.code, "took": round(run.took_s, DIGITS), "stdout": run.out, "stderr": run.err}
            for run in look.runs
        ],
    }
