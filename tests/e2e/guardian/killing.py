"""Kill chaosd, its guardian, or both, at a moment of an injection, and say what was left of it.

The moments are found from outside, as everything in ``kit``: nothing in the product knows that it is watched.
"""

import os
import random
import signal
import subprocess
import threading
import time  # noqa: TID251 - measures real processes
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from tests.e2e.guardian.kit import Chaosd, Stage, children, gone
from tests.waiting import wait_for

STEPS = ("proposed", "observed", "planned", "injected", "aborted", "reverted", "judged")
DAEMON, GUARDIAN, BOTH, REVERTER = "daemon", "guardian", "both", "daemon, then the reverter"
WHOM = (DAEMON, GUARDIAN, BOTH)
NOBODY = "nobody: it was over"
INSTANTS = int(os.environ.get("CHAOSD_INSTANTS", "500"))  # a fault; `make torture INSTANTS=50` for a short one
STEP, INSTANT = "at steps", "at instants"
TRIES = 10
REVERT_S = 0.4  # about what a reverter takes from its start to its end


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


def at_step(step: str) -> Moment:
    """Return the moment at which the journal has an event of that kind."""

    def reached(stage: Stage, chaosd: Chaosd, since: int, kind: str = step) -> None:
        wait_for(f"a {kind} event", lambda: stage.has(kind, since) or chaosd.over, 120, 0.002)

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
    if whom == REVERTER and not kill_reverter(guardian, stage.dice):
        whom = DAEMON
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


def kill_once(stage: Stage, victim: Victim, whom: str, moment: Moment) -> list[str]:
    """As ``play``, anew when the run was over before the moment came; fails when ``whom`` could not be killed."""
    table = Table()
    for _ in range(TRIES):
        left = play(stage, victim, whom, moment, table)
        if left or table.rows[victim.name][whom]:
            return left
    raise AssertionError(f"over before the kill of {whom}, {TRIES} times:\n{table}")


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
    for _ in range(3 * instants + TRIES):
        stage, victim = scene()
        victim.lasts_s = lasts_s
        left += play(stage, victim, dice.choice(whole), after(dice.uniform(0, lasts_s)), table)
        lasts_s = victim.lasts_s
        if table.rows[victim.name][INSTANT] >= instants:
            return left
    raise AssertionError(f"{table.rows[victim.name][INSTANT]} of {instants} instants fell into a run")


def kill_reverter(guardian: int, dice: random.Random) -> bool:
    """Kill the first reverter that the guardian starts, in the middle of its work; False when it was faster."""
    found = wait_for("a reverter", lambda: children(guardian) or gone(guardian), pause_s=0.001)
    if not isinstance(found, list):
        return False
    threading.Event().wait(dice.uniform(0, REVERT_S))
    if children(guardian) != found or gone(found[0]):
        return False
    os.kill(found[0], signal.SIGKILL)
    return True
