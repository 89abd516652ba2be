"""Each invariant with planted ledgers, in both directions: what is wrong is named, what is right is not."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from daemon.core.evidence import Evidence, Finding, Standing
from daemon.core.invariants import INVARIANTS, Invariant, Result, blame, inapplicable, judge, merge, worst
from daemon.core.ledger import Condition, Counts, Effect, Kind, Ledger, Part, Place, QueueState, Stages
from daemon.core.target import Limits
from tests.ledgers import CLONE, answer, commit, counts, good, instant, kept, line, sent, silent, token, without

Change = Callable[[Ledger], Ledger]


def results(ledger: Ledger) -> dict[str, Result]:
    return {r.invariant: r for r in judge(ledger, Limits())}


def standings(ledger: Ledger, standing: Standing) -> set[str]:
    return {name for name, r in results(ledger).items() if r.standing is standing}


def condition(what: str, **where: object) -> Condition:
    return replace(Condition(what=what, repository=CLONE, detail=f"{what} there"), **where)


def seen(*more: object) -> Change:
    return lambda ledger: replace(ledger, sightings=(*ledger.sightings, *more))


def queue(after: Counts, dead: tuple[str, ...] = (), before: Counts | None = None, **what: Any) -> Change:
    state = QueueState(before=before or counts(), after=after, dead=dead, **what)
    return lambda ledger: replace(ledger, queue=state)


def stale(ledger: Ledger) -> Ledger:
    assert ledger.deployed is not None
    return replace(ledger, deployed=replace(ledger.deployed, holds=frozenset({token(0)})))


def untouched(ledger: Ledger) -> Ledger:
    assert ledger.deployed is not None
    return replace(ledger, deployed=replace(ledger.deployed, holds=frozenset(), unchanged_since=instant(-5)))


def shows(*unseen: int, holds: tuple[int, ...] = (), since_s: float = 3.5, **what: Any) -> Change:
    """Show another commit: by default the end of a user's branch. The ``unseen`` messages were never seen there."""

    def change(ledger: Ledger) -> Ledger:
        assert ledger.deployed is not None
        plain = replace(
            ledger.deployed,
            commit="d" * 40,
            tip_of=("a-user-s",),
            holds=frozenset(token(n) for n in holds),
            unchanged_since=instant(since_s),
        )
        stages = {**ledger.stages, **{token(n): replace(ledger.stages[token(n)], deployed=None) for n in unseen}}
        return replace(ledger, deployed=replace(plain, **what), stages=stages)

    return change


def slow(ledger: Ledger) -> Ledger:
    late = replace(ledger.stages[token(1)], pushed_after=instant(40), pushed=instant(41), deployed=instant(42))
    return replace(ledger, stages={**ledger.stages, token(1): late})


WRONG: Mapping[str, tuple[str, Change, set[str]]] = {
    "answered and nowhere": ("no-lost-instruction", lambda x: without(x, 1), {"honest-response"}),
    "deleted and nowhere": ("no-lost-instruction", lambda x: silent(without(x, 1)), set()),
    "two commits": ("exactly-once", lambda x: silent(seen(commit(1, identity="b" * 40))(x)), set()),
    "two lines of a file": ("exactly-once", lambda x: silent(seen(line(1, at=9))(x)), set()),
    "on another thread's branch": ("right-branch", lambda x: silent(seen(commit(1, thread=2))(x)), set()),
    "a stranger on our branch": ("right-branch", lambda x: silent(seen(commit(77))(x)), set()),
    "a local branch ahead": (
        "all-pushed",
        lambda x: replace(x, conditions=(condition("ahead", branch="thread-1", commit="d" * 40),)),
        set(),
    ),
    "only in a stash": (
        "no-stash-left",
        lambda x: silent(seen(kept(1))(without(x, 1))),
        {"no-lost-instruction"},
    ),
    "only in a dangling commit": (
        "no-stash-left",
        lambda x: silent(seen(kept(1, Place.DANGLING))(without(x, 1))),
        {"no-lost-instruction"},
    ),
    "conflict markers": (
        "no-conflict-markers",
        lambda x: silent(
            replace(x, conditions=(condition("conflict-markers", branch="thread-1", path="f", line=3),))
        ),
        set(),
    ),
    "a stale lock": ("repository-sound", lambda x: replace(x, conditions=(condition("stale-lock"),)), set()),
    "a finding of fsck": ("repository-sound", lambda x: replace(x, conditions=(condition("fsck"),)), set()),
    "an older commit deployed": ("deployment-fresh", stale, set()),
    "never deployed": ("deployment-fresh", untouched, set()),
    "an older commit of somebody else's deployed": (
        "deployment-fresh",
        shows(tip_of=(), behind=(commit(77, thread=9),)),
        set(),
    ),
    "nothing deployed": ("deployment-fresh", lambda x: replace(x, deployed=None), set()),
    "a message left": ("queue-drained", queue(counts(visible=1)), set()),
    "a message in flight for good": ("queue-drained", queue(counts(in_flight=1)), set()),
    "a good message dead": (
        "queue-drained",
        lambda x: silent(without(queue(counts(dead=1), (token(1),))(x), 1)),
        set(),
    ),
    "it grew by more than what nobody can handle": ("queue-drained", queue(counts(dead=3), unfit=2), set()),
    "the dead-letter queue grew": ("queue-drained", queue(counts(dead=2)), set()),
    "success for what is twice": (
        "honest-response",
        seen(commit(1, identity="b" * 40)),
        {"exactly-once"},
    ),
    "success with conflict markers": (
        "honest-response",
        lambda x: replace(x, conditions=(condition("conflict-markers", branch="thread-1", path="f", line=3),)),
        {"no-conflict-markers"},
    ),
    "a slow switch": (
        "branch-switch-fast",
        lambda x: replace(x, switches=(replace(x.switches[0], least_s=6, most_s=8),)),
        set(),
    ),
    "a slow message": ("message-fast", slow, set()),
}

RIGHT: Mapping[str, Change] = {
    "all is well": lambda x: x,
    "a failure answered for what failed": lambda x: replace(
        queue(counts(dead=1))(x),
        sent=(*x.sent, sent(3, kind=Kind.MALFORMED, effect=Effect.NONE, branch=None)),
        answers=(*x.answers, answer(3, success=False)),
    ),
    "a poison message without an answer": lambda x: replace(
        queue(counts(dead=1))(x), sent=(*x.sent, sent(3, kind=Kind.MALFORMED, effect=Effect.NONE, branch=None))
    ),
    "a second delivery": lambda x: replace(x, sent=(*x.sent, sent(1, kind=Kind.DUPLICATE))),
    "an instruction in two files": seen(line(1, path="changelog")),
    "refused by the queue itself": lambda x: replace(x, sent=(*x.sent, sent(3, refused="InvalidParameterValue"))),
    "merged into the mainline": seen(replace(commit(1), branch="main")),
    "a stash of work that is published too": seen(kept(1)),
    "a lock from before": lambda x: replace(
        x, conditions=(condition("stale-lock"),), before=(condition("stale-lock"),)
    ),
    "a burst's malformed messages are dead": queue(counts(dead=2), unfit=2),
    "others sent more once ours were done": queue(counts(visible=2, in_flight=1), emptied=True),
    "a dead letter from before": queue(counts(dead=7), before=counts(dead=7)),
    "a target without a dead-letter queue": queue(counts(dead=None), before=counts(dead=None)),
    "the deployment of another branch came last": lambda _: good(messages=4, threads=2),
    "a user's work was deployed later": shows(),
    "a user's work was deployed before ours was seen there": shows(2),
    "a user's branch that took over some of ours": shows(holds=(0, 1)),
    "a user's branch that took over ours": shows(2, holds=(0, 1, 2)),
}

UNSEEN: Mapping[str, tuple[str, Change]] = {
    "still in the queue": ("no-lost-instruction", lambda x: silent(queue(counts(visible=1))(without(x, 1)))),
    "maybe in the dead-letter queue": (
        "no-lost-instruction",
        lambda x: silent(queue(counts(dead=1))(without(x, 1))),
    ),
    "no queue seen": ("no-lost-instruction", lambda x: silent(replace(without(x, 1), queue=None))),
    "malformed dead letters that may be of before": (
        "queue-drained",
        queue(counts(dead=4), before=counts(dead=2), unfit=2),
    ),
    "others' messages before": ("queue-drained", queue(counts(visible=1), before=counts(visible=5))),
    "a site of somebody else": (
        "deployment-fresh",
        shows(tip_of=()),
    ),
    "a commit of ours that somebody else's branch ends at": (
        "deployment-fresh",
        shows(commit=f"{1:040x}", holds=(0, 1)),
    ),
    "a user's work from before ours was pushed": ("deployment-fresh", shows(2, since_s=2.5)),
    "our other branch's work from before this one's was pushed": (
        "deployment-fresh",
        lambda _: shows(3, holds=(0, 2), since_s=3.2, commit=f"{2:040x}", tip_of=("thread-1",))(good(4, threads=2)),
    ),
    "an older commit of somebody else's whose next may be under way": (
        "deployment-fresh",
        lambda x: queue(counts(in_flight=1))(shows(tip_of=(), behind=(commit(77, thread=9),))(x)),
    ),
    "a site without a name": ("deployment-fresh", shows(commit=None, tip_of=())),
    "a switch that may have waited": (
        "branch-switch-fast",
        lambda x: replace(x, switches=(replace(x.switches[0], most_s=9),)),
    ),
    "a message not seen at its end": (
        "message-fast",
        lambda x: replace(x, stages={**x.stages, token(1): Stages(pushed=instant(1))}, deployed=None),
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named_with_evidence(name: str) -> None:
    invariant, change, also = WRONG[name]
    ledger = change(good())
    found = results(ledger)[invariant]
    assert found.standing is Standing.VIOLATED
    assert found.reason
    assert all(e.what and e.detail for e in found.evidence)
    assert standings(ledger, Standing.VIOLATED) - {invariant} == also


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_is_held_by_every_invariant(name: str) -> None:
    ledger = RIGHT[name](good())
    assert standings(ledger, Standing.HELD) == set(INVARIANTS), [
        (r.invariant, r.reason) for r in results(ledger).values() if r.reason
    ]


@pytest.mark.parametrize("name", UNSEEN)
def test_what_cannot_be_told_is_unknown(name: str) -> None:
    invariant, change = UNSEEN[name]
    found = results(change(good()))[invariant]
    assert found.standing is Standing.UNKNOWN
    assert found.reason


@pytest.mark.parametrize("part", Part)
def test_a_part_out_of_sight_makes_unknown_what_needs_it(part: Part) -> None:
    ledger = replace(good(), blind={part: "it did not answer"})
    needing = {name for name, one in INVARIANTS.items() if part in one.needs}
    assert needing
    assert standings(ledger, Standing.UNKNOWN) == needing
    assert all("it did not answer" in results(ledger)[name].reason for name in needing)


def test_what_the_target_has_not_is_left_out_and_named() -> None:
    ledger = replace(good(), absent=frozenset({Part.DEPLOYMENT, Part.RESPONSES}))
    assert set(INVARIANTS) - set(results(ledger)) == {"deployment-fresh", "honest-response"}
    assert set(inapplicable(ledger)) == {"deployment-fresh", "honest-response"}


def test_evidence_says_what_to_look_at() -> None:
    (evidence,) = results(silent(seen(line(1, at=9))(good())))["exactly-once"].evidence
    assert (evidence.token, evidence.command, evidence.branch) == (token(1), "cmd-1", "thread-1")
    assert evidence.path == "file"
    assert evidence.line == 9
    assert evidence.see == f"git -C /remote.git grep -n -F {token(1)} thread-1 -- file"


def test_a_check_that_crashes_is_unknown() -> None:
    def crash(_: Ledger, __: Limits) -> Finding:
        raise RuntimeError("boom")

    (found,) = judge(good(), Limits(), table={"crashing": Invariant(crash, "", frozenset())})
    assert found.standing is Standing.UNKNOWN
    assert "RuntimeError: boom" in found.reason


# --- merging and blaming ---------------------------------------------------------------------------------


def result(standing: Standing, *kinds: str) -> Result:
    evidence = tuple(Evidence(what=what, detail=f"{what}!") for what in kinds)
    return Result(invariant="right-branch", standing=standing, reason=" ".join(kinds), evidence=evidence)


def test_merging_takes_the_more_severe_and_all_the_evidence() -> None:
    one, other = result(Standing.VIOLATED, "a"), result(Standing.VIOLATED, "a", "b")
    assert [e.what for e in merge(one, other).evidence] == ["a", "b"]
    assert merge(result(Standing.HELD), result(Standing.UNKNOWN)).standing is Standing.UNKNOWN
    with pytest.raises(ValueError, match="not the same"):
        merge(one, replace(one, invariant="exactly-once"))


def test_nothing_checked_is_unknown() -> None:
    assert worst(()) is Standing.UNKNOWN


def test_a_defect_of_the_baseline_is_not_blamed_on_the_fault() -> None:
    found = blame([result(Standing.VIOLATED, "a")], [result(Standing.VIOLATED, "a", "b")])
    assert [e.what for e in found.results[0].evidence] == ["b"]
    assert found.results[0].standing is Standing.VIOLATED
    assert [r.invariant for r in found.baseline] == ["right-branch"]


def test_behind_a_defect_of_the_baseline_nothing_is_held() -> None:
    (found,) = blame([result(Standing.VIOLATED, "a")], [result(Standing.VIOLATED, "a")]).results
    assert found.standing is Standing.UNKNOWN
    assert found.evidence == ()


def test_an_unknown_baseline_excuses_nothing() -> None:
    run = [result(Standing.VIOLATED, "a")]
    found = blame([result(Standing.UNKNOWN)], run)
    assert found.results == tuple(run)
    assert found.baseline == ()
