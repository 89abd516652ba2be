"""What became of every message of a run, in seconds after the run began, beside the fault that was active then."""

from collections.abc import Sequence
from typing import Any

from daemon.core.course import Purpose
from daemon.core.ledger import Effect, Kind, Part, Sent, Stages
from daemon.core.model import Instant
from daemon.faces.report.collect import Run
from daemon.faces.report.trials import Trial
from daemon.faces.shapes import DIGITS

STAGES = ("committed", "pushed", "deployed", "answered")
PARTS = {"pushed": Part.REMOTE, "deployed": Part.DEPLOYMENT, "answered": Part.RESPONSES}


def waterfall(trial: Trial) -> dict[str, Any] | None:
    """Return the messages with their stages; None without messages. ``lasts`` is how long the run was followed."""
    course = trial.course
    if not course.ledger.sent:
        return None
    named = {e.token for r in course.violated for e in r.evidence if e.token}
    messages = [_message(trial, one, named) for one in course.ledger.sent]
    return {
        "lasts": round(course.ended.mono_s - course.began.mono_s, DIGITS),
        "stages": [s for s in STAGES if PARTS.get(s) not in course.ledger.absent],
        "fault": _fault(trial, trial.injection) if trial.injection else None,
        "messages": messages,
    }


def took_s(trial: Trial) -> list[float | None]:
    """Return each wanted message's seconds to its last stage, None where that was not seen."""
    ledger = trial.course.ledger
    return [ledger.took_s(one)[1] for one in ledger.wanted()]


def after_s(trial: Trial, stage: str) -> list[float | None]:
    """Return the seconds from sending to one stage, for every message that must have its effect."""
    ledger = trial.course.ledger
    return [_after(one, getattr(ledger.stages.get(one.token, Stages()), stage)) for one in ledger.wanted()]


def _after(one: Sent, reached: Instant | None) -> float | None:
    return None if reached is None else reached.mono_s - one.at.mono_s


def _message(trial: Trial, one: Sent, named: set[str]) -> dict[str, Any]:
    course = trial.course
    # A second delivery has no way of its own: what it led to is seen at the first.
    stages = Stages() if one.kind is Kind.DUPLICATE else course.ledger.stages.get(one.token, Stages())
    sent = one.at.mono_s - course.began.mono_s
    committed = None if stages.committed_s is None else max(0.0, stages.committed_s - one.at.wall_s)
    reached = {"committed": committed, **{s: _after(one, getattr(stages, s)) for s in STAGES[1:]}}
    took = course.ledger.took_s(one)[1] if one.kind is not Kind.DUPLICATE and one.refused is None else None
    state = _state(one, took, named)
    return {
        "command": one.command,
        "token": one.token,
        "state": state,
        "failed": state in {"broken", "unseen"},
        "sent": round(sent, DIGITS),
        **{stage: None if after is None else round(sent + after, DIGITS) for stage, after in reached.items()},
        "took": None if took is None else round(took, DIGITS),
        "success": course.ledger.answered(one.token),
    }


def _state(one: Sent, took: float | None, named: set[str]) -> str:
    """Return what to say of a message: an effect that is not due is missed by nobody."""
    if one.refused is not None:
        return "refused"
    if one.kind is Kind.DUPLICATE:
        return "second"
    if one.token in named:
        return "broken"
    if one.effect is Effect.ONCE:
        return "unseen" if took is None else "through"
    return "through" if took is not None else "not due"


def _fault(trial: Trial, run: Run) -> dict[str, Any] | None:
    """Return when the injection was active and felt, on the run's own axis; None for a baseline or without one."""
    injected, judged = run.injection.injected, run.judged
    if trial.purpose is not Purpose.EXPERIMENT or injected is None:
        return None
    zero_s = injected.started.mono_s - trial.course.began.mono_s
    lasts_s = trial.course.ended.mono_s - trial.course.began.mono_s
    revert = run.injection.revert_started
    ends_s = revert.mono_s - trial.course.began.mono_s if revert else lasts_s
    impact, back = (judged.impact, judged.recovery) if judged else (None, None)
    well_s = zero_s + back.hi_s if back else lasts_s
    return {
        "name": trial.fault,
        "active": _span(zero_s, ends_s, lasts_s),
        "unwell": _span(zero_s + impact.lo_s, well_s, lasts_s) if impact else None,
        "recovered": back is not None,
    }


def _span(begin_s: float, end_s: float, lasts_s: float) -> list[float] | None:
    """Return the part of a span within the run; None when nothing of it is."""
    low, high = max(0.0, begin_s), min(end_s, lasts_s)
    return [round(low, DIGITS), round(high, DIGITS)] if high >= low else None


def chosen(messages: Sequence[dict[str, Any]], *, whole_most: int, slowest: int) -> list[dict[str, Any]]:
    """Return the messages to draw, in order: all, or of more than ``whole_most`` the failed and the slowest."""
    if len(messages) <= whole_most:
        return list(messages)
    others = sorted((m for m in messages if not m["failed"]), key=lambda m: m["took"] or 0.0, reverse=True)
    kept = {m["token"] for m in others[:slowest]}
    return [m for m in messages if m["failed"] or m["token"] in kept]
