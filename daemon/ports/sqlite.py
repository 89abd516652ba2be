"""SQLite as the journal needs it: durable, all or nothing, and its errors in three kinds: full, damaged, other."""

import errno
import os
import sqlite3
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from daemon.core import events
from daemon.core.errors import JournalDamagedError, JournalError, JournalFullError
from daemon.core.events import Event
from daemon.core.moments import Armed, Fired

Connection: TypeAlias = sqlite3.Connection
Row: TypeAlias = tuple[Any, ...]
TROUBLE: tuple[type[Exception], ...] = (sqlite3.Error,)

KINDS: Mapping[str, type[Event]] = {
    "proposed": events.Proposed,
    "refused": events.Refused,
    "observed": events.Observed,
    "armed": Armed,
    "fired": Fired,
    "planned": events.Planned,
    "injected": events.Injected,
    "aborted": events.Aborted,
    "reverted": events.Reverted,
    "revert-failed": events.RevertFailed,
    "settled": events.Settled,
    "checked": events.Checked,
    "judged": events.Judged,
    "compacted": events.Compacted,
}
NAMES = {kind: name for name, kind in KINDS.items()}
OF_RUNS = "kind IN ('opened', 'played', 'swept', 'sweep-failed')"
OF_INJECTIONS = f"NOT {OF_RUNS}"
COLUMNS = "seq, injection, kind, at_s, body, crc"  # what ``decoded`` takes

_CACHE_KIB = 512  # what is read again and again is the index of the deciding records; the system caches the rest
_OUT_OF_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})
_ROOM_BYTES_MIN = 64 << 10  # below, a failed write is put down to want of space: SQLite does not always say


def connect(path: Path, *, mode: str) -> Connection:
    """Open a file; ``mode`` is ``ro`` or ``rwc``. What a writer commits survives a power cut."""
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    db = sqlite3.connect(uri, uri=True, timeout=10, check_same_thread=False, isolation_level=None)
    db.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
    if mode != "ro":
        path.chmod(0o600)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
    return db


@contextmanager
def transaction(db: Connection) -> Iterator[None]:
    """Commit what happens inside, or nothing of it."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # on a full disk SQLite has rolled back already, and a second time is an error
            db.execute("ROLLBACK")
        raise


@contextmanager
def translated(path: Path, doing: str) -> Iterator[None]:
    """Turn what SQLite and the system say into a JournalError that names the file and the next step."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise _kind(path, error)(
            f"{doing} the journal {path} failed: {error}; nothing is injected without it", hint=_hint(path, error)
        ) from error


def _kind(path: Path, error: Exception) -> type[JournalError]:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the primary code; the rest says where
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or "decode to UTF-8" in str(error):
        return JournalDamagedError
    full = code == sqlite3.SQLITE_FULL or getattr(error, "errno", None) in _OUT_OF_SPACE
    if full or (code == sqlite3.SQLITE_IOERR and _room_bytes(path) < _ROOM_BYTES_MIN):
        return JournalFullError
    return JournalError


def _hint(path: Path, error: Exception) -> str:
    if _kind(path, error) is JournalDamagedError:
        return DAMAGED_HINT
    return "check free space and permissions of the state directory, then `chaosd recover`"


DAMAGED_HINT = "`chaosd journal check` shows the damage; `chaosd recover` undoes what is active and saves the rest"


def _room_bytes(path: Path) -> int:
    try:
        found = os.statvfs(path.parent)
    except OSError:
        return 0
    return found.f_bavail * found.f_frsize


# --- one record --------------------------------------------------------------------------------------------


def encoded(injection: str, at_s: float, event: Event) -> Row:
    """Return the values of a new row, without its ``seq``. Raises JournalError for a text that is no Unicode."""
    kind = NAMES[type(event)]
    try:
        body = msgspec.json.encode(event)
    except UnicodeEncodeError as error:
        raise JournalError(
            f"not journalled: {kind} of {injection} holds a name that is not UTF-8: {error.object!r}",
            hint="choose a victim or a mode without such a name",
        ) from error
    return row(injection, kind, at_s, body)


def row(name: str, kind: str, at_s: float, body: bytes) -> Row:
    """Return the values of a new row with its checksum; ``name`` is an injection's id or a scenario run's."""
    return name, kind, at_s, body, checksum(name, kind, at_s, body)


def checksum(injection: str, kind: str, at_s: float, body: bytes) -> int:
    """Return what is stored beside a record, so that a flipped bit in it is noticed."""
    return zlib.crc32(body, zlib.crc32(struct.pack("<d", at_s), zlib.crc32(f"{injection}\0{kind}\0".encode())))


def decoded(row: Row) -> Event:
    """Return the event of a row of ``COLUMNS``; raises JournalDamagedError when it is not as it was written."""
    kind, body = checked(row)
    try:
        return msgspec.json.decode(body, type=KINDS[kind])
    except (msgspec.MsgspecError, KeyError) as error:
        raise _damaged(row, f"{type(error).__name__}: {error}") from error


def checked(row: Row) -> tuple[str, bytes]:
    """Return kind and body of a row of ``COLUMNS``; raises JournalDamagedError when its checksum does not fit."""
    _, injection, kind, at_s, body, crc = row
    try:
        # Rows of older versions have none.
        if crc is None or crc == checksum(injection, kind, at_s, body):
            return str(kind), bytes(body)
        why = "its checksum does not fit"
    except (TypeError, AttributeError, ValueError, struct.error) as error:
        why = f"{type(error).__name__}: {error}"
    raise _damaged(row, why)


def _damaged(row: Row, why: str) -> JournalDamagedError:
    return JournalDamagedError(f"record {row[0]} of injection {row[1]!r} is damaged: {why}", hint=DAMAGED_HINT)


def quick_check(db: Connection, most: int = 20) -> tuple[str, ...]:
    """Return what SQLite finds wrong with pages and rows, and none when all is well; raises sqlite3.Error."""
    found = [str(row[0]) for row in db.execute(f"PRAGMA quick_check({most})")]
    return () if found == ["ok"] else tuple(found)


def backup(source: Connection, target: Path, *, progress: Callable[[], None] = lambda: None) -> None:
    """Copy a journal that may be written meanwhile into a new file; raises sqlite3.Error."""
    copy = sqlite3.connect(target)
    try:
        source.backup(copy, pages=256, progress=lambda *_: progress())
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
    finally:
        copy.close()
