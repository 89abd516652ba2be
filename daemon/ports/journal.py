"""The journal: every event of every injection, durable, in SQLite.

WAL with ``synchronous=FULL``: when ``append`` returns, the event survives a power cut. The schema version stands
in ``PRAGMA user_version``; ``MIGRATIONS`` leads from any older one to today's, one transaction a step. Every record
carries a checksum: damage is an error, never another history. Beside it stands a ``Keep``: a copy of each undo
record in force, and room to record that it was used.
"""

import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from daemon.core import events
from daemon.core.errors import JournalDamagedError, JournalError, JournalFullError
from daemon.core.events import Event, Injection, Plan, Planned, Proposed, Reverted
from daemon.ports import identity, sqlite
from daemon.ports.folding import fold, from_copy
from daemon.ports.keep import Keep
from daemon.ports.migrations import MIGRATIONS
from daemon.ports.sqlite import COLUMNS, Row

if TYPE_CHECKING:  # what scenarios need is not needed to inject a fault, and takes time to load
    from daemon.core.course import ScenarioRun
    from daemon.ports.runs import Runs

NAME = "journal"  # the note that tells one journal from others
SPENDING = (events.Injected, events.Aborted, Reverted, events.RevertFailed, events.Settled, events.Judged)


class Journal:
    """One journal file. Safe for several threads; one writing process at a time (the state directory's lock)."""

    def __init__(
        self, path: Path, *, clock_s: Callable[[], float], readonly: bool = False, keep: Keep | None = None
    ) -> None:
        self.path = path
        self._clock_s = clock_s
        self.keep = keep
        self.settled = False  # by an engine, which makes its end known when it closes it
        self._lock = threading.RLock()
        try:
            self._db = self._open(readonly=readonly)
        except JournalFullError:
            # Opening takes room too, and what is in force must come to be undone.
            if keep is None or not keep.names() or not keep.spend():
                raise
            self._db = self._open(readonly=readonly)

    def _open(self, *, readonly: bool) -> sqlite.Connection:
        with sqlite.translated(self.path, "opening"):
            db = sqlite.connect(self.path, mode="ro" if readonly else "rwc")
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version > len(MIGRATIONS):
                raise JournalError(
                    f"not opening {self.path}: schema {version} is newer than this chaosd's {len(MIGRATIONS)}",
                    hint="run the chaosd version that wrote it, or name another --state-dir",
                )
            self._columns = COLUMNS if not readonly or version > 1 else COLUMNS.replace("crc", "NULL")
            for number in range(version, 0 if readonly else len(MIGRATIONS)):
                db.executescript(f"BEGIN IMMEDIATE;{MIGRATIONS[number]};PRAGMA user_version={number + 1};COMMIT;")
            return db

    def adopt(self) -> None:
        """Make this journal, here and as far as it goes, the one that counts; idempotent. Raises JournalError."""
        with self._lock, sqlite.translated(self.path, "adopting"):
            if not self.name:
                self.note(NAME, secrets.token_hex(8))
            identity.write(self.path.parent, self.name, self.last())

    @property
    def name(self) -> str:
        """Return what the journal called itself when it was new; empty before it is adopted."""
        return str(self.noted(NAME) or "")

    # --- writing -----------------------------------------------------------------------------------------

    def append(self, injection: str, *happened: Event) -> None:
        """Write events in one transaction; when this returns they are on disk. Raises JournalError."""
        rows = [sqlite.encoded(injection, self._clock_s(), e) for e in happened]
        with self._lock, self._promised(injection, happened):
            self._write(injection, happened, rows)
            if self.keep and any(isinstance(e, Reverted | events.Settled) for e in happened):
                self.keep.drop(injection)

    def write(self, name: str, records: Iterable[tuple[str, bytes]]) -> None:
        """Write records of kind and body under one id in one transaction; on disk when this returns."""
        at_s = self._clock_s()
        with self._lock:
            self._insert([sqlite.row(name, kind, at_s, body) for kind, body in records])

    def note(self, name: str, body: object) -> None:
        """Write a named note (the halt), durable when this returns; None removes it."""
        with self._lock, sqlite.translated(self.path, "writing"):
            if body is None:
                self._db.execute("DELETE FROM note WHERE name = ?", (name,))
            else:
                self._db.execute("INSERT OR REPLACE INTO note VALUES (?, ?)", (name, msgspec.json.encode(body)))

    def restore(self, rows: Iterable[Row], notes: Mapping[str, bytes]) -> None:
        """Take over rows of ``COLUMNS`` and notes, as they are, of another journal. Raises JournalError."""
        with self._lock, sqlite.translated(self.path, "writing"), sqlite.transaction(self._db):
            self._db.executemany(f"INSERT INTO event ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", rows)  # noqa: S608
            self._db.executemany("INSERT INTO note VALUES (?, ?)", notes.items())

    @contextmanager
    def _promised(self, injection: str, happened: Sequence[Event]) -> Iterator[None]:
        """Put a copy of an undo record on disk before the journal has it, and in force once it has."""
        planned = next((e for e in happened if isinstance(e, Planned)), None)
        if self.keep is None or planned is None or any(isinstance(e, Reverted) for e in happened):
            yield
            return
        with sqlite.translated(self.path, "keeping an undo record beside"):
            self.keep.promise(self._plan(injection, happened), planned)
        try:
            yield
        except BaseException:
            self.keep.drop(injection)
            raise
        with sqlite.translated(self.path, "keeping an undo record beside"):
            self.keep.fulfil(injection)

    def _plan(self, injection: str, happened: Sequence[Event]) -> Plan:
        found = next((e.plan for e in happened if isinstance(e, Proposed)), None)
        known = self.injection(injection) if found is None else None
        if found is None and known is None:
            raise JournalDamagedError(f"nothing is injected: the journal {self.path} lost the plan of {injection}")
        return found or known.plan  # type: ignore[union-attr]  # one of the two is there

    def _write(self, injection: str, happened: Sequence[Event], rows: Sequence[Row]) -> None:
        try:
            self._insert(rows)
        except JournalFullError:
            with suppress(JournalError):
                self._shrink()
                self._insert(rows)
                return
            if not self._may_spend(injection, happened):
                raise
            self._insert(rows)

    def _insert(self, rows: Sequence[Row]) -> None:
        query = "INSERT INTO event (injection, kind, at_s, body, crc) VALUES (?, ?, ?, ?, ?)"
        with sqlite.translated(self.path, "writing"), sqlite.transaction(self._db):
            self._db.executemany(query, rows)

    def _shrink(self) -> None:
        with sqlite.translated(self.path, "shrinking"):
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _may_spend(self, injection: str, happened: Sequence[Event]) -> bool:
        """Give up the reserve for what was begun, and for nothing else."""
        if self.keep is None or not all(isinstance(e, SPENDING) for e in happened):
            return False
        begun = self._ids("SELECT 1 FROM event WHERE injection = ? AND kind = 'planned'", injection)
        return bool(begun) and self.keep.spend()

    # --- reading -----------------------------------------------------------------------------------------
    #
    # `kind != 'observed'` and `+seq` look redundant. Without the one SQLite does not see that the index of the few
    # deciding records serves, without the other it prefers the table's own order: either way it reads everything.

    def read(self, where: str, *values: float | str) -> list[tuple[str, bytes]]:
        """Return kind and body of the records that a condition of ours selects; raises JournalError."""
        query = f"SELECT {self._columns} FROM event WHERE {where}"  # noqa: S608  all literals
        with self._lock, sqlite.translated(self.path, "reading"):
            return [sqlite.checked(row) for row in self._db.execute(query, values)]

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
            "SELECT injection FROM event WHERE kind != 'observed' AND kind = 'opened' AND injection NOT IN"
            " (SELECT injection FROM event WHERE kind != 'observed' AND kind = 'swept')"
        )

    def noted(self, name: str) -> object:
        """Return a note's body or None."""
        with self._lock, sqlite.translated(self.path, "reading"):
            row = self._db.execute("SELECT body FROM note WHERE name = ?", (name,)).fetchone()
            try:
                return None if row is None else msgspec.json.decode(row[0])
            except msgspec.MsgspecError as error:
                raise JournalDamagedError(f"note {name!r} is damaged: {error}", hint=sqlite.DAMAGED_HINT) from error

    def injection(self, injection: str) -> Injection | None:
        """Return the fold of one injection's events, or None when the id is unknown."""
        # An id may be a scenario's run: that is no injection.
        history = self._decoded(f"injection = ? AND {sqlite.OF_INJECTIONS}", injection)
        return fold(injection, history) if history else None

    def kept(self, injection: str) -> Injection | None:
        """Return an injection from the copy of its undo record, or None; for when the journal does not answer."""
        copy = self.keep.copy(injection) if self.keep else None
        return None if copy is None else from_copy(copy)

    def outstanding(self) -> tuple[Injection, ...]:
        """Return what was planned and not yet taken back, newest first."""
        ids = self._ids(
            "SELECT injection FROM event WHERE kind != 'observed' AND kind = 'planned' AND injection NOT IN"
            " (SELECT injection FROM event WHERE kind != 'observed' AND kind IN ('reverted', 'settled'))"
            " ORDER BY +seq"
        )
        return events.outstanding(self._folded(ids))

    def running(self) -> tuple[Injection, ...]:
        """Return what was proposed and not yet judged; after a crash these are the interrupted ones."""
        ids = self._ids(
            "SELECT injection FROM event WHERE kind != 'observed' AND kind = 'proposed' AND injection NOT IN"
            " (SELECT injection FROM event WHERE kind != 'observed' AND kind = 'judged') ORDER BY +seq"
        )
        return self._folded(ids, observed=False)

    def recent(self, *, since_s: float = 0.0, most: int = 1000, before: str = "") -> tuple[Injection, ...]:
        """Return the latest injections proposed since then (epoch seconds), oldest first, without observations.

        In the order in which they were proposed (``before`` which, if given): times may jump back with the clock.
        """
        query = (
            "SELECT injection FROM event WHERE kind != 'observed' AND kind = 'proposed' AND at_s >= ?"
            " AND (? = '' OR seq < (SELECT min(seq) FROM event WHERE injection = ?)) ORDER BY +seq DESC LIMIT ?"
        )
        ids = self._ids(query, since_s, before, before, most)
        return tuple(reversed(self._folded(ids, observed=False)))

    def started(self, *, since: datetime) -> tuple[float, ...]:
        """Return when injections got as far as their undo record, since then (epoch seconds), in that order.

        A time ahead of the clock, which was set back since, counts as now: setting it back frees no budget.
        """
        now_s = self._clock_s()
        query = (
            "SELECT min(at_s, ?) FROM event WHERE kind != 'observed' AND kind = 'planned' AND at_s >= ?"
            " ORDER BY +seq"
        )
        return tuple(self._column(query, now_s, since.timestamp()))

    def proposals(self) -> Mapping[str, int]:
        """Return how often each experiment was proposed: its next occurrence's number."""
        counts: dict[str, int] = {}
        for event in self._decoded("kind != 'observed' AND kind = 'proposed'"):
            if isinstance(event, Proposed) and event.plan.experiment:
                counts[event.plan.experiment] = counts.get(event.plan.experiment, 0) + 1
        return counts

    def last(self) -> int:
        """Return the number of the last record; 0 when there is none."""
        return int(self._column("SELECT max(seq) FROM event")[0] or 0)

    def look_over(self) -> None:
        """Check every page, which takes a while; raises JournalDamagedError."""
        with self._lock, sqlite.translated(self.path, "checking"):
            found = sqlite.quick_check(self._db)
        if found:
            raise JournalDamagedError(f"{self.path} is damaged: {'; '.join(found)}", hint=sqlite.DAMAGED_HINT)

    def close(self) -> None:
        """Close the file; idempotent."""
        with self._lock:
            if self.settled:
                self.settled = False
                with suppress(JournalError, OSError):
                    self.adopt()
            self._db.close()

    # --- inside ------------------------------------------------------------------------------------------

    def _ids(self, query: str, *values: float | str) -> Sequence[str]:
        return list(dict.fromkeys(self._column(query, *values)))

    def _column(self, query: str, *values: float | str) -> list[Any]:
        with self._lock, sqlite.translated(self.path, "reading"):
            return [row[0] for row in self._db.execute(query, values)]

    def _decoded(self, where: str, *values: str) -> list[Event]:
        query = f"SELECT {self._columns} FROM event WHERE {where} ORDER BY +seq"  # noqa: S608  all literals
        with self._lock, sqlite.translated(self.path, "reading"):
            return [sqlite.decoded(row) for row in self._db.execute(query, values)]

    def _folded(self, ids: Iterable[str], *, observed: bool = True) -> tuple[Injection, ...]:
        where = "injection = ?" if observed else "injection = ? AND kind != 'observed'"
        return tuple(fold(i, history) for i in ids if (history := self._decoded(where, i)))
