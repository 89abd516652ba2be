"""The KPI table: each target's key figures and their goals, from all that measured them, under one name each.

What nobody measured is unknown, never met. The names are those of ``core/kpi.py``; two more come from injections.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from daemon.core.events import State, Verdict
from daemon.core.model import Observation, Status
from daemon.core.target import Limits
from daemon.faces.report import figures
from daemon.faces.report.collect import Run
from daemon.faces.report.figures import NOT_MEASURED, Measured, of
from daemon.faces.report.trials import Trial, accompanied


class Met(StrEnum):
    """Whether a goal was met. A single miss is a miss; a single gap leaves it unknown."""

    MET = "met"
    MISSED = "missed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """One row: a figure of one target, its goal, and what each source measured."""

    name: str
    target: str
    goal: str
    measured: tuple[Measured, ...]

    @property
    def told(self) -> tuple[Measured, ...]:
        """Return the sources that have anything to say."""
        return tuple(m for m in self.measured if m.known or m.unknown)

    @property
    def said(self) -> str:
        """Return all that is known, in words."""
        known = [m for m in self.told if m.said]
        parts = [m.said if len(known) == 1 else f"{m.source}: {m.said}" for m in known]
        return "; ".join(parts) or NOT_MEASURED

    @property
    def good(self) -> int:
        return sum(m.good for m in self.measured)

    @property
    def known(self) -> int:
        return sum(m.known for m in self.measured)

    @property
    def unknown(self) -> int:
        return sum(m.unknown for m in self.measured)

    @property
    def met(self) -> Met:
        if self.good < self.known:
            return Met.MISSED
        return Met.MET if self.known and not self.unknown else Met.UNKNOWN


def objectives(runs: Sequence[Run], found: Sequence[Trial], limits: Mapping[str, Limits]) -> tuple[Objective, ...]:
    """Return the rows of every target that something ran on; ``limits`` holds what the configuration says."""
    hit = [r for r in runs if r.injection.undo is not None and r.judged is not None]
    rows: list[Objective] = []
    for target in sorted({r.injection.plan.target for r in hit} | {t.target for t in found}):
        own = [r for r in hit if r.injection.plan.target == target]
        beside = [t for t in found if t.target == target]
        named = _rows(own, beside, limits.get(target, Limits()))
        rows += [Objective(name=n, target=target, goal=goal, measured=measured) for n, goal, measured in named]
    return tuple(rows)


def _rows(
    own: Sequence[Run], beside: Sequence[Trial], limit: Limits
) -> Iterable[tuple[str, str, tuple[Measured, ...]]]:
    told = accompanied(beside)
    untold = [r for r in own if r.injection.plan.injection not in told]
    yield "task HEALTHY", "after every run", (figures.healthy(beside), _tasks(own))
    message = (figures.messages(beside, limit.message_s), _messages(own, limit.message_s))
    yield "message, slowest", f"< {limit.message_s:g} s", message
    switch = (figures.branch_switch(beside), _branch_switch(own, limit.branch_switch_s))
    yield "branch switch", f"< {limit.branch_switch_s:g} s", switch
    yield "stash recovery", "100 %", (figures.stashes(beside), _broken(untold, "no-stash-left"))
    corruption = (figures.corruption(beside), _sound(own), _broken(untold, "repository-sound"))
    yield "corruption", "0", corruption
    if own:
        asked = sorted({r.injection.plan.recover_s for r in own})
        yield "recovery time", f"<= {', '.join(f'{s:g} s' for s in asked)}", (_recovery(own),)
        yield "undo proved", "every injection", (_undone(own),)


def _tasks(runs: Sequence[Run]) -> Measured:
    looks = [_last(r, "healthy") for r in runs]
    known = [o for o in looks if o is not None]
    good = sum(1 for o in known if o.reading.measures["healthy"] >= o.reading.measures.get("desired", 1))
    unknown = len(looks) - len(known) if known else 0
    return Measured(
        source="probe", said=of(good, len(known), "injections"), good=good, known=len(known), unknown=unknown
    )


def _messages(runs: Sequence[Run], limit_s: float) -> Measured:
    looks = [o for r in runs for o in r.canaries]
    known = [o for o in looks if o.status is not Status.UNKNOWN]
    times = [t for o in known if (t := o.reading.measures.get("total_seconds")) is not None]
    good = sum(1 for t in times if t < limit_s)
    slowest = f", slowest {max(times):.1f} s" if times else ""
    return Measured(
        source="canary",
        said=of(good, len(known), "messages") + slowest,
        good=good,
        known=len(known),  # a message that was lost has no time, and missed the goal all the same
        unknown=len(looks) - len(known),
    )


def _branch_switch(runs: Sequence[Run], limit_s: float) -> Measured:
    name = "branch_switch_seconds"
    times = [o.reading.measures[name] for r in runs for o in r.last if name in o.reading.measures]
    good = sum(1 for t in times if t < limit_s)
    return Measured(source="probe", said=of(good, len(times), "switches"), good=good, known=len(times))


def _recovery(runs: Sequence[Run]) -> Measured:
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
    said = of(good, known, "injections with impact")
    return Measured(source="probe", said=said, good=good, known=known, unknown=unknown)


def _sound(runs: Sequence[Run]) -> Measured:
    """Return whether the last look into the repository after each injection was a good one."""
    looks = [o for r in runs if (o := _last(r, "findings", "locks")) is not None]
    good = sum(1 for o in looks if o.status is Status.OK)
    unknown = sum(1 for o in looks if o.status is Status.UNKNOWN)
    known = len(looks) - unknown
    said = f"left by {known - good} of {known} injections" if known else ""
    return Measured(source="probe", said=said, good=good, known=known, unknown=unknown)


def _broken(runs: Sequence[Run], invariant: str) -> Measured:
    """Return the violations of injections whose scenario run is not in hand: only the misses are known."""
    count = sum(1 for r in runs if r.judged and any(v.get("invariant") == invariant for v in r.judged.violations))
    return Measured(
        source=figures.COURSES, said=f"broken by {count} injections" if count else "", good=0, known=count
    )


def _undone(runs: Sequence[Run]) -> Measured:
    undone = [r.injection for r in runs if r.injection.state in {State.REVERTED, State.SUPERSEDED}]
    doubted = sum(1 for i in undone if i.reverted and i.reverted.reversion.doubt)
    good, known = len(undone) - doubted, len(runs) - doubted
    return Measured(source="journal", said=of(good, known, "injections"), good=good, known=known, unknown=doubted)


def _last(run: Run, *measures: str) -> Observation | None:
    return next((o for o in run.last if any(m in o.reading.measures for m in measures)), None)
