"""Care for a journal file: look at all of it, make it smaller, copy it, save what is readable of a damaged one."""

import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from daemon.core import events
from daemon.core.course import Opened, RunEvent
from daemon.core.errors import JournalDamagedError, JournalError
from daemon.core.events import Compacted, Event, Proposed
from daemon.core.model import Instant
from daemon.ports import identity, runs, sqlite
from daemon.ports.folding import fold
from daemon.ports.journal import Journal
from daemon.ports.keep import Keep, sync_directory
from daemon.ports.sqlite import COLUMNS, Connection, Row

BLIND_MOST = 100_000  # how many numbers are tried where nobody knows how many records there were
_FILES = ("", "-wal")


@dataclass(slots=True)
class Found:
    """All that can be read of a journal, and what is wrong with it, in words."""

    rows: dict[int, Row] = field(default_factory=dict)
    histories: dict[str, list[Event]] = field(default_factory=lambda: defaultdict(list))
    runs: dict[str, list[RunEvent]] = field(default_factory=lambda: defaultdict(list))
    notes: dict[str, bytes] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)
    schema: int = 0

    @property
    def sound(self) -> bool:
        return not self.findings

    def outstanding(self) -> tuple[str, ...]:
        """Return the injections planned and not taken back, in order, as far as their records can be read."""
        return tuple(i.plan.injection for i in events.outstanding(self._whole()))

    def _whole(self) -> Iterator[events.Injection]:
        for injection, history in self.histories.items():
            with suppress(JournalDamagedError):
                yield fold(injection, history)


def look(path: Path) -> Found:
    """Read everything of a copy of the journal, page by page and record by record; never raises for damage.

    The copy is what its writer had committed when it was made; the files themselves are not touched. Raises
    JournalError when they cannot be copied.
    """
    found = Found()
    with TemporaryDirectory(prefix="chaosd-") as scratch:
        copied = Path(scratch) / "journal.sqlite"
        with sqlite.translated(path, "copying"):
            _copy(path, copied)
        try:
            with sqlite.translated(path, "reading"):
                db = sqlite.connect(copied, mode="rwc")
                try:
                    _look(db, path, found)
                finally:
                    db.close()
        except JournalError as error:
            found.findings.append(error.message)
    return found


def _copy(path: Path, copied: Path) -> None:
    for suffix in _FILES:
        source = path.with_name(path.name + suffix)
        if source.exists():
            shutil.copyfile(source, copied.with_name(copied.name + suffix))


def _look(db: Connection, path: Path, found: Found) -> None:
    found.findings.extend(f"page check: {line}" for line in sqlite.quick_check(db))
    found.schema = db.execute("PRAGMA user_version").fetchone()[0]
    for row in _rows(db, path, found):
        try:
            if row[2] in runs.KINDS:
                found.runs[row[1]].extend(runs.decoded([sqlite.checked(row)]))
            else:
                found.histories[row[1]].append(sqlite.decoded(row))
            found.rows[row[0]] = row
        except JournalDamagedError as error:
            found.findings.append(error.message)
    for injection, history in found.histories.items():
        try:
            fold(injection, history)
        except JournalDamagedError as error:
            found.findings.append(error.message)
    try:
        found.notes.update(db.execute("SELECT name, body FROM note"))
    except sqlite.TROUBLE as error:
        found.findings.append(f"the notes cannot be read: {error}")


def _rows(db: Connection, path: Path, found: Found) -> Iterator[Row]:
    """Yield the rows that can be read: all in one go, or from the first damage on one by one."""
    columns = COLUMNS if found.schema > 1 else COLUMNS.replace("crc", "NULL")
    query, seq = f"SELECT {columns} FROM event", 0  # noqa: S608  all literals
    try:
        for row in db.execute(f"{query} ORDER BY seq"):
            seq = row[0]
            yield row
    except sqlite.TROUBLE as error:
        found.findings.append(f"table event, after record {seq}: {error}")
    else:
        return
    for number in range(seq + 1, _most(db, path) + 1):
        with suppress(*sqlite.TROUBLE):
            yield from db.execute(f"{query} WHERE seq = ?", (number,))


def _most(db: Connection, path: Path) -> int:
    with suppress(*sqlite.TROUBLE):
        return int(db.execute("SELECT max(seq) FROM event").fetchone()[0] or 0)
    with suppress(OSError, msgspec.MsgspecError):
        return identity.read(path.parent).last + BLIND_MOST
    return BLIND_MOST


# --- saving ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Salvaged:
    """What came of saving: how many records, what is wrong with the old file, and whose fate nobody knows."""

    records: int
    findings: tuple[str, ...]
    unaccounted: tuple[str, ...]


def salvage(path: Path, target: Path, keep: Keep, *, clock_s: Callable[[], float]) -> Salvaged:
    """Write what is readable into a new journal, and every undo record that has a copy. Raises JournalError.

    An injection whose beginning is lost cannot be told from its records any more; it is left out, and named.
    """
    found = look(path) if path.exists() else Found(findings=[f"{path} is not there"])
    unaccounted = [] if keep.copies.exists() else [f"any: {keep.copies}, where the copies are, is not there either"]
    journal = Journal(target, clock_s=clock_s)
    journal.restore(_whole_rows(found), found.notes)
    for injection in keep.names(provisional=True):
        copy, known = keep.copy(injection), journal.injection(injection)
        if copy is None and (known is None or known.undo is None):
            unaccounted.append(f"{injection}: neither the journal nor {keep.copies} can be read")
        elif copy is not None and (known is None or (known.undo is None and known.reverted is None)):
            journal.append(injection, *([] if known else [Proposed(plan=copy.plan)]), copy.planned)
    journal.close()
    return Salvaged(records=len(found.rows), findings=tuple(found.findings), unaccounted=tuple(unaccounted))


def _whole_rows(found: Found) -> Sequence[Row]:
    whole = {name for name, history in found.histories.items() if history and isinstance(history[0], Proposed)}
    whole |= {name for name, history in found.runs.items() if history and isinstance(history[0], Opened)}
    return [row for row in found.rows.values() if row[1] in whole]


def replace(path: Path, keep: Keep, *, at: str, clock_s: Callable[[], float]) -> tuple[Salvaged, Path]:
    """Put a saved journal in the damaged one's place, which stays beside it; return what came of it and where.

    A crash in the middle leaves a damaged journal, which is saved again. Raises JournalError and OSError.
    """
    new, old = path.with_name(f"{path.name}.new"), path.with_name(f"{path.name}.damaged-{at}")
    for suffix in (*_FILES, "-shm"):
        new.with_name(new.name + suffix).unlink(missing_ok=True)
    salvaged = salvage(path, new, keep, clock_s=clock_s)
    if path.exists():
        old.hardlink_to(path)
    for suffix in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(old.with_name(old.name + suffix))
    new.rename(path)
    sync_directory(path.parent)
    saved = Journal(path, clock_s=clock_s)
    saved.adopt()
    saved.close()
    return salvaged, old


# --- making smaller ----------------------------------------------------------------------------------------


def compact(path: Path, *, judged_before_s: float, at: Instant) -> tuple[int, int]:
    """Remove the looks of injections judged before then (epoch seconds), and give back their space.

    What is outstanding or not judged keeps everything, and nothing but looks is ever removed. All or nothing: a
    crash leaves the old journal or the new one. Return how many injections and looks. Raises JournalError.
    """
    with sqlite.translated(path, "compacting"):
        db = sqlite.connect(path, mode="rwc")
        try:
            with sqlite.transaction(db):
                counted = db.execute(_OLD, (judged_before_s,)).fetchall()
                for injection, looks in counted:
                    db.execute("DELETE FROM event WHERE injection = ? AND kind = 'observed'", (injection,))
                    row = sqlite.encoded(injection, at.wall_s, Compacted(at=at, looks=looks))
                    db.execute("INSERT INTO event (injection, kind, at_s, body, crc) VALUES (?, ?, ?, ?, ?)", row)
            db.execute("VACUUM")
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            db.close()
    return len(counted), sum(looks for _, looks in counted)


_OLD = """
    SELECT injection, count(*) FROM event WHERE kind = 'observed' AND injection IN (
        SELECT injection FROM event WHERE kind = 'judged' GROUP BY injection HAVING max(at_s) < ?
    ) AND injection NOT IN (
        SELECT injection FROM event WHERE kind = 'planned' AND injection NOT IN
            (SELECT injection FROM event WHERE kind IN ('reverted', 'settled'))
    ) GROUP BY injection
"""


def backup(path: Path, target: Path, *, progress: Callable[[], None] = lambda: None) -> None:
    """Copy a journal, which may be written meanwhile, into a new file, mode 0600. Raises JournalError."""
    with sqlite.translated(target, "writing"):
        target.touch(mode=0o600, exist_ok=False)
    with sqlite.translated(path, "copying"):
        db = sqlite.connect(path, mode="ro")
        try:
            sqlite.backup(db, target, progress=progress)
        except BaseException:
            target.unlink()
            raise
        finally:
            db.close()
