"""The journal: every event of every injection, durable, in SQLite.

WAL with ``synchronous=FULL``: when ``append`` returns, the event survives a power cut. The schema version stands
in ``PRAGMA user_version``; ``MIGRATIONS`` leads from any older one to today's, one transaction a step.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from daemon.core import events
from daemon.core.errors import JournalError
from daemon.core.events import Event, Injection

if TYPE_CHECKING:  # what scenarios need is not needed to inject a fault, and takes time to load
    from daemon.core.course import ScenarioRun
    from daemon.ports.runs import Runs

KINDS: Mapping[str, type[Event]] = {
    "proposed": events.Proposed,
    "refused": events.Refused,
    "observed": events.Observed,
    "planned": events.Planned,
    "injected": events.Injected,
    "aborted": events.Aborted,
    "reverted": events.Reverted,
    "revert-failed": events.RevertFailed,
    "checked": events.Checked,
    "judged": events.Judged,
}
NAMES = {kind: name for name, kind in KINDS.items()}

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE event (
        seq INTEGER PRIMARY KEY,
        injection TEXT NOT NULL,
        kind TEXT NOT NULL,
        at_s REAL NOT NULL,
        body BLOB NOT NULL
    );
    CREATE INDEX event_of_injection ON event (injection, seq);
    CREATE INDEX event_of_kind ON event (kind, at_s) WHERE kind != 'observed';
    CREATE TABLE note (name TEXT PRIMARY KEY, body BLOB NOT NULL);
    """,
)


class Journal:
    """One journal file. Safe for several threads; one writing process at a time (the state directory's lock)."""

    def __init__(self, path: Path, *, clock_s: Callable[[], float], readonly: bool = False) -> None:
        self._path = path
        self._clock_s = clock_s
        self._lock = threading.RLock()
        with self._translated("opening"):
            self._db = self._open(readonly=readonly)
            if not readonly:
                self._migrate()

    def _open(self, *, readonly: bool) -> sqlite3.Connection:
        mode = "ro" if readonly else "rwc"
        db = sqlite3.connect(
            f"{self._path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=10,
            check_same_thread=False,
            isolation_level=None,
        )
        if not readonly:
            self._path.chmod(0o600)
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")
        return db

    def _migrate(self) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > len(MIGRATIONS):
            raise JournalError(
                f"not opening {self._path}: schema version {version} is newer than this chaosd's {len(MIGRATIONS)}",
                hint="run the chaosd version that wrote it, or name another --state-dir",
            )
        for number in range(version, len(MIGRATIONS)):
            self._db.executescript(f"BEGIN IMMEDIATE;{MIGRATIONS[number]};PRAGMA user_version={number + 1};COMMIT;")

    # --- writing -----------------------------------------------------------------------------------------

    def append(self, injection: str, *happened: Event) -> None:
        """Write events in one transaction; when this returns they are on disk. Raises JournalError."""
        self.write(injection, [(NAMES[type(e)], msgspec.json.encode(e)) for e in happened])

    def write(self, name: str, rows: Iterable[tuple[str, bytes]]) -> None:
        """Write rows of kind and body under one id in one transaction; on disk when this returns."""
        at_s = self._clock_s()
        with self._lock, self._translated("writing"), self._transaction():
            self._db.executemany(
                "INSERT INTO event (injection, kind, at_s, body) VALUES (?, ?, ?, ?)",
                [(name, kind, at_s, body) for kind, body in rows],
            )

    def note(self, name: str, body: object) -> None:
        """Write a named note (the halt), durable when this returns; None removes it."""
        with self._lock, self._translated("writing"):
            if body is None:
                self._db.execute("DELETE FROM note WHERE name = ?", (name,))
            else:
                self._db.execute("INSERT OR REPLACE INTO note VALUES (?, ?)", (name, msgspec.json.encode(body)))

    # --- reading -----------------------------------------------------------------------------------------

    def read(self, query: str, *values: object) -> list[tuple[str, bytes]]:
        """Return the rows of kind and body that a query of ours selects; raises JournalError."""
        with self._lock, self._translated("reading"):
            return self._db.execute(query, values).fetchall()

    @cached_property
    def scenarios(self) -> "Runs":
        """The runs of scenarios, which stand in the same file; looked for only when somebody asks."""
        from daemon.ports.runs import Runs  # noqa: PLC0415  see above

        return Runs(self)

    def runs(self, since_s: float = 0.0, most: int = 1000) -> "tuple[ScenarioRun, ...]":
        """Return the latest runs of scenarios opened since then (epoch seconds), oldest first."""
        return self.scenarios.runs(since_s=since_s, most=most)

    def open_run_ids(self) -> Sequence[str]:
        """Return the runs whose messages may be left in a queue: opened and not swept. Cheap: decodes nothing."""
        return self._ids(
            "SELECT injection FROM event WHERE kind = 'opened' AND injection NOT IN"
            " (SELECT injection FROM event WHERE kind = 'swept')"
        )

    def open_runs(self) -> "tuple[ScenarioRun, ...]":
        """Return the runs whose messages may be left in a queue, oldest first."""
        return self.scenarios.open_runs() if self.open_run_ids() else ()

    def noted(self, name: str) -> object:
        """Return a note's body or None."""
        with self._lock, self._translated("reading"):
            row = self._db.execute("SELECT body FROM note WHERE name = ?", (name,)).fetchone()
        return None if row is None else msgspec.json.decode(row[0])

    def injection(self, injection: str) -> Injection | None:
        """Return the fold of one injection's events, or None when the id is unknown."""
        with self._translated("reading"):
            rows = self.read("SELECT kind, body FROM event WHERE injection = ? ORDER BY seq", injection)
            # An id may be a scenario's run: that is no injection.
            return events.fold(_decode(rows)) if rows and rows[0][0] in KINDS else None

    def outstanding(self) -> tuple[Injection, ...]:
        """Return what was planned and not yet taken back, newest first."""
        ids = self._ids(
            "SELECT DISTINCT injection FROM event WHERE kind = 'planned' AND injection NOT IN"
            " (SELECT injection FROM event WHERE kind = 'reverted')"
        )
        return events.outstanding(self._folded(ids))

    def running(self) -> tuple[Injection, ...]:
        """Return what was proposed and not yet judged; after a crash these are the interrupted ones."""
        ids = self._ids(
            "SELECT injection FROM event WHERE kind = 'proposed' AND injection NOT IN"
            " (SELECT injection FROM event WHERE kind = 'judged')"
        )
        return self._folded(ids, observed=False)

    def recent(self, *, since_s: float = 0.0, most: int = 1000) -> tuple[Injection, ...]:
        """Return the latest injections proposed since then (epoch seconds), oldest first, without observations."""
        ids = self._ids(
            "SELECT injection FROM event WHERE kind = 'proposed' AND at_s >= ? ORDER BY at_s DESC LIMIT ?",
            since_s,
            most,
        )
        return tuple(reversed(self._folded(ids, observed=False)))

    def started(self, *, since: datetime) -> tuple[float, ...]:
        """Return when injections got as far as their undo record, since then (epoch seconds), ascending."""
        with self._lock, self._translated("reading"):
            rows = self._db.execute(
                "SELECT at_s FROM event WHERE kind = 'planned' AND at_s >= ? ORDER BY at_s", (since.timestamp(),)
            ).fetchall()
        return tuple(row[0] for row in rows)

    def proposals(self) -> Mapping[str, int]:
        """Return how often each experiment was proposed: its next occurrence's number."""
        counts: dict[str, int] = {}
        for event in self._of_kind("proposed"):
            if isinstance(event, events.Proposed) and event.plan.experiment:
                counts[event.plan.experiment] = counts.get(event.plan.experiment, 0) + 1
        return counts

    def close(self) -> None:
        """Close the file; idempotent."""
        with self._lock:
            self._db.close()

    # --- inside ------------------------------------------------------------------------------------------

    def _of_kind(self, kind: str) -> Iterator[Event]:
        with self._lock, self._translated("reading"):
            rows = self._db.execute("SELECT kind, body FROM event WHERE kind = ? ORDER BY at_s", (kind,)).fetchall()
        return _decode(rows)

    def _ids(self, query: str, *values: float) -> Sequence[str]:
        with self._lock, self._translated("reading"):
            return [row[0] for row in self._db.execute(query, values)]

    def _folded(self, ids: Iterable[str], *, observed: bool = True) -> tuple[Injection, ...]:
        without = "" if observed else " AND kind != 'observed'"
        query = f"SELECT kind, body FROM event WHERE injection = ?{without} ORDER BY seq"  # noqa: S608  two literals
        with self._lock, self._translated("reading"):
            return tuple(events.fold(_decode(self._db.execute(query, (i,)).fetchall())) for i in ids)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    @contextmanager
    def _translated(self, doing: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise JournalError(
                f"{doing} the journal {self._path} failed: {error}; nothing is injected without it",
                hint="check free space and permissions of the state directory, then `chaosd recover`",
            ) from error
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            raise JournalError(
                f"{doing} the journal {self._path} failed: a record does not decode: {error}",
                hint="keep the file, name another --state-dir, and report what `chaosd --version` says",
            ) from error


def _decode(rows: Iterable[tuple[str, bytes]]) -> Iterator[Event]:
    for kind, body in rows:
        yield msgspec.json.decode(body, type=KINDS[kind])
