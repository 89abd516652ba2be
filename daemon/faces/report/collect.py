"""Read a period of the journal and judge every injection of it again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from daemon.core.course import ScenarioRun
from daemon.core.events import Injection, Judgement, Observed, Verdict
from daemon.core.model import Instant, Observation, Status
from daemon.core.statistics import RecoveryTime, recovery_time
from daemon.core.verdict import judge

MOST = 1_000_000


class History(Protocol):
    """The journal, as far as a report reads it."""

    def recent(self, *, since_s: float = 0.0, most: int = 1000) -> tuple[Injection, ...]: ...

    def injection(self, injection: str) -> Injection | None: ...

    def runs(self, since_s: float = 0.0, most: int = 1000) -> tuple[ScenarioRun, ...]: ...


@dataclass(frozen=True, slots=True)
class Period:
    """From ``since_s`` until before ``until_s``, epoch seconds."""

    since_s: float
    until_s: float

    def holds(self, at_s: float) -> bool:
        return self.since_s <= at_s < self.until_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A probe's status became another one; the first look of each probe counts as a change."""

    at: Instant
    probe: str
    status: Status
    finding: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One injection, judged again, without its thousands of looks.

    ``injection`` carries today's judgement, ``stored`` is that of its time; both None while it is not over.
    ``last`` is the last look of each probe, ``canaries`` every look of a probe that timed a message.
    """

    injection: Injection
    stored: Judgement | None
    recovery: RecoveryTime | None
    changes: tuple[Change, ...]
    last: tuple[Observation, ...]
    canaries: tuple[Observation, ...]

    @property
    def judged(self) -> Judgement | None:
        return self.injection.judgement

    @property
    def differs(self) -> bool:
        """Tell whether today's judgement is another one than the stored; wording does not count."""
        return _essence(self.stored) != _essence(self.judged)


def collect(history: History, period: Period) -> tuple[Run, ...]:
    """Return the runs asked for within the period, oldest first. Raises JournalError."""
    return tuple(_collect(history, period))


def _collect(history: History, period: Period) -> Iterator[Run]:
    for light in history.recent(since_s=period.since_s, most=MOST):
        if period.holds(light.plan.planned_at.wall_s):
            full = history.injection(light.plan.injection)
            if full is not None:
                yield run(full)


def collect_runs(history: History, period: Period) -> tuple[ScenarioRun, ...]:
    """Return the scenario runs begun within the period, oldest first. Raises JournalError."""
    found = history.runs(since_s=period.since_s, most=MOST)
    return tuple(r for r in found if period.holds(r.opened.at.wall_s))


def run(full: Injection) -> Run:
    """Return one injection judged again from its events, all looks included."""
    judged = judge_again(full)
    observed = tuple(sorted(full.observed, key=lambda o: o.observation.answered.mono_s))
    return Run(
        injection=replace(full, judgement=judged, observed=()),
        stored=full.judgement,
        recovery=recovery_time(full, judged) if judged else None,
        changes=tuple(_changes(observed)),
        last=tuple({o.observation.probe: o.observation for o in observed}.values()),
        canaries=_canaries(observed),
    )


def judge_again(full: Injection) -> Judgement | None:
    """Return today's judgement; None where there was none yet: an experiment under way has no verdict.

    What the ledger found at that time is evidence that cannot be gathered again, so broken invariants stay.
    """
    stored = full.judgement
    if stored is None:
        return None
    fresh = judge(full)
    if not stored.violations or fresh.violations:
        return fresh
    kept = replace(fresh, violations=stored.violations)
    if fresh.verdict is Verdict.UNDO_FAILED:
        return kept
    return replace(kept, verdict=stored.verdict, reasons=stored.reasons)


def _essence(judged: Judgement | None) -> object:
    return judged and (judged.verdict, judged.impact_seen, judged.impact, judged.recovery, judged.healed_by)


def _changes(observed: Sequence[Observed]) -> Iterator[Change]:
    last: dict[str, Status] = {}
    for event in observed:
        seen = event.observation
        if last.get(seen.probe) is not seen.status:
            last[seen.probe] = seen.status
            first = next((f"{f.name} {f.detail}".strip() for f in seen.reading.findings), "")
            yield Change(at=seen.answered, probe=seen.probe, status=seen.status, finding=first)


def _canaries(observed: Sequence[Observed]) -> tuple[Observation, ...]:
    looks = [o.observation for o in observed]
    timing = {o.probe for o in looks if {"total_seconds", "commit_seconds"} & set(o.reading.measures)}
    return tuple(o for o in looks if o.probe in timing)
