"""The KPI table: each target's objectives against what was measured. What nobody measured is unknown, never met."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from daemon.core.events import State, Verdict
from daemon.core.model import Limits, Observation, Status
from daemon.faces.report.collect import Run


class Met(StrEnum):
    """Whether an objective was met. A single miss is a miss; a single gap leaves it unknown."""

    MET = "met"
    MISSED = "missed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """One row: ``good`` of ``known`` measurements were within the objective, ``unknown`` more could not be made."""

    name: str
    target: str
    goal: str
    measured: str
    good: int
    known: int
    unknown: int = 0

    @property
    def met(self) -> Met:
        if self.good < self.known:
            return Met.MISSED
        return Met.MET if self.known and not self.unknown else Met.UNKNOWN


def objectives(runs: Sequence[Run], limits: Mapping[str, Limits]) -> tuple[Objective, ...]:
    """Return the rows of every target that was injected into; ``limits`` holds what the configuration says."""
    hit = [r for r in runs if r.injection.undo is not None and r.judged is not None]
    rows: list[Objective] = []
    for target in sorted({r.injection.plan.target for r in hit}):
        own, limit = [r for r in hit if r.injection.plan.target == target], limits.get(target, Limits())
        rows += [
            _tasks(target, own),
            _messages(target, own, limit.message_s),
            _branch_switch(target, own, limit.branch_switch_s),
            _recovery(target, own),
            _stashes(target, own),
            _corruption(target, own),
            _undone(target, own),
        ]
    return tuple(rows)


def _tasks(target: str, runs: Sequence[Run]) -> Objective:
    looks = [_last(r, "healthy") for r in runs]
    known = [o for o in looks if o is not None]
    good = sum(1 for o in known if o.reading.measures["healthy"] >= o.reading.measures.get("desired", 1))
    return Objective(
        name="tasks healthy again",
        target=target,
        goal="after every run",
        measured=_of(good, len(known), "runs"),
        good=good,
        known=len(known),
        unknown=len(looks) - len(known) if known else 0,
    )


def _messages(target: str, runs: Sequence[Run], limit_s: float) -> Objective:
    looks = [o for r in runs for o in r.canaries]
    known = [o for o in looks if o.status is not Status.UNKNOWN]
    times = [t for o in known if (t := o.reading.measures.get("total_seconds")) is not None]
    good = sum(1 for t in times if t < limit_s)
    longest = f", longest {max(times):.1f} s" if times else ""
    return Objective(
        name="message time",
        target=target,
        goal=f"< {limit_s:g} s",
        measured=_of(good, len(known), "messages") + longest,
        good=good,
        known=len(known),  # a message that was lost has no time, and missed the objective all the same
        unknown=len(looks) - len(known),
    )


def _branch_switch(target: str, runs: Sequence[Run], limit_s: float) -> Objective:
    name = "branch_switch_seconds"
    times = [o.reading.measures[name] for r in runs for o in r.last if name in o.reading.measures]
    good = sum(1 for t in times if t < limit_s)
    return Objective(
        name="branch switch",
        target=target,
        goal=f"< {limit_s:g} s",
        measured=_of(good, len(times), "switches"),
        good=good,
        known=len(times),
    )


def _recovery(target: str, runs: Sequence[Run]) -> Objective:
    """Count the runs with impact that recovered by themselves within their limit; the open ones are unknown."""
    good = known = unknown = 0
    for run in runs:
        limit_s, found = run.injection.plan.recover_s, run.recovery
        if found is None:
            continue
        if found.hi_s is not None and found.hi_s <= limit_s:
            good, known = good + 1, known + 1
        elif found.lo_s >= limit_s or (run.judged and run.judged.verdict is Verdict.NOT_RECOVERED):
            known += 1
        else:
            unknown += 1
    asked = sorted({f"{r.injection.plan.recover_s:g} s" for r in runs})
    return Objective(
        name="recovery time",
        target=target,
        goal=f"<= {', '.join(asked)}",
        measured=_of(good, known, "runs with impact"),
        good=good,
        known=known,
        unknown=unknown,
    )


def _stashes(target: str, runs: Sequence[Run]) -> Objective:
    broken = _broken(runs, {"no-stash-left"})
    return Objective(
        name="stash recovery",
        target=target,
        goal="100 %",
        measured=f"{broken} runs left work in a stash" if broken else "not measured",
        good=0,
        known=broken,
    )


def _corruption(target: str, runs: Sequence[Run]) -> Objective:
    looks = [o for r in runs if (o := _last(r, "findings", "locks")) is not None]
    good = sum(1 for o in looks if o.status is Status.OK)
    unknown = sum(1 for o in looks if o.status is Status.UNKNOWN)
    bad = len(looks) - unknown - good + _broken(runs, {"repository-sound"})
    return Objective(
        name="corruption left",
        target=target,
        goal="0",
        measured=f"left by {bad} of {good + bad} runs" if good + bad else "not measured",
        good=good,
        known=good + bad,
        unknown=unknown,
    )


def _undone(target: str, runs: Sequence[Run]) -> Objective:
    good = sum(1 for r in runs if r.injection.state in {State.REVERTED, State.SUPERSEDED})
    return Objective(
        name="undo proved",
        target=target,
        goal="every injection",
        measured=_of(good, len(runs), "injections"),
        good=good,
        known=len(runs),
    )


def _last(run: Run, *measures: str) -> Observation | None:
    return next((o for o in run.last if any(m in o.reading.measures for m in measures)), None)


def _broken(runs: Iterable[Run], invariants: set[str]) -> int:
    return sum(1 for r in runs if r.judged and any(v.get("invariant") in invariants for v in r.judged.violations))


def _of(good: int, known: int, things: str) -> str:
    return f"{good} of {known} {things}" if known else "not measured"
