"""Looks at a git case, made by hand: two threads, unfinished work on the first, a message for each."""

from dataclasses import replace

from daemon.core.gitcases import Look, Piece, Run, Work
from daemon.core.ledger import Effect, Kind, Ledger, Place, Sent, Sighting, Switch
from daemon.core.model import Instant

CLONE, REMOTE = "/s/clone", "/s/remote.git"


def token(number: int) -> str:
    return f"c-{number:011x}"


def sent(number: int, thread: int, name: str = "", effect: Effect = Effect.ONCE) -> Sent:
    return Sent(
        token=token(number),
        sequence=number,
        scenario="git-switch",
        session=f"session-{thread}",
        thread=f"thread-{thread}",
        command=name or f"cmd-{number}",
        branch=f"b{thread}",
        kind=Kind.NORMAL,
        effect=effect,
        at=Instant(1000.0, 1000.0),
    )


def piece(number: int, work: Work, thread: int = 1, commit: str | None = None) -> Piece:
    return Piece(work=work, sent=sent(number, thread, str(work), Effect.ANY), commit=commit)


def seen(number: int, place: Place, branch: str | None = None, commit: str = "a" * 40) -> Sighting:
    published = place in (Place.MESSAGE, Place.LINE)
    return Sighting(
        token=token(number),
        place=place,
        repository=REMOTE if published else CLONE,
        branch=branch,
        commit=commit,
        path="f" if place in (Place.LINE, Place.DIRTY) else None,
        line=1 if place in (Place.LINE, Place.DIRTY) else None,
    )


PIECES = (piece(1, Work.PUSHED, commit="e" * 40), piece(2, Work.TRACKED), piece(3, Work.UNTRACKED))
TO_B, TO_A = sent(10, 2), sent(11, 1)


def look(message: Sent, messages: tuple[Sent, ...], *sightings: Sighting, code: int | None = 0) -> Look:
    """Return a look at which every message so far, and the pushed piece, are where they belong."""
    good = [seen(m.sequence, Place.MESSAGE, m.branch, f"{m.sequence:040x}") for m in messages]
    ledger = Ledger(
        run="git-switch",
        sent=(*messages, *(p.sent for p in PIECES)),
        remote=REMOTE,
        sightings=(*good, seen(1, Place.MESSAGE, "b1", "e" * 40), *sightings),
        switches=tuple(
            Switch(repository=CLONE, origin="x", branch=m.branch or "", least_s=0.0, most_s=2.0) for m in messages
        ),
    )
    return Look(message=message, runs=(Run(code=code, took_s=1.0),), pieces=PIECES, ledger=ledger)


def good_looks() -> tuple[Look, Look]:
    """Return the two looks of a git-switch that went well."""
    return (
        look(TO_B, (TO_B,), seen(2, Place.STASH), seen(3, Place.STASH)),
        look(TO_A, (TO_B, TO_A), seen(2, Place.DIRTY, "b1"), seen(3, Place.DIRTY, "b1")),
    )


def without(one: Look, number: int, *instead: Sighting) -> Look:
    """Return a look that did not see a token, but ``instead``."""
    kept = tuple(s for s in one.ledger.sightings if s.token != token(number))
    return replace(one, ledger=replace(one.ledger, sightings=(*kept, *instead)))
