"""Kill chaosd, its guardian, or both, at a moment of an injection, and say what was left of it.

The moments are found from outside: the journal is read through a connection that cannot write, processes are looked
up in ``/proc``. Nothing in the product knows that it is being watched.
"""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time  # noqa: TID251 - bounds the waits for real processes
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daemon.ports.journal import Journal

CHAOSD = (str(Path(sys.executable).parent / "chaosd"),)
COMM = "chaosd-guardian"
STEPS = ("proposed", "observed", "planned", "injected", "aborted", "reverted", "judged")
DAEMON, GUARDIAN, BOTH, REVERTER = "daemon", "guardian", "both", "daemon, then the reverter"
WHOM = (DAEMON, GUARDIAN, BOTH)
NOBODY = "nobody: it was over"
INSTANTS = int(os.environ.get("CHAOSD_INSTANTS", "500"))  # a fault; `make torture INSTANTS=50` for a short one


def wait_for(what: str, condition: Callable[[], Any], timeout_s: float = 60.0, pause_s: float = 0.005) -> Any:
    """Wait, bounded, until ``condition`` returns something true and return that."""
    deadline_s, pause = time.monotonic() + timeout_s, threading.Event()
    while not (found := condition()):
        assert time.monotonic() < deadline_s, f"not within {timeout_s:g} s: {what}"
        pause.wait(pause_s)
    return found


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


@dataclass
class Victim:
    """A fault to be injected, and what is not as it was before: empty when there is no residue.

    ``lasts_s``: from the start to the end of the last run that nobody ended early.
    """

    name: str
    words: tuple[str, ...]
    residue: Callable[[], list[str]]
    lasts_s: float = 0.0


@dataclass
class Table:
    """What the harness saw, one line a victim. A run that was over before anybody was killed counts as none."""

    rows: dict[str, Counter[str]] = field(default_factory=dict)

    def note(self, victim: str, whom: str, left: Sequence[str], *, hurt: bool, at: str) -> None:
        row = self.rows.setdefault(victim, Counter())
        if whom == NOBODY:
            row.update(["over", *(["residue"] if left else [])])
        else:
            row.update([whom, at, "kills", *(["broken"] if hurt else []), *(["residue"] if left else [])])

    def __str__(self) -> str:
        columns = ("kills", STEP, INSTANT, DAEMON, GUARDIAN, BOTH, REVERTER, "broken", "over", "residue")
        head = f"{'victim':<36}" + "".join(f"{c.rpartition(' ')[2]:>10}" for c in columns)
        total = sum(self.rows.values(), Counter[str]())
        rows = {**self.rows, "all": total} if len(self.rows) > 1 else self.rows
        lines = (f"{name:<36}" + "".join(f"{row[c]:>10}" for c in columns) for name, row in rows.items())
        return "\n".join([head, *lines])


@dataclass(frozen=True)
class Moment:
    """When somebody is killed: ``wait`` returns then, or when chaosd has ended. ``at`` is the table's column."""

    at: str
    wait: Callable[[Stage, Chaosd, int], None]


STEP, INSTANT = "at steps", "at instants"


def at_step(step: str) -> Moment:
    """Return the moment at which the journal has an event of that kind."""

    def reached(stage: Stage, chaosd: Chaosd, since: int, kind: str = step) -> None:
        wait_for(f"a {kind} event", lambda: stage.has(kind, since) or chaosd.over, 120, pause_s=0.002)

    def interrupted(stage: Stage, chaosd: Chaosd, since: int) -> None:
        reached(stage, chaosd, since, "injected")
        chaosd.process.terminate()  # else nothing aborts it
        reached(stage, chaosd, since)

    return Moment(STEP, interrupted if step == "aborted" else reached)


def after(seconds: float) -> Moment:
    """Return the moment so long after the guardian was there."""

    def wait(_: Stage, chaosd: Chaosd, __: int) -> None:
        with suppress(subprocess.TimeoutExpired):
            chaosd.process.wait(seconds)

    return Moment(INSTANT, wait)


def play(stage: Stage, victim: Victim, whom: str, moment: Moment, table: Table) -> list[str]:
    """Inject, kill whom at the moment, let whoever is left restore it, and return the residue."""
    since, began_s = stage.last(), time.monotonic()
    chaosd = stage.start(*victim.words)
    guardian = chaosd.guardian
    moment.wait(stage, chaosd, since)
    if chaosd.over:
        whom = NOBODY
        victim.lasts_s = time.monotonic() - began_s
    hurt = whom != NOBODY and bool(victim.residue())
    if whom in (GUARDIAN, BOTH):
        chaosd.kill(guardian)
    if whom in (DAEMON, BOTH, REVERTER):
        chaosd.kill(chaosd.process.pid)
    if whom == REVERTER:
        kill_reverter(guardian)
    chaosd.process.wait(120)
    wait_for("the guardian's end", lambda: gone(guardian), 120)
    left = [] if whom == BOTH else victim.residue()
    if whom == BOTH or stage.outstanding():
        # Killed after the plan was on disk and before the guardian was told: untouched, left to the next start.
        again = stage.start("recover")
        assert again.process.wait(120) == 0, again.said.read_text()
    left = [*left, *victim.residue(), *stage.outstanding()]
    table.note(victim.name, whom, left, hurt=hurt, at=moment.at)
    return left


def sweep(
    scene: Callable[[], tuple[Stage, Victim]],
    table: Table,
    dice: random.Random,
    instants: int,
    steps: Sequence[str] = STEPS,
) -> list[str]:
    """Kill everybody at every step, then somebody at so many random instants; return the residue.

    How long a run takes is measured whenever one was over before its instant came: then it is played again.
    """
    left: list[str] = []
    whole = (*WHOM, REVERTER)
    for step in steps:
        for whom in whole:
            left += play(*scene(), whom, at_step(step), table)
    stage, victim = scene()
    left += play(stage, victim, DAEMON, after(120), table)  # to its end: so long does it take here and now
    lasts_s = victim.lasts_s
    for _ in range(3 * instants):
        stage, victim = scene()
        victim.lasts_s = lasts_s
        left += play(stage, victim, dice.choice(whole), after(dice.uniform(0, lasts_s)), table)
        lasts_s = victim.lasts_s
        if table.rows[victim.name][INSTANT] >= instants:
            return left
    raise AssertionError(f"{table.rows[victim.name][INSTANT]} of {instants} instants fell into a run")


def kill_reverter(guardian: int) -> None:
    """Kill the first reverter that the guardian starts, in the middle of its work."""
    found = wait_for("a reverter", lambda: children(guardian) or gone(guardian), pause_s=0.001)
    if isinstance(found, list):
        try:
            subprocess.run(["sleep", str(random.uniform(0, 0.4))], check=True)
            if children(guardian) == found:
                os.kill(found[0], signal.SIGKILL)
        except ProcessLookupError:
            return
