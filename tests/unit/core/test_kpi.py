"""The key figures: measured where they were seen, unknown where not."""

from dataclasses import replace

from daemon.core.invariants import judge
from daemon.core.kpi import Kpi, kpis
from daemon.core.ledger import Condition, Ledger, Part, Stages
from daemon.core.target import Limits
from tests.ledgers import CLONE, good, instant, kept, silent, token, without


def figures(ledger: Ledger, *, healthy: bool | None = True) -> dict[str, Kpi]:
    return {k.name: k for k in kpis(ledger, judge(ledger, Limits()), Limits(), healthy=healthy)}


def test_a_good_run_meets_every_goal() -> None:
    found = figures(good())
    assert {name: k.met for name, k in found.items()} == {
        "task HEALTHY": True,
        "message, slowest": True,
        "message, median": None,
        "branch switch": True,
        "stash recovery": True,
        "corruption": True,
    }
    assert found["message, slowest"].value == 1.5
    assert found["branch switch"].value == 1


def test_what_was_not_seen_is_unknown_and_neither_met_nor_missed() -> None:
    dark = replace(good(), switches=(), blind={Part.CLONES: "no clone"}, stages={}, deployed=None)
    found = figures(dark, healthy=None)
    assert {k.value for k in found.values()} == {None}
    assert {k.met for k in found.values()} == {None}


def test_one_message_unseen_leaves_the_slowest_unknown_but_one_too_late_is_missed() -> None:
    stages = dict(good().stages)
    stages[token(1)] = Stages(pushed=instant(2.0))
    partly = replace(good(), stages=stages, deployed=None)
    assert figures(partly)["message, slowest"].value is None
    stages[token(2)] = replace(stages[token(2)], pushed=instant(50), deployed=instant(52))
    found = figures(replace(partly, stages=stages))["message, slowest"]
    assert (found.value, found.met) == (50.0, False)
    assert "1 of 3" in found.note


def test_work_left_in_a_stash_and_corruption_are_counted() -> None:
    lost = silent(without(good(), 1))
    found = figures(replace(lost, sightings=(*lost.sightings, kept(1))))["stash recovery"]
    assert found.met is False
    assert round(found.value or 0) == 67
    broken = replace(good(), conditions=(Condition(what="object-corrupt", repository=CLONE, detail="x"),))
    assert figures(broken)["corruption"].value == 1


def test_a_slow_switch_within_waiting_is_unknown() -> None:
    ledger = good()
    waited = replace(ledger, switches=(replace(ledger.switches[0], most_s=9),))
    assert figures(waited)["branch switch"].met is None
    slow = replace(ledger, switches=(replace(ledger.switches[0], least_s=6, most_s=9),))
    assert figures(slow)["branch switch"].met is False
