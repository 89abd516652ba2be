"""The invariants over all scenario runs: how often each held, who is blamed, and the baseline's defects."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from daemon.core.checking import violation
from daemon.core.course import Purpose
from daemon.core.evidence import Standing
from daemon.core.invariants import INVARIANTS, Result
from daemon.faces.report.collect import Run
from daemon.faces.report.trials import Trial, accompanied
from daemon.faces.shapes import when

NOT_CHECKED = "not checked"
_WORST_FIRST = (Standing.VIOLATED.value, Standing.UNKNOWN.value, Standing.HELD.value)


def table(found: Sequence[Trial], injections: Sequence[Run]) -> list[dict[str, Any]]:
    """Return a row for every invariant of every target that something ran on, in the invariants' own order.

    What an experiment shows that its baseline has shown too counts as unknown: the fault may have broken it as
    well. Violations of injections whose scenario run is not in the period are counted from the verdict.
    """
    hit = [r for r in injections if r.injection.undo is not None]
    told = accompanied(found)
    alone = [r for r in injections if r.injection.plan.injection not in told and _violations(r)]
    targets = {t.target for t in found} | {r.injection.plan.target for r in (*hit, *alone)}
    rows = []
    for target in sorted(targets):
        own = [t for t in found if t.target == target]
        judged = [r for r in alone if r.injection.plan.target == target]
        strange = {n: None for r in judged for v in _violations(r) if (n := _name(v)) not in INVARIANTS}
        rows += [_row(name, target, own, judged) for name in (*INVARIANTS, *strange)]
    return rows


def _row(name: str, target: str, own: Sequence[Trial], judged: Sequence[Run]) -> dict[str, Any]:
    results = [(t, next((r for r in t.results if r.invariant == name), None)) for t in own]
    counts = Counter(NOT_CHECKED if r is None else r.standing.value for _, r in results)
    told = [r for r in judged if any(_name(v) == name for v in _violations(r))]
    counts[Standing.VIOLATED.value] += len(told)
    broken = [case for t, r in results if r is not None for case in _cases(t, r)]
    broken += [case for r in told for case in _told(r, name)]
    reasons = [r.reason for _, r in results if r is not None and r.standing is Standing.UNKNOWN]
    reasons += [t.course.not_checked.get(name, "") for t, r in results if r is None]
    return {
        "invariant": name,
        "summary": INVARIANTS[name].summary if name in INVARIANTS else "",
        "target": target,
        "standing": next((s for s in _WORST_FIRST if counts[s]), NOT_CHECKED),
        "held": counts[Standing.HELD.value],
        "violated": counts[Standing.VIOLATED.value],
        "unknown": counts[Standing.UNKNOWN.value],
        "not_checked": counts[NOT_CHECKED],
        "reasons": [{"reason": why, "runs": n} for why, n in Counter(filter(None, reasons)).most_common()],
        "broken": broken,
    }


def _cases(trial: Trial, result: Result) -> Iterator[dict[str, Any]]:
    if result.standing is not Standing.VIOLATED:
        return
    opened = trial.run.opened
    for evidence in result.evidence:
        yield {
            "blame": trial.fault or opened.purpose.value,
            "run": opened.run,
            "scenario": opened.scenario,
            "purpose": opened.purpose.value,
            "injection": opened.injection if opened.purpose is Purpose.EXPERIMENT else None,
            "at": when(opened.at),
            "evidence": violation(result, evidence)["evidence"],
        }


def _told(run: Run, name: str) -> Iterator[dict[str, Any]]:
    plan = run.injection.plan
    for told in _violations(run):
        if _name(told) == name:
            yield {
                "blame": f"{plan.fault}/{plan.mode}" if plan.mode else plan.fault,
                "run": None,
                "scenario": None,
                "purpose": Purpose.EXPERIMENT.value,
                "injection": plan.injection,
                "at": when(plan.planned_at),
                "evidence": told.get("evidence", {}),
            }


def _violations(run: Run) -> Sequence[Mapping[str, Any]]:
    return run.judged.violations if run.judged else ()


def _name(told: Mapping[str, Any]) -> str:
    return str(told.get("invariant", "unnamed"))


# --- the baseline ----------------------------------------------------------------------------------------


def baseline_defects(found: Sequence[Trial]) -> list[dict[str, Any]]:
    """Return what is broken without any fault, once per target, scenario and invariant, with the last evidence.

    ``baselines`` is how many baselines showed it, ``subtracted`` from how many experiments it was taken out.
    """
    defects: dict[tuple[str, str, str], dict[str, Any]] = {}
    for trial in found:
        scenario = trial.run.opened.scenario
        if trial.purpose is Purpose.BASELINE:
            for result in trial.violated:
                key = (trial.target, scenario, result.invariant)
                defects[key] = _defect(trial, result, defects.get(key))
        for name in trial.masked:
            if (trial.target, scenario, name) in defects:
                defects[trial.target, scenario, name]["subtracted"] += 1
    return [defects[key] for key in sorted(defects)]


def _defect(trial: Trial, result: Result, known: Mapping[str, Any] | None) -> dict[str, Any]:
    opened = trial.run.opened
    return {
        "target": opened.target,
        "scenario": opened.scenario,
        "invariant": result.invariant,
        "first_at": known["first_at"] if known else when(opened.at),
        "run": opened.run,
        "baselines": (known["baselines"] if known else 0) + 1,
        "subtracted": known["subtracted"] if known else 0,
        "evidence": [violation(result, e)["evidence"] for e in result.evidence],
    }
