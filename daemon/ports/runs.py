"""The runs of scenarios in the journal: events of their own kinds, under the run's id, in the same file."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol

import msgspec

from daemon.core import course
from daemon.core.course import Opened, RunEvent, ScenarioRun
from daemon.core.errors import JournalError

KINDS: Mapping[str, type[RunEvent]] = {
    "opened": course.Opened,
    "played": course.Played,
    "swept": course.Swept,
    "sweep-failed": course.SweepFailed,
}
NAMES = {kind: name for name, kind in KINDS.items()}


class Store(Protocol):
    """The journal's file: rows of name, kind and body. Both calls raise JournalError."""

    def write(self, name: str, rows: Iterable[tuple[str, bytes]]) -> None: ...
    def read(self, query: str, *values: object) -> list[tuple[str, bytes]]: ...


class Runs:
    """Reads and writes the runs of one journal. As safe for threads and processes as the journal itself."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def append(self, run: str, *happened: RunEvent) -> None:
        """Write events in one transaction; when this returns they are on disk. Raises JournalError."""
        self._store.write(run, [(NAMES[type(e)], msgspec.json.encode(e)) for e in happened])

    def run(self, run: str) -> ScenarioRun | None:
        """Return the fold of one run's events, or None when the id is unknown."""
        rows = self._store.read(
            "SELECT kind, body FROM event WHERE injection = ?"
            " AND kind IN ('opened', 'played', 'swept', 'sweep-failed') ORDER BY seq",
            run,
        )
        return course.fold(_decode(rows)) if rows else None

    def runs(self, *, since_s: float = 0.0, most: int = 1000) -> tuple[ScenarioRun, ...]:
        """Return the latest runs opened since then (epoch seconds), oldest first."""
        opened = self._opened("kind = 'opened' AND at_s >= ? ORDER BY at_s DESC, seq DESC LIMIT ?", since_s, most)
        return tuple(reversed([found for o in opened if (found := self.run(o.run))]))

    def open_runs(self) -> tuple[ScenarioRun, ...]:
        """Return the runs that were opened and are not known to be swept, oldest first."""
        opened = self._opened(
            "kind = 'opened' AND injection NOT IN (SELECT injection FROM event WHERE kind = 'swept') ORDER BY seq"
        )
        return tuple(found for o in opened if (found := self.run(o.run)))

    def latest(self, fits: Callable[[Opened], bool], *, since_s: float) -> Iterator[ScenarioRun]:
        """Yield the runs opened since then that fit, newest first."""
        for opened in self._opened("kind = 'opened' AND at_s >= ? ORDER BY seq DESC", since_s):
            if fits(opened) and (found := self.run(opened.run)):
                yield found

    def _opened(self, where: str, *values: object) -> Iterator[Opened]:
        rows = self._store.read(f"SELECT kind, body FROM event WHERE {where}", *values)  # noqa: S608  our literals
        return (event for event in _decode(rows) if isinstance(event, Opened))


def _decode(rows: Iterable[tuple[str, bytes]]) -> Iterator[RunEvent]:
    for kind, body in rows:
        try:
            yield msgspec.json.decode(body, type=KINDS[kind])
        except msgspec.DecodeError as error:
            raise JournalError(
                f"reading the runs of scenarios failed: a record of kind {kind} does not decode: {error}",
                hint="keep the file, name another --state-dir, and report what `chaosd --version` says",
            ) from error
