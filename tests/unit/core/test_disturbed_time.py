"""For how long an injection disturbed its target."""

from dataclasses import replace

from daemon.core.disturbed_time import since
from daemon.core.events import Injected, Injection, Judgement, Plan, Reverted, Verdict
from daemon.core.model import Bracket, Instant, Outcome, Reversion, Undo

PLAN = Plan(
    injection="i", experiment=None, fault="f", mode="", target="t", seed=1, parameters={}, duration_s=30,
    recover_s=120, stable_s=1, steady=(), planned_at=Instant(90, 990), origin="cli", by="test",
)  # fmt: skip
UNDO = Undo(fault="f", mode="", victim={}, actions=(), data={})
ACTIVE = Injection(plan=PLAN, undo=UNDO, injected=Injected(started=Instant(100, 1000), finished=Instant(101, 1001)))
LATER = Instant(500, 1400)
KEPT = Judgement(verdict=Verdict.NO_IMPACT, reasons=())


def ended(mono_s: float, wall_s: float, judged: Judgement | None = KEPT) -> Injection:
    at = Instant(mono_s, wall_s)
    done = Reverted(started=at, finished=at, reversion=Reversion(outcome=Outcome.RESTORED))
    return replace(ACTIVE, reverted=done, judgement=judged)


def spent_s(injection: Injection, *, now: Instant = LATER, since_s: float = 0) -> float:
    return since(injection, since_s, now)


def test_what_is_over_counts_as_long_as_it_was_there() -> None:
    assert spent_s(ended(112, 1012)) == 12


def test_what_is_not_over_counts_at_least_as_planned() -> None:
    assert spent_s(Injection(plan=PLAN), now=Instant(91, 991)) == 30
    assert spent_s(ACTIVE, now=Instant(105, 1005)) == 30
    assert spent_s(ACTIVE, now=Instant(150, 1050)) == 50


def test_what_touched_nothing_counts_nothing() -> None:
    assert spent_s(Injection(plan=PLAN, judgement=KEPT)) == 0


def test_it_lasts_until_it_is_healed() -> None:
    recovered = Judgement(verdict=Verdict.RECOVERED, reasons=(), recovery=Bracket(40, 41))
    assert spent_s(ended(112, 1012, recovered)) == 41
    never = Judgement(verdict=Verdict.NOT_RECOVERED, reasons=(), impact_seen=True, censored=True)
    assert spent_s(ended(112, 1012, never)) == 120
    assert spent_s(ended(112, 1012, None), now=Instant(140, 1040)) == 40


def test_a_wall_clock_that_is_set_makes_and_unmakes_no_time() -> None:
    assert spent_s(ended(112, 5000)) == 12
    assert spent_s(ended(112, 10)) == 12
    assert spent_s(ACTIVE, now=Instant(150, 10)) == 50


def test_after_a_reboot_the_wall_clock_and_the_plan_decide() -> None:
    assert spent_s(ended(5, 1060)) == 60
    assert spent_s(ended(5, 1010)) == 30


def test_only_what_lies_after_midnight_counts() -> None:
    assert spent_s(ended(150, 1050), since_s=1020) == 30
    assert spent_s(ended(150, 1050), since_s=2000) == 0


def test_what_died_while_it_struck_counts_until_it_was_taken_back() -> None:
    unknown = replace(ended(700, 1600), injected=None)
    assert spent_s(unknown, now=Instant(800, 1700)) == 610
    untouched = Reversion(outcome=Outcome.UNTOUCHED)
    assert unknown.reverted is not None
    assert spent_s(replace(unknown, reverted=replace(unknown.reverted, reversion=untouched))) == 0
