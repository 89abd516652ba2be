"""Whose journal this is and how far it got: kept beside it, so that a copy or an older one is noticed.

A copied state directory has the inode numbers of its new place, a restored journal ends before the last record that
is known to have been written. What is put back as a whole, identity included, on the same inodes (a block device
rolled back) cannot be told from the original.
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from daemon.core.errors import ForeignStateError, JournalDamagedError
from daemon.ports.keep import sync_directory
from daemon.ports.sqlite import DAMAGED_HINT
from daemon.ports.state import boot_id, machine_id

NAME = "identity"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Where a state directory was when it was last in use, and the last record written to its journal.

    ``device`` counts within one ``boot`` only: numbers of devices change from boot to boot. ``machine`` is empty
    where there is none; ``journal`` is the name the journal gave itself when it was new.
    """

    directory: int
    file: int
    device: int
    boot: str
    machine: str
    journal: str
    last: int


def check(directory: Path, journal: str, last: int) -> None:
    """Raise ForeignStateError for a copied directory, JournalDamagedError for a journal that lost its end.

    ``last`` is the number of the journal's last record. A directory without an identity is new, or of a version
    that kept none.
    """
    try:
        known = read(directory)
    except FileNotFoundError:
        return
    except (OSError, msgspec.MsgspecError) as error:
        raise JournalDamagedError(
            f"nothing is injected: {directory / NAME} cannot be read: {error}", hint=DAMAGED_HINT
        ) from error
    why = _elsewhere(known, _here(directory, (directory / NAME).stat().st_ino, journal, last))
    if why:
        raise ForeignStateError(
            f"nothing was started: {directory} is not the state directory that its journal was written in ({why});"
            " its faults may be those of the original",
            hint='if this is the one that counts now: `chaosd journal adopt --because "..."`',
        )
    if journal != known.journal or last < known.last:
        raise JournalDamagedError(
            f"nothing is injected: the journal in {directory} ends with record {last}, but record {known.last} was"
            " written: it was cut, emptied, or put back from a backup",
            hint=DAMAGED_HINT,
        )


def read(directory: Path) -> Identity:
    """Return what is known; raises OSError and msgspec.MsgspecError."""
    return msgspec.json.decode((directory / NAME).read_bytes(), type=Identity)


def write(directory: Path, journal: str, last: int) -> None:
    """Make this place and this end of the journal the known ones; does nothing when they are. Raises OSError."""
    with suppress(OSError, msgspec.MsgspecError):
        if read(directory) == _here(directory, (directory / NAME).stat().st_ino, journal, last):
            return
    new = directory / f"{NAME}.new"
    with suppress(FileNotFoundError):
        new.unlink()
    file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.write(file, msgspec.json.encode(_here(directory, os.fstat(file).st_ino, journal, last)))
        os.fsync(file)
    finally:
        os.close(file)
    new.rename(directory / NAME)
    sync_directory(directory)


def _here(directory: Path, file: int, journal: str, last: int) -> Identity:
    at = directory.stat()
    return Identity(
        directory=at.st_ino,
        file=file,
        device=at.st_dev,
        boot=boot_id(),
        machine=machine_id(),
        journal=journal,
        last=last,
    )


def _elsewhere(known: Identity, here: Identity) -> str:
    if known.machine and here.machine and known.machine != here.machine:
        return "another machine"
    if (known.directory, known.file) != (here.directory, here.file):
        return "a copy, or put back from one"
    if known.boot and known.boot == here.boot and known.device != here.device:
        return "another file system"
    return ""
