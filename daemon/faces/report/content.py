"""The report as one plain document: what ``--format json`` prints, and all that the other formats are made from."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from daemon.core.events import Verdict
from daemon.core.statistics import RecoveryTime
from daemon.core.target import Limits
from daemon.core.verdict import GOOD, UNTOUCHED
from daemon.faces import shapes
from daemon.faces.report import invariants, statistics
from daemon.faces.report import runs as scenario_runs
from daemon.faces.report.collect import Period, Run
from daemon.faces.report.experiment import experiment
from daemon.faces.report.objectives import Objective, objectives
from daemon.faces.report.stages import stage_times
from daemon.faces.report.trials import Ending, Trial

VERSION = 1  # of the report's own shape, besides the schema version of everything chaosd prints


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a report is asked: which period, against which earlier one, and what could have been tested.

    ``faults`` holds the catalogue's entries as ``faults list`` prints them; ``limits`` the targets' objectives.
    """

    period: Period
    earlier: Period | None = None
    made_at_s: float
    chaosd: str
    faults: Sequence[Mapping[str, Any]] = ()
    limits: Mapping[str, Limits] = field(default_factory=dict)


def content(
    question: Question, runs: Sequence[Run], before: Sequence[Run] = (), *, found: Sequence[Trial] = ()
) -> dict[str, Any]:
    """Return the document. ``runs`` are the period's, ``before`` those of the earlier period.

    ``found`` are the scenario runs of the period.
    """
    return shapes.document(
        report={
            "version": VERSION,
            "chaosd": question.chaosd,
            "made_at": shapes.stamp(question.made_at_s),
            "period": _period(question.period),
            "earlier": _period(question.earlier) if question.earlier else None,
        },
        summary=_summary(runs, found),
        objectives=[_objective(o) for o in objectives(runs, found, question.limits)],
        experiments=[experiment(r) for r in runs],
        runs=[scenario_runs.document(t) for t in found],
        invariants=invariants.table(found, runs),
        baseline_defects=invariants.baseline_defects(found),
        stage_times=stage_times(found),
        statistics=_statistics(runs),
        comparison=_comparisons(before, runs) if question.earlier else [],
        untested=_untested(runs, question.faults),
    )


def held(runs: Sequence[Run], found: Sequence[Trial] = ()) -> bool:
    """Tell whether everything held or recovered. Nothing tested, and an experiment without a verdict, did not.

    A scenario run alone must have passed. One beside an injection is part of that one's verdict, and a baseline
    is there to find defects: it fails nothing.
    """
    verdicts = [r.judged.verdict if r.judged else None for r in runs]
    tested = [v in GOOD for v in verdicts if v not in UNTOUCHED]
    tested += [t.ending is Ending.PASSED for t in scenario_runs.alone(found)]
    return bool(tested) and all(tested)


def _summary(runs: Sequence[Run], found: Sequence[Trial]) -> dict[str, Any]:
    verdicts = Counter(r.judged.verdict for r in runs if r.judged)
    return {
        "held": held(runs, found),
        "injections": len(runs),
        "verdicts": {v.value: verdicts.get(v, 0) for v in Verdict},
        "unjudged": sum(1 for r in runs if r.judged is None),
        "rejudged": [r.injection.plan.injection for r in runs if r.differs],
        "runs": scenario_runs.summary(found),
    }


def _period(period: Period) -> dict[str, str]:
    return {"since": shapes.stamp(period.since_s), "until": shapes.stamp(period.until_s)}


def _objective(row: Objective) -> dict[str, Any]:
    return {
        "name": row.name,
        "target": row.target,
        "goal": row.goal,
        "measured": row.said,
        "status": row.met.value,
        "good": row.good,
        "known": row.known,
        "unknown": row.unknown,
        "sources": [
            {"source": m.source, "measured": m.said, "good": m.good, "known": m.known, "unknown": m.unknown}
            for m in row.told
        ],
    }


def _grouped(runs: Sequence[Run]) -> dict[tuple[str, str], list[Run]]:
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        if run.judged is not None:
            groups.setdefault((run.injection.plan.fault, run.injection.plan.target), []).append(run)
    return dict(sorted(groups.items()))


def _times(runs: Sequence[Run]) -> list[RecoveryTime]:
    return [r.recovery for r in runs if r.recovery is not None]


def _statistics(runs: Sequence[Run]) -> list[dict[str, Any]]:
    rows = []
    for (fault, target), own in _grouped(runs).items():
        times, verdicts = _times(own), Counter(r.judged.verdict.value for r in own if r.judged)
        rows.append(
            {
                "fault": fault,
                "target": target,
                "runs": sum(n for verdict, n in verdicts.items() if verdict not in UNTOUCHED),
                "verdicts": dict(sorted(verdicts.items())),
                "with_impact": len(times),
                "censored": sum(1 for t in times if t.censored),
                "quantiles": [_quantile(q) for q in statistics.quantiles(times)],
                "times": [{"after": [_r(t.lo_s), _r(t.hi_s)], "censored": t.censored} for t in times],
                "curve": {
                    "earliest": _curve(statistics.lower(times)),
                    "latest": _curve(statistics.upper(times)),
                },
            }
        )
    return rows


def _curve(times: Sequence[statistics.Exact]) -> list[list[float]]:
    """Return ``[seconds, share recovered by then]`` at every step."""
    return [[round(s.at_s, shapes.DIGITS), round(1 - s.share, 4)] for s in statistics.curve(times)]


def _quantile(found: statistics.Quantile) -> dict[str, Any]:
    return {
        "p": found.p,
        "known": found.known.value,
        "runs_needed": found.needed,
        "seconds": shapes.bracket(found.value),
        "beyond": _r(found.beyond_s),
        "confidence": [_r(found.low_s), _r(found.high_s)],
    }


def _comparisons(before: Sequence[Run], runs: Sequence[Run]) -> list[dict[str, Any]]:
    earlier, later = _grouped(before), _grouped(runs)
    rows = []
    for fault, target in sorted({*earlier, *later}):
        key = (fault, target)
        found = statistics.compare(_times(earlier.get(key, [])), _times(later.get(key, [])))
        rows.append(
            {
                "fault": fault,
                "target": target,
                "change": found.change.value,
                "runs": list(found.runs),
                "within": _r(found.within_s),
                "difference": _r(found.difference_s),
                "confidence": [_r(found.low_s), _r(found.high_s)],
                "p_value": _p(found.p_value),
                "p_worst": _p(found.p_worst),
            }
        )
    return rows


def _untested(runs: Sequence[Run], faults: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the faults, or the modes of a fault, that nobody injected in the period."""
    done = {(r.injection.plan.fault, r.injection.undo.mode) for r in runs if r.injection.undo is not None}
    names = {fault for fault, _ in done}
    rows = []
    for fault in faults:
        modes = [m["name"] for m in fault["modes"]]
        missing = [m for m in modes if (fault["name"], m) not in done]
        if fault["name"] not in names or missing:
            wholly = fault["name"] not in names
            rows.append({"fault": fault["name"], "summary": fault["summary"], "wholly": wholly, "modes": missing})
    return rows


def _r(value_s: float | None) -> float | None:
    return None if value_s is None else round(value_s, shapes.DIGITS)


def _p(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.3g}")
