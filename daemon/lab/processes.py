"""The lab's processes on record, so that whoever comes later can end exactly those and no others.

A pid alone proves nothing: the kernel hands it out again. A pid with its start time does.
"""

import json
import os
import signal
import sys
import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

TETHER = Path(__file__).with_name("tether.py")
SAME_START_S = 0.05  # psutil rounds start times to clock ticks
KILL_TIMEOUT_S = 10.0  # a killed process goes as soon as the kernel gets to it: on a busy disk that takes seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessRecord:
    """One process that the lab started; ``started_at_s`` is seconds since the epoch, as psutil reports it.

    ``group`` says that it leads a process group of its own; ``task`` is the ECS task's ARN, empty for the rest.
    """

    role: str
    pid: int
    started_at_s: float
    group: bool = True
    task: str = ""


def record_of(role: str, pid: int, *, task: str = "") -> ProcessRecord | None:
    """Describe a live process; None when it has gone already."""
    try:
        return ProcessRecord(role=role, pid=pid, started_at_s=psutil.Process(pid).create_time(), task=task)
    except psutil.Error:
        return None


def is_alive(record: ProcessRecord) -> bool:
    """Say whether this very process still runs: same pid, same start time, not a zombie."""
    try:
        process = psutil.Process(record.pid)
        same = abs(process.create_time() - record.started_at_s) < SAME_START_S
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def tethered(command: Iterable[str]) -> list[str]:
    """Return the command line that runs ``command`` as a child which dies with the calling process."""
    return [sys.executable, "-I", "-S", str(TETHER), str(os.getpid()), *command]


class ProcessTable:
    """The records of one lab, in memory and in ``processes.json``, which is replaced atomically at each change."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._records: dict[int, ProcessRecord] = {}

    def add(self, record: ProcessRecord | None) -> None:
        """Remember a process; nothing happens for one that has gone already."""
        if record is None:
            return
        with self._lock:
            self._records[record.pid] = record
            self._write()

    def discard(self, pid: int) -> None:
        """Forget a process that has ended; unknown pids are ignored."""
        with self._lock:
            if self._records.pop(pid, None) is not None:
                self._write()

    def _write(self) -> None:
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps([asdict(record) for record in self._records.values()], indent=1))
        fresh.replace(self._path)


def load(path: Path) -> tuple[ProcessRecord, ...]:
    """Read the records of a lab; empty when there is no readable file."""
    try:
        rows: list[Mapping[str, object]] = json.loads(path.read_text())
        return tuple(
            ProcessRecord(
                role=str(row["role"]),
                pid=int(str(row["pid"])),
                started_at_s=float(str(row["started_at_s"])),
                group=bool(row["group"]),
                task=str(row["task"]),
            )
            for row in rows
        )
    except (OSError, ValueError, KeyError, TypeError):
        return ()


def end_all(records: Iterable[ProcessRecord], *, grace_s: float) -> list[ProcessRecord]:
    """End recorded processes and the groups that they lead; return those still alive afterwards.

    SIGTERM, ``grace_s`` seconds for all of them together, then SIGKILL. Start times are checked before each signal.
    """
    alive = [record for record in records if is_alive(record)]
    for record in alive:
        _signal(record, signal.SIGTERM)
    _wait_gone(alive, grace_s)
    for record in alive:
        if is_alive(record):
            _signal(record, signal.SIGKILL)
    _wait_gone(alive, KILL_TIMEOUT_S)
    return [record for record in alive if is_alive(record)]


def _signal(record: ProcessRecord, number: signal.Signals) -> None:
    if not is_alive(record):
        return
    try:
        if record.group and os.getpgid(record.pid) == record.pid:
            os.killpg(record.pid, number)
        else:
            os.kill(record.pid, number)
    except (ProcessLookupError, PermissionError):
        return  # gone, or another user's: then it is reported as still alive


def _wait_gone(records: Iterable[ProcessRecord], timeout_s: float) -> None:
    processes = []
    for record in records:
        if is_alive(record):
            try:
                processes.append(psutil.Process(record.pid))
            except psutil.Error:
                continue
    psutil.wait_procs(processes, timeout=timeout_s)
