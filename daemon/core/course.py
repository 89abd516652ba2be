"""The course of one scenario run: what the journal keeps of it, and the fold of that history.

A run is opened on disk before its first message is sent, so that whatever kills chaosd, ``recover`` knows whose
messages may be left in the queues.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias

from daemon.core.evidence import Standing
from daemon.core.invariants import INVARIANTS, Result, inapplicable
from daemon.core.kpi import Kpi
from daemon.core.ledger import Ledger
from daemon.core.model import Instant, Json, Reversion, Undo


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What became of one run. ``settled`` is False when it was still moving at the longest wait.

    ``stopped`` says why it was broken off; then nothing is judged.
    """

    scenario: str
    expects: tuple[str, ...] = ()
    target: str
    seed: int
    began: Instant
    ended: Instant
    ledger: Ledger
    results: tuple[Result, ...] = ()
    kpis: tuple[Kpi, ...] = ()
    settled: bool = True
    stopped: str = ""

    @property
    def violated(self) -> tuple[Result, ...]:
        return tuple(r for r in self.results if r.standing is Standing.VIOLATED)

    @property
    def unknown(self) -> tuple[Result, ...]:
        """Return the safety properties that could not be told; the two objectives may be unknown."""
        unknown = (r for r in self.results if r.standing is Standing.UNKNOWN)
        return tuple(r for r in unknown if not INVARIANTS[r.invariant].objective)

    @property
    def passed(self) -> bool:
        """Tell whether everything that was to be checked was checked and held."""
        return bool(self.results) and self.settled and not self.violated and not self.unknown

    @property
    def not_checked(self) -> dict[str, str]:
        """Return the invariants that were not checked, each with why."""
        checked = {r.invariant for r in self.results}
        reasons = inapplicable(self.ledger)
        return {
            name: reasons.get(name, self.stopped or "this scenario does not judge it")
            for name in INVARIANTS
            if name not in checked
        }

    def slim(self) -> "Course":
        """Return what the journal keeps: without the raw sightings, whose judgement is in ``results``."""
        ledger = replace(self.ledger, sightings=(), conditions=(), before=(), switches=())
        return replace(self, ledger=ledger)


# --- its history -----------------------------------------------------------------------------------------


class Purpose(StrEnum):
    """Why a scenario was run: by itself, to learn what is broken without a fault, or beside an injection."""

    ALONE = "alone"
    BASELINE = "baseline"
    EXPERIMENT = "experiment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The process that runs it. An open run whose owner lives is nobody else's to clean up."""

    pid: int
    started_s: float
    boot: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """On disk before the first message; ``undo`` is what sweeping the queues of the run's messages needs.

    ``injection`` is the one that the run accompanies, or for whose sake a baseline was taken.
    """

    at: Instant
    run: str
    purpose: Purpose
    scenario: str
    target: str
    seed: int
    parameters: dict[str, Json]
    injection: str | None
    undo: Undo
    owner: Owner


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """It ran to its end, or was stopped; ``course`` is slim."""

    at: Instant
    course: Course


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """None of its messages is left in the queues."""

    at: Instant
    reversion: Reversion


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepFailed:
    """Some of its messages may be left."""

    at: Instant
    attempt: int
    error: str


RunEvent: TypeAlias = Opened | Played | Swept | SweepFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioRun:
    """The fold of one run's events."""

    opened: Opened
    course: Course | None = None
    swept: Swept | None = None
    failures: int = 0
    last_error: str | None = None

    @property
    def outstanding(self) -> bool:
        """Opened and not known to be clean: messages of it may be in the queues."""
        return self.swept is None


def fold(happened: Iterable[RunEvent]) -> ScenarioRun:
    """Return one run from its events in order; raises ValueError when the first is not ``Opened``."""
    run: ScenarioRun | None = None
    for event in happened:
        run = _apply(run, event)
    if run is None:
        raise ValueError("a run without events")
    return run


def _apply(so_far: ScenarioRun | None, event: RunEvent) -> ScenarioRun:
    if isinstance(event, Opened):
        return ScenarioRun(opened=event)
    if so_far is None:
        raise ValueError(f"a run begins with Opened, not with {type(event).__name__}")
    match event:
        case Played():
            return replace(so_far, course=event.course)
        case Swept():
            return replace(so_far, swept=event)
        case SweepFailed():
            return replace(so_far, failures=event.attempt, last_error=event.error)
