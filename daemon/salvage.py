"""Undo although the journal is damaged, full or read-only: from what can be read of it and the copies beside."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from daemon import wiring
from daemon.core.errors import ForeignStateError, JournalDamagedError, JournalError, UnrecordedError
from daemon.core.settings import Settings
from daemon.engine.facts import HALT
from daemon.engine.reverter import Recovered
from daemon.ports import upkeep
from daemon.ports.clock import SystemClock
from daemon.ports.keep import Keep
from daemon.ports.state import StateDirectory
from daemon.ports.supervisor import Supervisor
from daemon.ports.upkeep import Salvaged


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescued:
    """What was recovered, and at what price.

    ``damaged`` is where the damaged journal is now, ``salvaged`` what could be saved of it; both None when it was
    sound. ``unrecorded`` is why none of it could be journalled, or None.
    """

    found: Recovered = field(default_factory=Recovered)
    damaged: Path | None = None
    salvaged: Salvaged | None = None
    unrecorded: JournalError | None = None

    @property
    def accounted(self) -> bool:
        """Tell whether every injection that may have had an effect is known, and its end recorded."""
        return self.unrecorded is None and not (self.salvaged and self.salvaged.unaccounted)


def recover(
    settings: Settings,
    state: StateDirectory,
    audience: wiring.Audience | None = None,
    supervisor: Supervisor | None = None,
) -> Rescued:
    """Take back what is outstanding, by way of a saved journal where the one in place cannot be used.

    The state directory must be entered (locked) by the caller; ``supervisor`` is asked for the time that it takes.
    Raises ForeignStateError, and JournalError when the journal cannot be used and nothing is known to be
    outstanding.
    """
    found, asked = Recovered(), supervisor or Supervisor({})
    try:
        with _station(settings, state, audience) as station:
            found = _undone(station, asked)
            station.journal.look_over()  # after the undo: it takes a while
            return Rescued(found=found)
    except ForeignStateError:
        raise
    except JournalError as error:
        rescued = _rescue(settings, state, audience, asked, error)
        return replace(rescued, found=found + rescued.found)


def prepare(settings: Settings, state: StateDirectory, supervisor: Supervisor) -> Rescued:
    """Look at every page of the journal before a daemon uses it, and rescue what is active if need be.

    Does nothing to a sound journal. Asks for time and raises as ``recover`` does.
    """
    try:
        journal = wiring.settled(state)
        try:
            journal.look_over()
        finally:
            journal.close()
    except ForeignStateError:
        raise
    except JournalError as error:
        return _rescue(settings, state, None, supervisor, error)
    return Rescued()


def _rescue(
    settings: Settings,
    state: StateDirectory,
    audience: wiring.Audience | None,
    supervisor: Supervisor,
    why: JournalError,
) -> Rescued:
    if isinstance(why, JournalDamagedError) or isinstance(why.__cause__, JournalDamagedError):
        try:
            return _in_place(settings, state, audience, supervisor)
        except (JournalError, OSError) as error:
            why = error if isinstance(error, JournalError) else why
    return _elsewhere(settings, state, audience, supervisor, why)


def _in_place(
    settings: Settings, state: StateDirectory, audience: wiring.Audience | None, supervisor: Supervisor
) -> Rescued:
    """Put a saved journal in the damaged one's place, halt, and recover from it."""
    clock = SystemClock()
    salvaged, damaged = upkeep.replace(
        state.journal, Keep(state.path), at=f"{clock.now():%Y%m%dT%H%M%S}", clock_s=lambda: clock.instant().wall_s
    )
    with _station(settings, state, audience) as station:
        # Budgets, windows and the halt itself may be among what was lost: a person says when it may go on.
        station.journal.note(HALT, f"the journal was damaged; what it was is in {damaged}")
        return Rescued(found=_undone(station, supervisor), damaged=damaged, salvaged=salvaged)


def _elsewhere(
    settings: Settings,
    state: StateDirectory,
    audience: wiring.Audience | None,
    supervisor: Supervisor,
    why: JournalError,
) -> Rescued:
    """Recover from a saved journal in a temporary directory: the state directory takes no writing.

    The copies of the undo records stay, so that the next ``recover`` looks again and records what it finds.
    """
    clock = SystemClock()
    with TemporaryDirectory(prefix="chaosd-") as scratch:
        here = StateDirectory(Path(scratch)).make()
        salvaged = upkeep.salvage(
            state.journal, here.journal, Keep(state.path), clock_s=lambda: clock.instant().wall_s
        )
        with _station(settings, here, audience) as station:
            outstanding = station.journal.outstanding()
            found = _undone(station, supervisor)
    if not outstanding and not salvaged.unaccounted and not isinstance(why, UnrecordedError):
        raise why
    return Rescued(found=found, salvaged=salvaged, unrecorded=why)


def _undone(station: wiring.Station, supervisor: Supervisor) -> Recovered:
    """Recover, having asked for as long as that may take: who is killed meanwhile leaves it half done."""
    supervisor.extend(wiring.patience_s(station.journal))
    return station.control.recover()


@contextmanager
def _station(
    settings: Settings, state: StateDirectory, audience: wiring.Audience | None
) -> Iterator[wiring.Station]:
    station = wiring.station(settings, state, audience)
    try:
        yield station
    finally:
        station.close()
