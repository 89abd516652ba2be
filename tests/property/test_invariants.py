"""What holds for any ledger: judging is total and pure, more trouble never looks better, nobody is blamed twice."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from daemon.core.evidence import SEVERITY, Standing
from daemon.core.invariants import INVARIANTS, Result, blame, judge, merge, worst
from daemon.core.ledger import Effect, Kind, Ledger, Part, Place, QueueState, Sighting
from daemon.core.target import Limits
from tests.ledgers import answer, commit, counts, good, kept, line, sent, token, without

NUMBERS = st.integers(0, 3)
SIGHTINGS: st.SearchStrategy[Sighting] = st.one_of(
    st.builds(commit, NUMBERS, st.integers(1, 3), st.sampled_from(["a" * 40, "b" * 40])),
    st.builds(line, NUMBERS, st.integers(1, 3), st.integers(1, 5), st.sampled_from(["one", "two"])),
    st.builds(kept, NUMBERS, st.sampled_from([Place.STASH, Place.DANGLING, Place.DIRTY])),
)
COUNTS = st.builds(counts, st.integers(0, 3), st.integers(0, 3), st.none() | st.integers(0, 3))


@st.composite
def ledgers(draw: st.DrawFn) -> Ledger:
    """Return a ledger with anything in it, consistent or not."""
    numbers = draw(st.lists(NUMBERS, max_size=4))
    asked = tuple(
        sent(n, draw(st.integers(1, 2)), kind=draw(st.sampled_from(Kind)), effect=draw(st.sampled_from(Effect)))
        for n in numbers
    )
    base = good(draw(st.integers(1, 4)), draw(st.integers(1, 2)))
    dead = tuple(token(n) for n in draw(st.lists(NUMBERS, max_size=2)))
    return replace(
        base,
        sent=asked,
        sightings=tuple(draw(st.lists(SIGHTINGS, max_size=8))),
        answers=tuple(answer(n, draw(st.sampled_from([True, False, None]))) for n in numbers),
        queue=draw(st.none() | st.builds(QueueState, before=COUNTS, after=COUNTS, dead=st.just(dead))),
        deployed=draw(st.sampled_from([base.deployed, None])),
        blind=draw(st.dictionaries(st.sampled_from(Part), st.just("dark"), max_size=2)),
        absent=draw(st.frozensets(st.sampled_from(Part), max_size=2)),
    )


@given(ledgers())
def test_every_ledger_is_judged_and_always_alike(ledger: Ledger) -> None:
    found = judge(ledger, Limits())
    assert found == judge(ledger, Limits())
    assert {r.invariant for r in found} == {n for n, one in INVARIANTS.items() if not one.needs & ledger.absent}
    assert not any("crashed" in r.reason for r in found)
    assert all(bool(r.evidence) == (r.standing is Standing.VIOLATED) for r in found)
    assert all(r.reason for r in found if r.standing is not Standing.HELD)


@given(ledgers())
def test_nothing_unseen_is_held(ledger: Ledger) -> None:
    held = {r.invariant for r in judge(ledger, Limits()) if r.standing is Standing.HELD}
    assert not any(INVARIANTS[name].needs & set(ledger.blind) for name in held)


@given(st.integers(1, 6), st.integers(1, 3))
def test_a_good_run_of_any_size_is_held_throughout(messages: int, threads: int) -> None:
    assert {r.standing for r in judge(good(messages, threads), Limits())} == {Standing.HELD}


@given(st.integers(2, 6), st.data())
def test_whichever_message_is_lost_it_is_named(messages: int, data: st.DataObject) -> None:
    lost = data.draw(st.integers(0, messages - 1))
    found = {r.invariant: r for r in judge(without(good(messages), lost), Limits())}
    assert [e.token for e in found["no-lost-instruction"].evidence] == [token(lost)]
    assert found["exactly-once"].standing is Standing.HELD


@given(st.integers(1, 6), st.integers(1, 6), SIGHTINGS)
def test_more_sightings_never_make_a_violation_of_order_go_away(
    messages: int, threads: int, more: Sighting
) -> None:
    ledger = good(messages, threads)
    for name in ("exactly-once", "right-branch"):
        before = {r.invariant: r.standing for r in judge(ledger, Limits())}[name]
        after = judge(replace(ledger, sightings=(*ledger.sightings, more)), Limits())
        assert SEVERITY.index({r.invariant: r.standing for r in after}[name]) >= SEVERITY.index(before)


RESULTS = st.builds(lambda ledger: judge(ledger, Limits()), ledgers())


@given(RESULTS)
def test_a_run_is_not_blamed_for_what_it_shows_without_a_fault(found: tuple[Result, ...]) -> None:
    blamed = blame(found, found)
    assert not [r for r in blamed.results if r.standing is Standing.VIOLATED]
    assert {r.invariant for r in blamed.baseline} == {r.invariant for r in found if r.standing is Standing.VIOLATED}
    assert blame((), found).results == found


@given(RESULTS, RESULTS)
def test_merging_is_the_worse_of_both(one: tuple[Result, ...], other: tuple[Result, ...]) -> None:
    for a in one:
        for b in (r for r in other if r.invariant == a.invariant):
            both = merge(a, b)
            assert both.standing is worst((a.standing, b.standing)) is merge(b, a).standing
            assert {*a.evidence, *b.evidence} == {*both.evidence}
