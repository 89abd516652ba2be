"""The key figures as scenario runs measured them: what ``core/kpi.py`` says of each run, over a period."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from daemon.core.course import Purpose
from daemon.core.evidence import Standing
from daemon.core.kpi import Kpi
from daemon.faces.report.trials import Trial
from daemon.faces.report.waterfall import took_s

COURSES = "courses"
NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one source says of a figure: ``good`` of ``known`` were within its goal, ``unknown`` more are not known.

    ``said`` is the figure in words, empty where nothing is known.
    """

    source: str
    said: str
    good: int
    known: int
    unknown: int = 0


def of(good: int, known: int, things: str) -> str:
    """Return ``3 of 4 things``; empty where nothing is known."""
    return f"{good} of {known} {things}" if known else ""


def healthy(own: Sequence[Trial]) -> Measured:
    """Return whether the service had its tasks at the end of each run, where ECS said.

    Beside an injection the probes look on until it is judged: there ECS's silence at the end of a run is no gap.
    """
    known = [k for k in _kpis(own, "task HEALTHY") if k.met is not None]
    alone = _kpis([t for t in own if t.purpose is Purpose.ALONE], "task HEALTHY")
    silent = sum(1 for k in alone if k.met is None)
    good = sum(1 for k in known if k.met)
    said = of(good, len(known), "runs")
    return Measured(source=COURSES, said=said, good=good, known=len(known), unknown=silent)


def messages(own: Sequence[Trial], limit_s: float) -> Measured:
    """Return how long every message took to its last stage; one that was not seen there is unknown, not fast."""
    took = [s for t in _judged(own) for s in took_s(t)]
    times = [s for s in took if s is not None]
    good = sum(1 for s in times if s < limit_s)
    said = of(good, len(times), "messages")
    if times:
        said += f", slowest {max(times):.1f} s, median {median(times):.1f} s"
    return Measured(source=COURSES, said=said, good=good, known=len(times), unknown=len(took) - len(times))


def branch_switch(own: Sequence[Trial]) -> Measured:
    """Return the slowest change of branch. A run that was seen to need none counts for nothing."""
    found = [k for t in _judged(own) for k in t.course.kpis if k.name == "branch switch" and not _idle(t, k)]
    good, known = _met(found)
    values = [k.value for k in found if k.value is not None]
    said = of(good, known, "runs") + (f", at most {max(values):.1f} s" if values else "")
    return Measured(source=COURSES, said=said, good=good, known=known, unknown=len(found) - known)


def stashes(own: Sequence[Trial]) -> Measured:
    """Return the share of instructions that no stash kept from their branch, in the worst run."""
    found = _kpis(own, "stash recovery")
    good, known = _met(found)
    values = [k.value for k in found if k.value is not None]
    said = of(good, known, "runs") + (f", at least {min(values):g} %" if values else "")
    return Measured(source=COURSES, said=said, good=good, known=known, unknown=len(found) - known)


def corruption(own: Sequence[Trial]) -> Measured:
    """Return how many findings there were in all."""
    found = _kpis(own, "corruption")
    good, known = _met(found)
    total = sum(k.value for k in found if k.value is not None)
    said = f"{total:g} findings in {known} runs" if known else ""
    return Measured(source=COURSES, said=said, good=good, known=known, unknown=len(found) - known)


def _judged(own: Sequence[Trial]) -> list[Trial]:
    return [t for t in own if t.course.results]


def _kpis(own: Sequence[Trial], name: str) -> list[Kpi]:
    return [k for t in _judged(own) for k in t.course.kpis if k.name == name]


def _met(found: Sequence[Kpi]) -> tuple[int, int]:
    known = [k.met for k in found if k.met is not None]
    return sum(known), len(known)


def _idle(trial: Trial, figure: Kpi) -> bool:
    """Tell whether no branch had to be changed: the clones were looked at, and nothing was left open."""
    held = any(r.invariant == "branch-switch-fast" and r.standing is Standing.HELD for r in trial.course.results)
    return figure.value is None and held
