"""Where the work of a git scenario is after a message: on its branch, kept elsewhere, or lost."""

import shlex
from collections.abc import Iterator, Sequence

from daemon.core.evidence import Evidence, look_at, of_message, search
from daemon.core.gitcases import UNFINISHED, Look, Piece
from daemon.core.ledger import PUBLISHED, Place, Sighting

Looks = Sequence[Look]


def returns(looks: Looks) -> Iterator[tuple[Look, Piece]]:
    """Yield each piece of unfinished work with the look after the message that led back to its branch."""
    for number, look in enumerate(looks):
        for piece in look.pieces:
            away = any(piece in e.pieces and e.message.branch != piece.sent.branch for e in looks[:number])
            if away and piece.work in UNFINISHED and piece.sent.branch == look.message.branch:
                yield look, piece


def at_home(look: Look, piece: Piece) -> bool:
    """Tell whether a piece is on its own branch: committed there, here or on the remote, or in its work tree."""
    places = PUBLISHED | {Place.UNPUSHED, Place.DIRTY}
    return any(s.place in places and s.branch == piece.sent.branch for s in sightings(look, piece))


def switches(looks: Looks) -> Iterator[tuple[Look, float | None]]:
    """Yield the changes of branch with the most seconds each can have taken; None: it was not seen.

    The clone's reflog gives one bound, the time that the worker ran gives another if the message got to its branch.
    """
    before = ""
    told = 0
    for look in looks:
        fresh = [s.most_s for s in look.ledger.switches[told:] if s.branch == look.message.branch]
        told = len(look.ledger.switches)
        if look.message.branch != before:
            ran = [sum(run.took_s for run in look.runs)] if is_published(look) else []
            yield look, min([*fresh[-1:], *ran], default=None)
        before = look.message.branch or ""


def is_published(look: Look) -> bool:
    """Tell whether the message of a look is on its own branch of the remote."""
    one = look.message
    return any(s.branch == one.branch for s in look.ledger.published(one.token))


def sightings(look: Look, piece: Piece) -> tuple[Sighting, ...]:
    """Return where a piece was seen."""
    return tuple(s for s in look.ledger.sightings if s.token == piece.sent.token)


def is_kept(look: Look, piece: Piece) -> bool:
    """Tell whether a piece is anywhere where git does not throw it away."""
    return any(s.place is not Place.DANGLING for s in sightings(look, piece))


def name_of(piece: Piece) -> str:
    """Return what a piece is called."""
    return f"{piece.sent.command} [{piece.sent.token}]"


def evidence_of(what: str, look: Look, piece: Piece, detail: str) -> Evidence:
    """Return evidence about a piece, with the first place where it was seen."""
    seen = sightings(look, piece)
    see = shown_by(seen[0]) if seen else search(look.ledger.remote, piece.sent.token)
    return of_message(what, piece.sent, f"{detail} (after {look.message.command})", seen[0] if seen else None, see)


def shown_by(seen: Sighting) -> str:
    """Return the command that shows a sighting."""
    if seen.place is Place.DIRTY:
        return shlex.join(("git", "-C", seen.repository, "grep", "--untracked", "-n", "-F", seen.token))
    return look_at(seen)


def place_of(seen: Sighting) -> str:
    """Return in words where something was seen."""
    if seen.place in PUBLISHED:
        return f"on {seen.branch} of the remote"
    article = "an" if seen.place is Place.UNPUSHED else "a"
    return f"in {article} {seen.place}" + (f" of {seen.branch}" if seen.branch else "")
