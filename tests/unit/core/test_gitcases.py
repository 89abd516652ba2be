"""Judging a git case: each check sees what it is for, and nothing that did not run can be said to have passed."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from daemon.core.evidence import Standing
from daemon.core.gitcases import Case, Checked, Judged, Look, Outcome, Run, Skipped, Unbuilt, Work, exit_code
from daemon.core.gitchecks import CHECKS, COMMON, figures, judge
from daemon.core.gittable import GIT_SCENARIOS
from daemon.core.ledger import Condition, Part, Place
from tests.gitlooks import CLONE, REMOTE, good_looks, piece, seen, without

SWITCH = GIT_SCENARIOS["git-switch"]
EVERYTHING = replace(SWITCH, checks=tuple(c for c in CHECKS if c not in COMMON))
CASE = Case(scenario=SWITCH, name="A-B-A", seed=7)


def standings(looks: Sequence[Look], broken_off: str = "") -> dict[str, Standing]:
    return {c.name: c.standing for c in judge(EVERYTHING, looks, broken_off)}


def violated(looks: Sequence[Look]) -> set[str]:
    return {name for name, standing in standings(looks).items() if standing is Standing.VIOLATED}


def conditions(one: Look, *found: Condition) -> Look:
    return replace(one, ledger=replace(one.ledger, conditions=found))


def test_a_good_course_is_held_throughout() -> None:
    assert set(standings(good_looks()).values()) == {Standing.HELD}


def test_a_message_that_is_not_on_its_branch() -> None:
    first, last = good_looks()
    only_local = without(last, 11, seen(11, Place.UNPUSHED, "b1"))
    assert violated((first, only_local)) == {"message-published", "honest-exit"}
    (check,) = [c for c in judge(SWITCH, (first, only_local)) if c.name == "message-published"]
    assert "in an unpushed commit of b1" in check.evidence[0].detail
    assert check.evidence[0].see == f"git -C {CLONE} show {'a' * 40}"


def test_a_message_done_twice() -> None:
    first, last = good_looks()
    twice = replace(last.ledger, sightings=(*last.ledger.sightings, seen(10, Place.MESSAGE, "b2", "d" * 40)))
    assert violated((first, replace(last, ledger=twice))) == {"exactly-once"}


def test_unfinished_work_on_another_branch() -> None:
    first, last = good_looks()
    wrong = without(last, 3, seen(3, Place.LINE, "b2"))
    assert violated((first, wrong)) == {"right-branch", "work-recovered"}


def test_conflict_markers_a_lock_and_a_rewritten_branch() -> None:
    first, last = good_looks()
    marker = Condition(what="conflict-markers", repository=REMOTE, detail="f:1", branch="b1", commit="c", path="f")
    lock = Condition(what="stale-lock", repository=CLONE, detail="stale-lock: index.lock")
    gone = Condition(what="rewritten", repository=REMOTE, detail="b1 no longer has e", branch="b1", commit="e")
    assert violated((first, conditions(last, marker))) == {"no-conflict-markers"}
    assert violated((first, conditions(last, lock))) == {"repository-sound"}
    assert violated((replace(first, rewritten=(gone,)), last)) == {"history-kept"}
    assert (
        figures((first, conditions(last, marker, lock)), judge(SWITCH, (first, conditions(last, marker, lock))))[
            2
        ].value
        == 2
    )


@pytest.mark.parametrize("where", [(), (seen(2, Place.DANGLING),)], ids=["nowhere", "dangling"])
def test_work_is_lost_when_nothing_reaches_it_even_for_a_while(where: tuple[()]) -> None:
    first, last = good_looks()
    assert violated((without(first, 2, *where), last)) == {"nothing-lost"}
    assert violated((first, without(last, 2, *where))) == {"nothing-lost", "work-recovered"}


def test_work_that_stays_in_the_stash_is_kept_and_not_recovered() -> None:
    first, last = good_looks()
    looks = (first, without(last, 2, seen(2, Place.STASH)))
    assert violated(looks) == {"work-recovered"}
    recovery = figures(looks, judge(SWITCH, looks))[1]
    assert (recovery.value, recovery.met, recovery.note) == (50.0, False, "1 of 2 pieces")


def test_a_stash_of_somebody_else() -> None:
    first, last = good_looks()
    own = piece(5, Work.STASHED, commit="f" * 40)
    there = without(replace(last, pieces=(*last.pieces, own), stashes=("f" * 40,)), 5, seen(5, Place.STASH))
    assert violated((first, there)) == set()
    assert violated((first, replace(there, stashes=("0" * 40,)))) == {"foreign-stash-kept"}
    assert standings((first, replace(there, stashes=None)))["foreign-stash-kept"] is Standing.UNKNOWN


@pytest.mark.parametrize("code", [1, None])
def test_a_worker_that_says_failure_of_what_is_done(code: int | None) -> None:
    first, last = good_looks()
    assert violated((first, replace(last, runs=(Run(code=code, took_s=1.0),)))) == {"honest-exit"}


def test_a_switch_is_bounded_by_the_reflog_or_the_run_else_unknown() -> None:
    first, last = good_looks()
    assert figures((first, last), judge(SWITCH, (first, last)))[0].value == 1.0
    slow = replace(last, runs=(Run(code=0, took_s=60.0),))
    assert figures((first, slow), judge(SWITCH, (first, slow)))[0].value == 2.0
    blind = replace(slow, ledger=replace(slow.ledger, switches=slow.ledger.switches[:1]))
    assert standings((first, blind))["branch-switch-fast"] is Standing.UNKNOWN
    figure = figures((first, blind), judge(SWITCH, (first, blind)))[0]
    assert (figure.value, figure.met) == (60.0, None)
    unseen = without(blind, 11)
    assert figures((first, unseen), judge(SWITCH, (first, unseen)))[0].value is None


@pytest.mark.parametrize("part", [Part.REMOTE, Part.CLONES])
def test_what_cannot_be_seen_is_unknown(part: Part) -> None:
    first, last = good_looks()
    blind = replace(without(last, 2), ledger=replace(without(last, 2).ledger, blind={part: "dark"}))
    found = standings((first, blind))
    assert found["work-recovered"] is Standing.UNKNOWN
    assert found["nothing-lost"] is Standing.UNKNOWN
    assert all(found[n] is Standing.UNKNOWN for n, check in CHECKS.items() if part in check.needs)
    assert figures((first, blind), judge(SWITCH, (first, blind)))[1].value is None


# --- what may be said ------------------------------------------------------------------------------------

HELD = Checked(name="message-published", standing=Standing.HELD)


def test_only_what_ran_and_was_checked_can_be_judged() -> None:
    looks = good_looks()
    with pytest.raises(ValueError, match="without a run"):
        Judged(case=CASE, looks=(), checks=(HELD,))
    with pytest.raises(ValueError, match="without a run"):
        Judged(case=CASE, looks=tuple(replace(look, runs=()) for look in looks), checks=(HELD,))
    with pytest.raises(ValueError, match="without a check"):
        Judged(case=CASE, looks=looks, checks=())
    with pytest.raises(ValueError, match="nothing was seen"):
        judge(SWITCH, ())


def test_a_course_that_was_broken_off_has_not_passed() -> None:
    checks = judge(SWITCH, good_looks(), "broken off")
    assert Judged(case=CASE, looks=good_looks(), checks=checks).outcome is Outcome.UNKNOWN


def test_the_exit_code_tells_passed_failed_and_skipped_apart() -> None:
    looks = good_looks()
    passed = Judged(case=CASE, looks=looks, checks=judge(SWITCH, looks))
    failed = Judged(case=CASE, looks=looks, checks=(replace(HELD, standing=Standing.VIOLATED),))
    skipped, unbuilt = Skipped(CASE, "no worker"), Unbuilt(CASE, "no conflict")
    assert [r.outcome for r in (passed, failed, skipped, unbuilt)] == ["passed", "failed", "skipped", "unknown"]
    assert exit_code([passed]) == 0
    assert exit_code([passed, skipped]) == exit_code([skipped]) == exit_code([]) == 5
    assert exit_code([passed, skipped, failed]) == exit_code([unbuilt]) == 1


def test_every_check_a_scenario_names_exists_and_every_case_gives_a_message() -> None:
    for scenario in GIT_SCENARIOS.values():
        assert set(scenario.checks) <= set(CHECKS)
        assert all(any(s.act == "message" for s in steps) for steps in scenario.cases.values())
