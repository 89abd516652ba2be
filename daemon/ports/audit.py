"""The audit log: one JSON line for each request that was to change something, in the state directory, append-only.

Not in the journal: whoever can reach the port could fill that with refused requests, and a full journal stops
everything; and a command line beside the daemon writes here, too, where the journal has one writer
(docs/decisions/014).
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from daemon.core.errors import ChaosdError

FILE_MAX = 8 << 20  # two files of it are kept: about 80,000 entries
NAME, OLDER, LOCK = "audit.jsonl", "audit.jsonl.1", "audit.lock"


class AuditLog:
    """The audit log of one state directory. Safe for several threads and processes."""

    def __init__(self, directory: Path, *, most: int = FILE_MAX) -> None:
        self._directory = directory
        self._most = most

    def append(self, entry: Mapping[str, Any]) -> None:
        """Add one entry, on disk when this returns. Raises ChaosdError."""
        line = json.dumps(entry, ensure_ascii=True).encode() + b"\n"
        try:
            self._append(line)
        except OSError as error:
            raise ChaosdError(
                f"not recorded: the audit log in {self._directory} cannot be written: {error.strerror or error}",
                hint="check free space and permissions of the state directory",
            ) from error

    def entries(self) -> Iterator[dict[str, Any]]:
        """Yield the entries, oldest first; a line cut off by a power failure is passed over."""
        for name in (OLDER, NAME):
            try:
                text = (self._directory / name).read_text("utf-8", "replace")
            except FileNotFoundError:
                continue
            for line in text.splitlines():
                try:
                    found = json.loads(line)
                except ValueError:
                    continue
                if isinstance(found, dict):
                    yield found

    def _append(self, line: bytes) -> None:
        directory = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            lock = _open(directory, LOCK)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)  # held by nobody for long; it guards the turning over
                self._write(directory, line)
            finally:
                os.close(lock)
        finally:
            os.close(directory)

    def _write(self, directory: int, line: bytes) -> None:
        descriptor = _open(directory, NAME)
        if os.fstat(descriptor).st_size + len(line) > self._most:
            os.close(descriptor)
            os.rename(NAME, OLDER, src_dir_fd=directory, dst_dir_fd=directory)
            descriptor = _open(directory, NAME)
        try:
            os.write(descriptor, line)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _open(directory: int, name: str) -> int:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(name, flags, 0o600, dir_fd=directory)
