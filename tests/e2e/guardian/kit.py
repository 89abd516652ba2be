"""A chaosd that runs, its guardian and its journal, seen from outside.

The journal is read through a connection that cannot write, processes are looked up in ``/proc``. Nothing
in the product knows that it is being watched.
"""

import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from daemon.ports.journal import Journal
from tests.waiting import wait_for

CHAOSD = (str(Path(sys.executable).parent / "chaosd"),)
COMM = "chaosd-guardian"


def comm(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += map(int, task.read_text().split())
        except OSError:
            continue
    return found


def guardian_of(pid: int) -> int | None:
    return next((p for p in children(pid) if comm(p) == COMM), None)


def kill_both(process: "subprocess.Popen[str]") -> None:
    """Kill a chaosd that a test started, its guardian first, so that nobody is left to undo."""
    guardian = guardian_of(process.pid)
    if guardian is not None:
        os.kill(guardian, signal.SIGKILL)
    process.kill()
    process.wait()


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@dataclass
class Chaosd:
    """One chaosd as a process of its own; what it says goes to a file, so that nobody waits for its guardian."""

    process: subprocess.Popen[bytes]
    state: Path
    said: Path

    @property
    def guardian(self) -> int:
        """Return the guardian's pid; there is one almost from the beginning."""
        wait_for("a guardian", lambda: guardian_of(self.process.pid) or self.over)
        found = guardian_of(self.process.pid)
        assert found, f"it ended before it had a guardian: {self.said.read_text()}"
        return found

    @property
    def over(self) -> bool:
        return self.process.poll() is not None

    def kill(self, *pids: int) -> None:
        for pid in pids:
            assert pid == self.process.pid or comm(pid) == COMM, f"{pid} is none of ours"
            os.kill(pid, signal.SIGKILL)


@dataclass
class Stage:
    """Where a fault is played again and again: one state directory, one victim."""

    directory: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    program: Sequence[str] = CHAOSD
    words: Sequence[str] = ()
    runs: int = 0
    dice: random.Random = field(default_factory=lambda: random.Random(1))

    @property
    def state(self) -> Path:
        return self.directory / "state"

    def start(self, *words: str) -> Chaosd:
        self.runs += 1
        said = self.directory / f"said-{self.runs}"
        with said.open("wb") as out:
            process = subprocess.Popen(
                [*self.program, *self.words, "--state-dir", str(self.state), *words],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=self.directory,
                env={**os.environ, "NO_COLOR": "1", **self.environment},
            )
        return Chaosd(process, self.state, said)

    def last(self) -> int:
        """Return the number of the journal's newest event."""
        try:
            with closing(sqlite3.connect(f"file:{self.state}/journal.sqlite?mode=ro", uri=True)) as db:
                return int(db.execute("SELECT coalesce(max(seq), 0) FROM event").fetchone()[0])
        except sqlite3.Error:
            return 0

    def has(self, kind: str, since: int) -> bool:
        """Tell whether the journal has an event of a kind after that one."""
        try:
            with closing(sqlite3.connect(f"file:{self.state}/journal.sqlite?mode=ro", uri=True)) as db:
                query = "SELECT 1 FROM event WHERE kind = ? AND seq > ? LIMIT 1"
                return db.execute(query, (kind, since)).fetchone() is not None
        except sqlite3.Error:
            return False

    def count(self, kind: str) -> int:
        with closing(sqlite3.connect(f"file:{self.state}/journal.sqlite?mode=ro", uri=True)) as db:
            return int(db.execute("SELECT count(*) FROM event WHERE kind = ?", (kind,)).fetchone()[0])

    def outstanding(self) -> list[str]:
        if not (self.state / "journal.sqlite").exists():
            return []
        journal = Journal(self.state / "journal.sqlite", clock_s=lambda: 0.0, readonly=True)
        try:
            return [f"{i.plan.injection} is {i.state}" for i in journal.outstanding()]
        finally:
            journal.close()
