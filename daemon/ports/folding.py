"""From an injection's records to its fold; a history that is none is damage."""

from collections.abc import Iterable

from daemon.core import events
from daemon.core.errors import JournalDamagedError
from daemon.core.events import Event, Injection, Proposed
from daemon.ports import sqlite
from daemon.ports.keep import Copy


def fold(injection: str, history: Iterable[Event]) -> Injection:
    """Return the injection; raises JournalDamagedError when its beginning is missing."""
    try:
        return events.fold(history)
    except ValueError as error:
        why = f"injection {injection!r} is damaged: {error}"
        raise JournalDamagedError(why, hint=sqlite.DAMAGED_HINT) from error


def from_copy(copy: Copy) -> Injection:
    """Return the injection that a copy of an undo record tells of: planned, and no more is known."""
    return events.fold([Proposed(plan=copy.plan), copy.planned])
