"""The deployment beside other work, against a model that knows the truth: none fresh is blamed, none stale held."""

from dataclasses import dataclass, replace
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from daemon.core.evidence import Standing
from daemon.core.handling import deployment_fresh
from daemon.core.ledger import Deployed, Ledger, QueueState, Stages
from daemon.core.model import Instant
from daemon.core.target import Limits
from tests.ledgers import commit, counts, instant, sent

OURS: Final = (1, 2)  # threads; the others belong to somebody else
EVENING = 30  # all but what a test adds has happened by then


@dataclass(frozen=True)
class Work:
    """What was done for one message: it is asked for, pushed, and deployed right after it was pushed, or never."""

    number: int
    thread: int
    pushed: int
    deployed: int | None


@st.composite
def days(draw: st.DrawFn) -> tuple[Work, ...]:
    """Return the works of some threads, each with a worker of its own: its next push comes after its deployment."""
    moments = iter(draw(st.permutations(range(2, EVENING))))
    threads = {draw(st.sampled_from(OURS)), *draw(st.sets(st.integers(1, 4)))}
    works: list[Work] = []
    for thread in sorted(threads):
        times = sorted(next(moments) for _ in range(2 * draw(st.integers(1, 3))))
        works += [Work(0, thread, times[n], times[n + 1]) for n in range(0, len(times), 2)]
    return numbered(*works)


def numbered(*works: Work) -> tuple[Work, ...]:
    ordered = sorted(works, key=lambda w: w.pushed)
    return tuple(replace(w, number=n) for n, w in enumerate(ordered))


def seen_at(moment: int, looks: tuple[int, ...]) -> Instant | None:
    return next((instant(look) for look in looks if look >= moment), None)


def shown_at(moment: int, works: tuple[Work, ...]) -> Work | None:
    there = [(w.deployed, w) for w in works if w.deployed is not None and w.deployed <= moment]
    return max(there, key=lambda pair: pair[0])[1] if there else None


def ledger_of(works: tuple[Work, ...], looks: tuple[int, ...]) -> Ledger:
    """Write down what an observer sees who looks at these moments, last of all when everything is over."""
    ours = tuple(w for w in works if w.thread in OURS)
    shown = shown_at(looks[-1], works)
    assert shown is not None
    following = [w for w in works if w.thread == shown.thread and w.number > shown.number]
    showing = [look for look in looks if shown_at(look, works) == shown]
    return Ledger(
        run="run",
        sent=tuple(sent(w.number, w.thread, at=instant(w.pushed - 1)) for w in ours),
        sightings=tuple(commit(w.number, w.thread) for w in works),
        stages={f"c-{w.number:011x}": stages_of(w, works, looks) for w in works},
        queue=QueueState(before=counts(), after=counts()),
        deployed=Deployed(
            place="s3://site/index.html",
            commit=f"{shown.number:040x}",
            tip_of=() if following else (f"thread-{shown.thread}",),
            holds=frozenset(
                f"c-{w.number:011x}" for w in ours if w.thread == shown.thread and w.number <= shown.number
            ),
            unchanged_since=instant(showing[0]),
            behind=tuple(commit(w.number, w.thread) for w in following[-1:]),
        ),
    )


def stages_of(work: Work, works: tuple[Work, ...], looks: tuple[int, ...]) -> Stages:
    before = [look for look in looks if look < work.pushed]
    there = [(look, shown_at(look, works)) for look in looks if look >= work.pushed]
    shown = [look for look, s in there if s and s.thread == work.thread and s.number >= work.number]
    return Stages(
        commit=f"{work.number:040x}",
        pushed=seen_at(work.pushed, looks),
        pushed_after=instant(before[-1] if before else 0),
        deployed=instant(shown[0]) if shown else None,
    )


#: The days of a model are nothing large; only a busy machine makes them slow.
LOOKS = st.sets(st.integers(1, EVENING + 10), max_size=25)


def looking(some: set[int], *moments: int) -> tuple[int, ...]:
    return tuple(sorted({*some, *moments, EVENING + 11}))


@given(days(), LOOKS)
def test_a_worker_that_deploys_whatever_it_pushed_is_held_whenever_one_looks(
    works: tuple[Work, ...], looks: set[int]
) -> None:
    assert deployment_fresh(ledger_of(works, looking(looks)), Limits()).standing is Standing.HELD


@given(days(), st.sampled_from(OURS), LOOKS)
def test_our_last_work_without_its_deployment_is_not_held_when_one_looked_before_it(
    works: tuple[Work, ...], thread: int, looks: set[int]
) -> None:
    lost = numbered(*works, Work(0, thread, EVENING + 1, None))
    found = deployment_fresh(ledger_of(lost, looking(looks, EVENING)), Limits())
    assert found.standing is not Standing.HELD
    shown = shown_at(EVENING, lost)
    assert shown is not None
    if shown.thread == thread or EVENING - 1 in looks:  # it was asked for at EVENING, and has changed nothing
        assert found.standing is Standing.VIOLATED


@given(days(), LOOKS)
def test_a_site_that_stays_behind_of_other_work_is_named(works: tuple[Work, ...], looks: set[int]) -> None:
    others = (Work(0, 3, EVENING + 1, EVENING + 2), Work(0, 3, EVENING + 4, None))
    ledger = ledger_of(numbered(*works, *others), looking(looks))
    found = deployment_fresh(ledger, Limits())
    assert found.standing is Standing.VIOLATED
    assert {e.what for e in found.evidence} == {"stale-deployment"}
    # While messages are under way nobody can tell whether it stays so.
    busy = replace(ledger, queue=QueueState(before=counts(), after=counts(in_flight=1)))
    assert deployment_fresh(busy, Limits()).standing is Standing.UNKNOWN
