"""What of an injection is worth telling, read from its events. Who is told, how and how often is not known here."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from daemon.core.events import (
    Event,
    Injected,
    Injection,
    Judged,
    Judgement,
    Plan,
    Planned,
    Proposed,
    Reverted,
    Settled,
    Verdict,
)


class News(StrEnum):
    """What is worth telling; each is also a word of ``notify[].on``."""

    INJECTED = "injected"
    RECOVERED = "recovered"
    NOT_RECOVERED = "not-recovered"
    VIOLATED = "violated"
    UNDO_FAILED = "undo-failed"
    UNDONE = "undone"  # after all: the all-clear for who was told of undo-failed

    def wanted(self, on: Collection[str]) -> bool:
        """Tell whether who asked for these words is told; for none: of everything."""
        return not on or self in on or (self is News.UNDONE and News.UNDO_FAILED in on)


_OF: Mapping[Verdict, News] = {
    Verdict.RECOVERED: News.RECOVERED,
    Verdict.NOT_RECOVERED: News.NOT_RECOVERED,
    Verdict.VIOLATED: News.VIOLATED,
    Verdict.UNDO_FAILED: News.UNDO_FAILED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing to tell. ``revised``: a later undo changed an earlier verdict."""

    news: News
    plan: Plan
    at_s: float
    reasons: tuple[str, ...] = ()
    recovery: tuple[float, float] | None = None
    healed_by: str | None = None
    invariants: tuple[str, ...] = ()
    revised: bool = False

    @property
    def key(self) -> str:
        """Return what is the same for every try of the same notice, and for no other."""
        return f"{self.plan.injection}/{self.news}" + (f"/revised-{self.at_s:.3f}" if self.revised else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A fault on a time axis: it began, or with ``end_s`` it is over."""

    plan: Plan
    begin_s: float
    end_s: float | None = None

    @property
    def key(self) -> str:
        return f"{self.plan.injection}/{'begun' if self.end_s is None else 'over'}"


class NoticeReader:
    """Turns the events of each injection into notices and marks; remembers what is under way. Not thread-safe.

    An undo that fails again and again for the same reason is told once; of one that a person has settled nothing
    more is.
    """

    def __init__(self) -> None:
        self._plans: dict[str, Plan] = {}
        self._failed: dict[str, tuple[str, ...]] = {}
        self._begun: dict[str, float] = {}

    def resume(self, outstanding: Iterable[Injection]) -> None:
        """Take over what an earlier life of the daemon began."""
        for left in outstanding:
            self._plans[left.plan.injection] = left.plan
            if left.judgement is not None and left.judgement.verdict is Verdict.UNDO_FAILED:
                self._failed[left.plan.injection] = _why(left.judgement)
            if left.injected is not None:
                self._begun[left.plan.injection] = left.injected.started.wall_s

    def take(self, injection: str, event: Event) -> tuple[Notice | Mark, ...]:
        """Return what one more event is worth telling."""
        if isinstance(event, Proposed):
            self._plans[injection] = event.plan
            return ()
        plan = self._plans.get(injection)
        return () if plan is None else tuple(self._told(injection, plan, event))

    def _told(self, injection: str, plan: Plan, event: Event) -> Iterable[Notice | Mark]:
        match event:
            case Planned():  # the way it strikes may have been left to the fault
                self._plans[injection] = replace(plan, mode=event.undo.mode)
            case Injected():
                self._begun[injection] = event.started.wall_s
                yield Mark(plan=plan, begin_s=event.started.wall_s)
                if event.error is None:
                    yield Notice(news=News.INJECTED, plan=plan, at_s=event.finished.wall_s)
            case Reverted(finished=at):
                yield from self._over(injection, plan, at.wall_s)
            case Settled(at=at):
                yield from self._over(injection, plan, at.wall_s)
                del self._plans[injection]  # its verdict, undo-failed for another reason, would page who closed it
                self._failed.pop(injection, None)
            case Judged():
                yield from self._judged(injection, plan, event)
            case _:
                pass

    def _over(self, injection: str, plan: Plan, end_s: float) -> Iterable[Mark]:
        begun_s = self._begun.pop(injection, None)
        if begun_s is not None:
            yield Mark(plan=plan, begin_s=begun_s, end_s=end_s)

    def _judged(self, injection: str, plan: Plan, event: Judged) -> Iterable[Notice]:
        before, why = self._failed.pop(injection, None), _why(event.judgement)
        failed = event.judgement.verdict is Verdict.UNDO_FAILED
        if failed:
            self._failed[injection] = why
        else:
            del self._plans[injection]
        if before is not None and not failed:
            yield _notice(News.UNDONE, plan, event)
        if event.judgement.verdict in _OF and not (failed and before == why):
            yield _notice(_OF[event.judgement.verdict], plan, event)


def _why(judged: Judgement) -> tuple[str, ...]:
    """Return the reasons without their figures, of which every try has others."""
    return tuple(re.sub(r"\d+", "#", reason) for reason in judged.reasons)


def _notice(news: News, plan: Plan, event: Judged) -> Notice:
    judged = event.judgement
    return Notice(
        news=news,
        plan=plan,
        at_s=event.at.wall_s,
        reasons=judged.reasons,
        recovery=(round(judged.recovery.lo_s, 3), round(judged.recovery.hi_s, 3)) if judged.recovery else None,
        healed_by=judged.healed_by.value if judged.healed_by else None,
        invariants=tuple(sorted({str(v["invariant"]) for v in judged.violations})),
        revised=event.revised,
    )
