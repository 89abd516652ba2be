"""Scenario runs as a report sees them: each beside its injection, and without what was broken before any fault."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from daemon.core.checking import violation
from daemon.core.course import Course, Purpose, ScenarioRun
from daemon.core.events import Checked
from daemon.core.evidence import Standing
from daemon.core.invariants import INVARIANTS, Result, blame
from daemon.core.ledger import Ledger
from daemon.faces.report.collect import Run

INTERRUPTED = "it was interrupted, or is still under way"


class Ending(StrEnum):
    """How a scenario run ended. Stopped: nothing was judged; NONE_YET: interrupted, or still under way."""

    PASSED = "passed"
    VIOLATED = "violated"
    UNKNOWN = "unknown"
    STOPPED = "stopped"
    NONE_YET = "none yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One scenario run. ``injection`` is what it accompanies, or for whose sake a baseline was taken.

    ``results`` are the course's without the baseline's defects, ``masked`` the invariants that these hid.
    """

    run: ScenarioRun
    injection: Run | None
    course: Course
    results: tuple[Result, ...]
    masked: tuple[str, ...] = ()

    @property
    def purpose(self) -> Purpose:
        return self.run.opened.purpose

    @property
    def target(self) -> str:
        return self.run.opened.target

    @property
    def violated(self) -> tuple[Result, ...]:
        return tuple(r for r in self.results if r.standing is Standing.VIOLATED and not self._excused(r))

    @property
    def unknown(self) -> tuple[Result, ...]:
        """Return the safety properties that could not be told; the two objectives may be unknown.

        What the baseline broke already is said in ``masked`` and, as in the verdict, is no doubt about the fault.
        """
        open_ones = (r for r in self.results if r.standing is Standing.UNKNOWN)
        return tuple(
            r for r in open_ones if not INVARIANTS[r.invariant].objective and r.invariant not in self.masked
        )

    @property
    def ending(self) -> Ending:
        if self.run.course is None:
            return Ending.NONE_YET
        if self.course.stopped:
            return Ending.STOPPED
        if self.violated:
            return Ending.VIOLATED
        return Ending.UNKNOWN if self.unknown or not self.results or not self.course.settled else Ending.PASSED

    def _excused(self, result: Result) -> bool:
        """Tell whether this run does not fail by it: under a fault, slowness is the recovery time's business."""
        return self.purpose is Purpose.EXPERIMENT and INVARIANTS[result.invariant].objective

    @property
    def fault(self) -> str | None:
        """Return fault and mode of the injection it accompanies; None when it accompanies none."""
        if self.purpose is not Purpose.EXPERIMENT:
            return None
        if self.injection is None:
            return "unknown fault"
        plan, undo = self.injection.injection.plan, self.injection.injection.undo
        mode = undo.mode if undo else plan.mode
        return f"{plan.fault}/{mode}" if mode else plan.fault


def trials(found: Sequence[ScenarioRun], injections: Sequence[Run]) -> tuple[Trial, ...]:
    """Return the runs in the given order, which must be that of time: a baseline counts for what comes after it."""
    return tuple(_trials(found, {r.injection.plan.injection: r for r in injections}))


def accompanied(own: Sequence[Trial]) -> frozenset[str]:
    """Return the injections whose violations a scenario run in hand tells of."""
    beside = (t.run.opened.injection for t in own if t.purpose is Purpose.EXPERIMENT and t.course.results)
    return frozenset(i for i in beside if i is not None)


def _trials(found: Sequence[ScenarioRun], injections: Mapping[str, Run]) -> Iterator[Trial]:
    baselines: dict[tuple[str, str], tuple[Result, ...]] = {}
    for one in found:
        course = one.course or _interrupted(one)
        key = (one.opened.target, one.opened.scenario)
        results, masked = course.results, tuple[str, ...]()
        if one.opened.purpose is Purpose.BASELINE and course.results:
            baselines[key] = course.results
        beside = injections.get(one.opened.injection or "")
        if one.opened.purpose is Purpose.EXPERIMENT:
            checked = beside.injection.checked if beside else None
            fresh = None if checked is None else _as_checked(course.results, checked)
            results = fresh or blame(baselines.get(key, ()), course.results).results
            masked = _masked(course.results, results)
        yield Trial(
            run=one,
            injection=beside,
            course=course,
            results=results,
            masked=masked,
        )


def _as_checked(results: Sequence[Result], checked: Checked) -> tuple[Result, ...]:
    """Return the results with only that evidence which the verdict blames on the fault.

    The baseline may be a day old, and not in the period of the report. The two objectives are not in the verdict.
    """
    return tuple(
        r if r.standing is not Standing.VIOLATED or INVARIANTS[r.invariant].objective else _kept(r, checked)
        for r in results
    )


def _kept(result: Result, checked: Checked) -> Result:
    kept = tuple(e for e in result.evidence if violation(result, e) in checked.violations)
    if kept:
        return replace(result, evidence=kept, reason=kept[0].detail)
    reason = f"broken without a fault already: {result.reason}"
    return replace(result, standing=Standing.UNKNOWN, evidence=(), reason=reason)


def _masked(before: Sequence[Result], after: Sequence[Result]) -> tuple[str, ...]:
    pairs = zip(before, after, strict=True)
    return tuple(old.invariant for old, new in pairs if len(new.evidence) < len(old.evidence))


def _interrupted(one: ScenarioRun) -> Course:
    opened = one.opened
    return Course(
        scenario=opened.scenario,
        target=opened.target,
        seed=opened.seed,
        began=opened.at,
        ended=opened.at,
        ledger=Ledger(run=opened.run, sent=()),
        settled=False,
        stopped=INTERRUPTED,
    )
