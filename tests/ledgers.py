"""Ledgers planted for tests: a good one, and small changes to it."""

from dataclasses import replace
from typing import Any

from daemon.core.ledger import (
    Answer,
    Counts,
    Deployed,
    Effect,
    Kind,
    Ledger,
    Place,
    QueueState,
    Sent,
    Sighting,
    Stages,
    Switch,
)
from daemon.core.model import Instant

REMOTE, CLONE = "/remote.git", "/clones/one"


def instant(seconds: float) -> Instant:
    return Instant(1000.0 + seconds, 1_750_000_000.0 + seconds)


def token(number: int) -> str:
    return f"c-{number:011x}"


def sent(number: int, thread: int = 1, **changes: Any) -> Sent:
    plain = Sent(
        token=token(number),
        sequence=number,
        scenario="basic",
        session=f"session-{thread}",
        thread=f"thread-{thread}",
        command=f"cmd-{number}",
        branch=f"thread-{thread}",
        kind=Kind.NORMAL,
        effect=Effect.ONCE,
        at=instant(number),
    )
    return replace(plain, **changes)


def commit(number: int, thread: int = 1, identity: str = "") -> Sighting:
    return Sighting(
        token=token(number),
        place=Place.MESSAGE,
        repository=REMOTE,
        branch=f"thread-{thread}",
        commit=identity or f"{number:040x}",
    )


def line(number: int, thread: int = 1, at: int = 1, path: str = "file") -> Sighting:
    return Sighting(
        token=token(number),
        place=Place.LINE,
        repository=REMOTE,
        branch=f"thread-{thread}",
        commit="f" * 40,
        path=path,
        line=at,
    )


def kept(number: int, place: Place = Place.STASH) -> Sighting:
    return Sighting(token=token(number), place=place, repository=CLONE, commit="e" * 40)


def counts(visible: int = 0, in_flight: int = 0, dead: int | None = 0) -> Counts:
    return Counts(visible=visible, in_flight=in_flight, dead=dead)


def answer(number: int, success: bool | None = True) -> Answer:
    return Answer(token=token(number), success=success, said=str(success), at=instant(number + 2))


def good(messages: int = 3, threads: int = 1) -> Ledger:
    """Return the ledger of a run in which everything is as it should be."""
    numbers = range(messages)
    asked = tuple(sent(n, n % threads + 1) for n in numbers)
    seen = [(commit(n, n % threads + 1), line(n, n % threads + 1, n + 1)) for n in numbers]
    return Ledger(
        run="run",
        sent=asked,
        remote=REMOTE,
        sightings=tuple(s for pair in seen for s in pair),
        answers=tuple(answer(n) for n in numbers),
        stages={
            token(n): Stages(
                committed_s=instant(n + 1).wall_s,
                commit=f"{n:040x}",
                pushed_after=instant(n + 0.75),
                pushed=instant(n + 1),
                deployed=instant(n + 1.5),
                answered=instant(n + 2),
            )
            for n in numbers
        },
        queue=QueueState(before=counts(), after=counts()),
        deployed=Deployed(
            place="s3://site/index.html",
            commit="a" * 40,
            tip_of=(f"thread-{(messages - 1) % threads + 1}",),
            holds=frozenset(s.token for s in asked if s.branch == f"thread-{(messages - 1) % threads + 1}"),
            unchanged_since=instant(messages + 0.5),
        ),
        switches=tuple(
            Switch(repository=CLONE, origin="main", branch=f"thread-{t + 1}", least_s=0, most_s=1)
            for t in range(threads)
        ),
    )


def without(ledger: Ledger, number: int) -> Ledger:
    """Return the ledger as if message ``number`` had left no trace on the remote."""
    stages = {t: s for t, s in ledger.stages.items() if t != token(number)}
    shown = ledger.deployed and replace(ledger.deployed, holds=ledger.deployed.holds - {token(number)})
    sightings = tuple(s for s in ledger.sightings if s.token != token(number))
    return replace(ledger, sightings=sightings, stages=stages, deployed=shown)


def silent(ledger: Ledger) -> Ledger:
    """Return the ledger as if no answer had been seen."""
    return replace(ledger, answers=())
