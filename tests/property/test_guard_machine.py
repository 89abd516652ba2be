"""Over random sequences of requests, times and target states no rule is exceeded; and the machine would notice."""

from collections.abc import Callable
from dataclasses import replace
from math import ceil
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

from daemon.core import blast, guard
from daemon.core.calendar import Blackout, Window
from daemon.core.guard import RULES, Facts, Unanswered
from daemon.core.levers import ErrorBudget
from daemon.core.settings import Allow, GuardSetting
from tests.property.guarded import Guarded

CHECKS = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
HONEST = settings(max_examples=100, stateful_step_count=40, suppress_health_check=CHECKS)
# Finding a planted mistake is enough: no shrinking. The seed is fixed, so that a variant is found every time.
PLANTED = settings(HONEST, max_examples=300, phases=[Phase.generate], derandomize=True, database=None)


def test_no_rule_is_ever_exceeded() -> None:
    run_state_machine_as_test(Guarded, settings=HONEST)


Broken = Callable[[Facts, GuardSetting], str | None]


def _deaf(name: str) -> Broken:
    """The rule takes silence for consent."""

    def rule(facts: Facts, rules: GuardSetting) -> str | None:
        kept: dict[str, Any] = {}
        for field in ("levers", "stops"):
            told = getattr(facts, field)
            kept[field] = {k: None if isinstance(v, Unanswered) else v for k, v in told.items()}
        for field, least in (("healthy_tasks", None), ("steady_share", 1.0), ("drifted", None)):
            found = getattr(facts, field)
            kept[field] = least if isinstance(found, Unanswered) else found
        if isinstance(facts.tags, Unanswered) and rules.require_tag:
            kept["tags"] = (dict([rules.require_tag]),)
        elif isinstance(facts.tags, Unanswered) and rules.protect_tag:
            kept["tags"] = ({},)
        return RULES[name](replace(facts, **kept), rules)

    return rule


def _lenient(name: str, **looser: Callable[[Facts, GuardSetting], Any]) -> Broken:
    """The rule looks at other facts than those that are."""

    def rule(facts: Facts, rules: GuardSetting) -> str | None:
        return RULES[name](replace(facts, **{k: f(facts, rules) for k, f in looser.items()}), rules)

    return rule


def _rounding_up(facts: Facts, rules: GuardSetting) -> str | None:
    healthy, percent = facts.healthy_tasks, rules.max_percent
    if not isinstance(healthy, int) or percent is None:
        return RULES["max-percent"](facts, rules)
    too_many = facts.disturbed + facts.disturbs > ceil(healthy * percent / 100)
    return "too many" if too_many else None


DROPPED: dict[str, tuple[str, Broken]] = {f"no {name}": (name, lambda _facts, _rules: None) for name in RULES}
BENT: dict[str, tuple[str, Broken]] = {
    "one more active": ("max-active", _lenient("max-active", active=lambda f, _: f.active[1:])),
    "one more a target": (
        "max-active-per-target",
        _lenient("max-active-per-target", active=lambda f, _: f.active[1:]),
    ),
    "one more a day": ("max-per-day", _lenient("max-per-day", started_today=lambda f, _: f.started_today - 1)),
    "a gap a second short": (
        "min-gap",
        _lenient("min-gap", last_started_s_ago=lambda f, _: (f.last_started_s_ago or 0) + 1 if f.active else None),
    ),
    "this one's time forgotten": (
        "max-disturbed-time",
        _lenient("max-disturbed-time", duration_s=lambda _f, _: 0.0),
    ),
    "yesterday's time only": ("max-disturbed-time", _lenient("max-disturbed-time", disturbed_s=lambda _f, _: 0.0)),
    "percent rounded up": ("max-percent", _rounding_up),
    "the disturbed forgotten": ("max-percent", _lenient("max-percent", disturbed=lambda _f, _: 0)),
    "the disturbed taken for spare": (
        "min-healthy-tasks",
        _lenient("min-healthy-tasks", disturbed=lambda _f, _: 0),
    ),
    "one task taken for all": ("min-healthy-tasks", _lenient("min-healthy-tasks", disturbs=lambda _f, _: 1)),
    "parts are no names": ("protected", _lenient("protected", names=lambda _f, _: ())),
    "a protecting tag overlooked": ("protected", _lenient("protected", tags=lambda _f, _: ())),
    **{
        f"deaf {name}": (name, _deaf(name))
        for name in (
            "lever",
            "stop-condition",
            "drift",
            "error-budget",
            "min-healthy-tasks",
            "max-percent",
            "required-tag",
            "protected",
        )
    },
}


def _focus(*happens: str, **keys: Any) -> tuple[Any, tuple[str, ...]]:
    """Settings that turn on one rule alone, so that a few hundred steps meet it."""
    wide: dict[str, Any] = {"max_active": st.just(9), "max_active_per_target": st.just(9)}
    return st.builds(GuardSetting, **(wide | {k: st.just(v) for k, v in keys.items()})), happens


FOCUS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "halted": _focus("halt", "file"),
    "lever": _focus("lever"),
    "drift": _focus("drift"),
    "protected": _focus("tags", protect=("*-prod", "d-service"), protect_tag=("ok", "no")),
    "unresolved-undo": _focus("undo"),
    "max-active": _focus(max_active=2),
    "max-active-per-target": _focus(max_active_per_target=1),
    "overlap": _focus("overlap", "undo"),
    "max-per-day": _focus(max_per_day=2),
    "max-disturbed-time": _focus(max_disturbed_s_per_day=400.0),
    "min-gap": _focus(min_gap_s=60.0),
    "window": _focus(windows=(Window.parse("mon-fri 09:00-17:00 UTC"),)),
    "blackout": _focus(blackouts=(Blackout.parse("2026-11-25/2026-11-26"),)),
    "required-tag": _focus("tags", require_tag=("ok", "yes")),
    "allow-list": _focus(allow=Allow(queues=("1:edit-*",))),
    "min-healthy-tasks": _focus("scale", min_healthy_tasks=2),
    "max-percent": _focus("scale", max_percent=50.0),
    "stop-condition": _focus("stop"),
    "error-budget": _focus("share", error_budget=ErrorBudget(objective=0.99, prometheus="http://p")),
}


@pytest.mark.parametrize("mistake", [*DROPPED, *BENT])
def test_the_machine_finds_a_planted_mistake(mistake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, rule = (DROPPED | BENT)[mistake]
    monkeypatch.setattr(guard, "RULES", {**RULES, name: rule})
    drawn, happens = FOCUS[name]
    machine = type("Focused", (Guarded,), {"settings": drawn, "happens": happens})
    with pytest.raises((AssertionError, TypeError)):  # TypeError: an unanswered question compared with a number
        run_state_machine_as_test(machine, settings=PLANTED)


class Hasty(Guarded):
    asks_twice = False
    settings, happens = FOCUS["max-per-day"]


def test_the_machine_finds_a_guard_that_is_not_asked_again_before_striking() -> None:
    with pytest.raises((AssertionError, TypeError)):
        run_state_machine_as_test(Hasty, settings=PLANTED)


def test_every_rule_is_among_the_planted_mistakes() -> None:
    assert set(FOCUS) == set(RULES)


def test_twenty_five_percent_of_three_is_none() -> None:
    assert blast.share(3, 25) == 0
    assert blast.share(100, 29) == 29
    assert blast.room(3, keep=0, percent=25, disturbed=0) == 0
