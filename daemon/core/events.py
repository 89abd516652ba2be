"""The history of an injection and its fold: state is read from events, never kept beside them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeAlias

from daemon.core import proposal
from daemon.core.model import Bracket, Deadline, Instant, Json, Observation, Outcome, Phase, Reversion, Undo
from daemon.core.moments import Armed, Fired

Plan: TypeAlias = proposal.Plan


class Verdict(StrEnum):
    """How an experiment ended. Unknown is never among the good ones."""

    RECOVERED = "recovered"
    NO_IMPACT = "no-impact"
    NOT_RECOVERED = "not-recovered"
    VIOLATED = "violated"
    UNDO_FAILED = "undo-failed"
    ABORTED = "aborted"
    INCONCLUSIVE = "inconclusive"
    NOT_TRIGGERED = "not-triggered"
    REFUSED = "refused"


class HealedBy(StrEnum):
    """Who made the system healthy again."""

    WORKER = "worker"
    REVERT = "revert"


class State(StrEnum):
    """Where an injection stands, by its last deciding event."""

    PROPOSED = "proposed"
    REFUSED = "refused"
    PLANNED = "planned"
    INJECTED = "injected"
    REVERTED = "reverted"
    SUPERSEDED = "superseded"
    REVERT_FAILED = "revert-failed"
    SETTLED = "settled"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A verdict with its reasons and the recovery it rests on; brackets are seconds after the injection."""

    verdict: Verdict
    reasons: tuple[str, ...]
    impact_seen: bool = False
    impact: Bracket | None = None
    recovery: Bracket | None = None
    censored: bool = False
    healed_by: HealedBy | None = None
    violations: tuple[dict[str, Json], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """Somebody or the schedule asked for it; nothing was looked at yet."""

    plan: Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A rule said no, or could not be answered."""

    at: Instant
    rule: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """One probe's look."""

    phase: Phase
    observation: Observation


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """The undo record is on disk; from here on the injection may have had an effect.

    ``deadline`` is None in journals of versions that had none.
    """

    at: Instant
    undo: Undo
    boot: str
    deadline: Deadline | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Injected:
    """Injecting returned; with ``error`` it broke, and its effect is unknown unless it left all ``untouched``."""

    started: Instant
    finished: Instant
    error: str | None = None
    untouched: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Aborted:
    """A stop condition, a halt or a signal ended the experiment early."""

    at: Instant
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reverted:
    """Taken back, or found superseded by the worker's own repair, with the proof."""

    started: Instant
    finished: Instant
    reversion: Reversion


@dataclass(frozen=True, slots=True, kw_only=True)
class RevertFailed:
    """Could not be taken back; residue may remain."""

    started: Instant
    finished: Instant
    attempt: int
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A person looked at what could not be taken back and answers for it: ``by`` whom, and why."""

    at: Instant
    by: str
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What became of the messages of the workload, safety properties only, and what its baseline explains.

    ``violations`` have the shape of the JSON, one entry for each piece of evidence. ``masked`` are the invariants
    that the baseline (a run's id) broke as well; ``unknown`` those that nobody could tell, each with its reason.
    ``settled`` is False when it was still moving at the longest wait, ``broke`` says what ended it early.
    """

    at: Instant
    run: str
    baseline: str
    violations: tuple[dict[str, Json], ...] = ()
    masked: tuple[str, ...] = ()
    unknown: tuple[dict[str, Json], ...] = ()
    settled: bool = True
    broke: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The verdict over the stored history; ``revised`` when a later revert changed an earlier one."""

    at: Instant
    judgement: Judgement
    revised: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Compacted:
    """Its looks were removed to save space; the verdict of its time stands, it cannot be judged again."""

    at: Instant
    looks: int


_Until = Proposed | Refused | Observed | Armed | Fired | Planned | Injected | Aborted
_After = Reverted | RevertFailed | Settled | Checked | Judged | Compacted
Event: TypeAlias = _Until | _After


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """The fold of one injection's events."""

    plan: Plan
    state: State = State.PROPOSED
    undo: Undo | None = None
    boot: str | None = None
    deadline: Deadline | None = None
    refused: Refused | None = None
    armed: Armed | None = None
    fired: Fired | None = None
    injected: Injected | None = None
    aborted: Aborted | None = None
    reverted: Reverted | None = None
    revert_started: Instant | None = None
    failures: int = 0
    last_error: str | None = None
    settled: Settled | None = None
    checked: Checked | None = None
    judgement: Judgement | None = None
    compacted: Compacted | None = None
    observed: tuple[Observed, ...] = field(default=(), repr=False)

    @property
    def outstanding(self) -> bool:
        """Planned and not yet reverted: its effect may still be out there."""
        return self.state in {State.PLANNED, State.INJECTED, State.REVERT_FAILED}


_KEPT_AS: Mapping[type, str] = {Armed: "armed", Fired: "fired", Aborted: "aborted", Checked: "checked"}


def apply(so_far: Injection, event: Event) -> Injection:  # noqa: C901, PLR0911  one arm an event
    """Return the injection after one more event."""
    match event:
        case Proposed():
            return so_far
        case Refused():
            return replace(so_far, refused=event, state=State.REFUSED)
        case Observed():
            return replace(so_far, observed=(*so_far.observed, event))
        case Armed() | Fired() | Aborted() | Checked():
            kept: Json = {_KEPT_AS[type(event)]: event}
            return replace(so_far, **kept)
        case Planned():
            return replace(so_far, undo=event.undo, boot=event.boot, deadline=event.deadline, state=State.PLANNED)
        case Injected():
            return replace(so_far, injected=event, state=State.INJECTED)
        case Reverted():
            superseded = event.reversion.outcome is Outcome.SUPERSEDED
            state = State.SUPERSEDED if superseded else State.REVERTED
            first = so_far.revert_started or event.started
            return replace(so_far, reverted=event, state=state, revert_started=first)
        case RevertFailed():
            first = so_far.revert_started or event.started
            return replace(
                so_far,
                failures=event.attempt,
                last_error=event.error,
                state=State.REVERT_FAILED,
                revert_started=first,
            )
        case Settled():
            return replace(so_far, settled=event, state=State.SETTLED)
        case Judged():
            state = State.DROPPED if so_far.state is State.PROPOSED else so_far.state
            return replace(so_far, judgement=event.judgement, state=state)
        case Compacted():
            return replace(so_far, compacted=event)


def fold(events: Iterable[Event]) -> Injection:
    """Return the injection its events tell of; the first must be Proposed, else ValueError."""
    history = iter(events)
    first = next(history, None)
    if not isinstance(first, Proposed):
        raise ValueError(f"a history begins with Proposed, not with {type(first).__name__}")  # noqa: TRY004
    observed: list[Observed] = []
    injection = Injection(plan=first.plan)
    for event in history:
        if isinstance(event, Observed):
            observed.append(event)  # appending to the tuple one by one would be quadratic
        else:
            injection = apply(injection, event)
    return replace(injection, observed=tuple(observed))


def outstanding(injections: Iterable[Injection]) -> tuple[Injection, ...]:
    """Return what was planned and not yet taken back, newest first: undone in reverse order of doing.

    They come in the order in which they were planned: a clock may have jumped backwards between them.
    """
    return tuple(reversed([i for i in injections if i.outstanding]))
