"""The runs of scenarios in the journal: events of their own kinds, under the run's id, in the same file."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol

import msgspec

from daemon.core import course
from daemon.core.course import Opened, RunEvent, ScenarioRun
from daemon.core.errors import JournalDamagedError
from daemon.ports.sqlite import DAMAGED_HINT, OF_RUNS

KINDS: Mapping[str, type[RunEvent]] = {
    "opened": course.Opened,
    "played": course.Played,
    "swept": course.Swept,
    "sweep-failed": course.SweepFailed,
}
NAMES = {kind: name for name, kind in KINDS.items()}


class Store(Protocol):
    """The journal's file: records of kind and body under a name. Both calls raise JournalError."""

    def write(self, name: str, records: Iterable[tuple[str, bytes]]) -> None: ...
    def read(self, where: str, *values: float | str) -> list[tuple[str, bytes]]: ...


class Runs:
    """Reads and writes the runs of one journal. As safe for threads and processes as the journal itself."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def append(self, run: str, *happened: RunEvent) -> None:
        """Write events in one transaction; when this returns they are on disk. Raises JournalError."""
        self._store.write(run, [(NAMES[type(e)], msgspec.json.encode(e)) for e in happened])

    def run(self, run: str) -> ScenarioRun | None:
        """Return the fold of one run's events, or None when the id is unknown."""
        records = self._store.read(f"injection = ? AND {OF_RUNS} ORDER BY seq", run)
        return course.fold(decoded(records)) if records else None

    def runs(self, *, since_s: float = 0.0, most: int = 1000) -> tuple[ScenarioRun, ...]:
        """Return the latest runs opened since then (epoch seconds), oldest first."""
        opened = self._opened("at_s >= ? ORDER BY +seq DESC LIMIT ?", since_s, most)
        return tuple(reversed([found for o in opened if (found := self.run(o.run))]))

    def open_runs(self) -> tuple[ScenarioRun, ...]:
        """Return the runs that were opened and are not known to be swept, oldest first."""
        opened = self._opened(
            "injection NOT IN (SELECT injection FROM event WHERE kind != 'observed' AND kind = 'swept')"
            " ORDER BY +seq"
        )
        return tuple(found for o in opened if (found := self.run(o.run)))

    def latest(self, fits: Callable[[Opened], bool], *, since_s: float) -> Iterator[ScenarioRun]:
        """Yield the runs opened since then that fit, newest first."""
        for opened in self._opened("at_s >= ? ORDER BY +seq DESC", since_s):
            if fits(opened) and (found := self.run(opened.run)):
                yield found

    def _opened(self, where: str, *values: float | str) -> Iterator[Opened]:
        # The first condition says nothing new: with it SQLite sees that the index of the few records serves.
        records = self._store.read(f"kind != 'observed' AND kind = 'opened' AND {where}", *values)
        return (event for event in decoded(records) if isinstance(event, Opened))


def decoded(records: Iterable[tuple[str, bytes]]) -> Iterator[RunEvent]:
    """Yield the events of records of kind and body; raises JournalDamagedError for one that is none."""
    for kind, body in records:
        try:
            yield msgspec.json.decode(body, type=KINDS[kind])
        except (msgspec.MsgspecError, KeyError) as error:
            raise JournalDamagedError(
                f"a record of kind {kind!r} of a scenario's run is damaged: {error}", hint=DAMAGED_HINT
            ) from error
