"""The second line behind the journal: a copy of every undo record in force, and room to journal that it was used.

A copy stands in a file of its own, fsynced, before the injection begins, and goes when the journal has its
``Reverted``. So a journal that lost its pages, or its tail, hides no fault. The reserve is disk space that is given
up when there is no other, so that what was begun can be recorded to its end.
"""

import os
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from daemon.core.errors import JournalError, JournalFullError
from daemon.core.events import Plan, Planned

RESERVE_BYTES = 256 << 10
_INTENT_BYTES = 64 << 10  # an intent, its copy, and the pages of the journal that they are written to
MARK = b"chaosd-undo 1"
_NEW, _KEPT = ".new", ".json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One undo record in force, with the plan it belongs to."""

    plan: Plan
    planned: Planned


class Keep:
    """Copies and reserve in one state directory. Used under the journal's lock. Raises OSError."""

    def __init__(self, directory: Path) -> None:
        self._directory, self._place = directory, _place(directory)
        self.copies = directory / "undo"
        self._reserve = directory / "reserve"

    # --- copies ------------------------------------------------------------------------------------------

    def promise(self, plan: Plan, planned: Planned) -> None:
        """Put the copy on disk under a provisional name; raises JournalFullError when there is no reserve.

        JournalError when this is another directory by now: whoever undoes after a crash goes by its name.
        """
        if not self.in_place:
            raise JournalError(
                f"nothing is injected: {self._directory} is not the state directory any more that was opened:"
                " it was moved, removed or replaced",
                hint="put it back where it was, or start chaosd anew",
            )
        self.reserve()
        self.copies.mkdir(mode=0o700, exist_ok=True)
        body = msgspec.json.encode(Copy(plan=plan, planned=planned))
        path = self._path(plan.injection, _NEW)
        with suppress(FileNotFoundError):
            path.unlink()
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            content = memoryview(b"%s %08x\n%s" % (MARK, zlib.crc32(body), body))
            while content:
                content = content[os.write(file, content) :]
            os.fsync(file)
        except OSError:
            path.unlink()
            raise
        finally:
            os.close(file)
        sync_directory(self.copies)

    def fulfil(self, injection: str) -> None:
        """Put the copy in force: the journal has the intent now.

        Not synced: after a power cut the provisional name is as good, because the journal has the intent.
        """
        self._path(injection, _NEW).rename(self._path(injection, _KEPT))

    def drop(self, injection: str) -> None:
        """Remove the copy, provisional or in force; idempotent, never raises: one too many does no harm."""
        for suffix in (_NEW, _KEPT):
            with suppress(OSError):
                self._path(injection, suffix).unlink()

    def names(self, *, provisional: bool = False) -> tuple[str, ...]:
        """Return the injections whose copy is in force; the provisional ones count when the journal is damaged."""
        wanted = (_NEW, _KEPT) if provisional else (_KEPT,)
        try:
            found = sorted(p for p in self.copies.iterdir() if p.suffix in wanted)
        except FileNotFoundError:
            return ()
        return tuple(dict.fromkeys(p.name.removesuffix(p.suffix) for p in found))

    def copy(self, injection: str) -> Copy | None:
        """Return one copy, or None when it is not there or does not read as it was written."""
        return next(self._read(injection), None)

    def tidy(self) -> None:
        """Remove provisional copies: their intent never came to be."""
        for injection in set(self.names(provisional=True)) - set(self.names()):
            self.drop(injection)

    def _read(self, injection: str) -> Iterator[Copy]:
        for suffix in (_KEPT, _NEW):
            with suppress(OSError, ValueError, msgspec.MsgspecError):
                head, _, body = self._path(injection, suffix).read_bytes().partition(b"\n")
                if head == b"%s %08x" % (MARK, zlib.crc32(body)):
                    yield msgspec.json.decode(body, type=Copy)

    def _path(self, injection: str, suffix: str) -> Path:
        return self.copies / f"{injection}{suffix}"

    @property
    def in_place(self) -> bool:
        """Tell whether the directory is still the one it was."""
        return _place(self._directory) == self._place

    # --- reserve -----------------------------------------------------------------------------------------

    @property
    def reserved(self) -> bool:
        """Tell whether the reserve is in place."""
        with suppress(OSError):
            return self._reserve.stat().st_size >= RESERVE_BYTES
        return False

    @property
    def roomy(self) -> bool:
        """Tell whether there are room and rights to record one more injection; quotas are not looked at."""
        directory = self._reserve.parent
        if not self.in_place:
            return False
        try:
            found = os.statvfs(directory)
        except OSError:
            return False
        if found.f_flag & os.ST_RDONLY or not os.access(directory, os.W_OK):
            return False
        needed = _INTENT_BYTES + (0 if self.reserved else RESERVE_BYTES)
        out_of_inodes = found.f_files > 0 and found.f_favail == 0
        return not out_of_inodes and found.f_bavail * found.f_frsize >= needed

    def reserve(self) -> None:
        """Put the reserve in place; idempotent. Raises JournalFullError when there is no room for it."""
        if self.reserved:
            return
        try:
            file = os.open(self._reserve, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                _allocate(file)
            finally:
                os.close(file)
        except OSError as error:
            with suppress(OSError):
                self._reserve.unlink()
            raise JournalFullError(
                f"nothing is injected: no room in {self._reserve.parent} to record an undo: {error.strerror}",
                hint=f"free {RESERVE_BYTES >> 10} KiB and a little more, then try again",
            ) from error

    def spend(self) -> bool:
        """Give the reserve up; False when it was not there any more."""
        try:
            self._reserve.unlink()
        except OSError:
            return False
        return True


def _place(directory: Path) -> tuple[int, int] | None:
    try:
        found = directory.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _allocate(file: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, RESERVE_BYTES)
    else:  # macOS: zeros take as much room
        os.pwrite(file, bytes(RESERVE_BYTES), 0)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
