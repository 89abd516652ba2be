"""git-corrupt: its cost must not know how large the repository is."""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from threading import Event

from daemon.core.events import Planned
from daemon.core.model import Order, Outcome, Undo
from daemon.core.settings import Aws
from daemon.core.target import Repository, Target
from daemon.ports.journal import Journal
from daemon.ports.world import LocalWorld
from faults.git.corrupt import GitCorrupt
from tests.benchmarks.harness import (
    Bench,
    Cost,
    Limit,
    MeasurementError,
    Row,
    Samples,
    at_most,
    cost,
    cpu,
    in_turns,
    spawn,
    wall,
)
from tests.benchmarks.places import HUGE, LARGE, SMALL, repository

ROUNDS, COPIES, RESTORES = 25, 15, 5
# One mode for each way of changing a repository; the others are rows of the same table.
MODES = (
    "loose-object-truncate",
    "loose-object-bitflip",
    "loose-object-missing",
    "pack-bitflip",
    "pack-missing",
    "index-truncate",
    "head-garbage",
    "ref-empty",
    "ref-missing-object",
)
HUGE_MODES = ("loose-object-truncate", "pack-bitflip")
FULLY_SHOWN = "loose-object-truncate"  # wall time of the others is the disk's, and would be the same rows again
LIKE_SMALL, OF_COPY, OF_RESTORE = at_most(1.5), at_most(1 / 50), at_most(1 / 100)
Pair = tuple[Cost, Cost]


@dataclass(slots=True)
class Striker:
    """Strikes one repository as the engine does, without the engine: prepare, journal, inject; then revert."""

    path: Path
    world: LocalWorld
    journal: Journal
    mode: str
    struck: int = 0

    def strike(self) -> Undo:
        """Pick a victim, make the undo record durable, damage."""
        self.struck += 1
        target = Target(name="clone", repository=Repository(worktree=(str(self.path),)))
        order = Order(injection=f"bench-{self.struck}", target=target, dice=Random(self.struck))
        undo = GitCorrupt(mode=self.mode).prepare(order, self.world)
        self.journal.append(order.injection, Planned(at=self.world.clock.instant(), undo=undo, boot=""))
        GitCorrupt.inject(undo, self.world, Event())
        return undo

    def revert(self, undo: Undo) -> None:
        """Restore and prove."""
        found = GitCorrupt.revert(undo, self.world)
        if found.outcome is not Outcome.RESTORED:
            raise MeasurementError(f"{self.mode} was not restored but {found.outcome}: {found.detail}")

    def both(self) -> tuple[Cost, Cost]:
        """Strike and revert once; return what each cost."""
        undos: list[Undo] = []
        return cost(lambda: undos.append(self.strike())), cost(lambda: self.revert(undos[0]))


def strikes(bench: Bench) -> list[Row]:
    """Each way of damaging 200,000 objects against the same on 100."""
    rows: list[Row] = []
    with _journal(bench) as journal:
        for mode in MODES:
            rows += _mode_rows(mode, *_pairs(bench, journal, mode, LARGE))
    return rows


def huge(bench: Bench) -> list[Row]:
    """One object of 1,000,000, loose and packed, against one of 100: strike and revert, wall and CPU."""
    rows: list[Row] = []
    with _journal(bench) as journal:
        for mode in HUGE_MODES:
            large, small = _pairs(bench, journal, mode, HUGE)
            rows += [
                Row(
                    what=f"git-corrupt {mode}, {part}, {HUGE:,} objects, {kind}",
                    chaosd=figure([pair[n] for pair in large]),
                    yardstick=f"on {SMALL} objects",
                    theirs=figure([pair[n] for pair in small]),
                    limit=LIKE_SMALL,
                )
                for n, part in enumerate(("strike", "revert"))
                for kind, figure in (("wall", wall), ("CPU", cpu))
            ]
    return rows


def _pairs(bench: Bench, journal: Journal, mode: str, objects: int) -> tuple[list[Pair], list[Pair]]:
    """Strike and revert in a large and in the small repository, in turns."""
    bench.say(f"{mode} on {SMALL} and {objects:,} objects")
    small = _striker(bench, journal, SMALL, mode)
    large = _striker(bench, journal, objects, mode)
    found = in_turns(bench.rounds(ROUNDS), {"small": small.both, "large": large.both})
    return found["large"], found["small"]


def _mode_rows(mode: str, large: list[Pair], small: list[Pair]) -> list[Row]:
    return [
        Row(
            what=f"git-corrupt {mode}, {part}, {kind}",
            chaosd=figure([pair[n] for pair in large]),
            yardstick=f"on {SMALL} objects",
            theirs=figure([pair[n] for pair in small]),
            limit=LIKE_SMALL,
        )
        for n, part in enumerate(("strike", "revert"))
        for kind, figure in (("wall", wall), ("CPU", cpu))
        if mode == FULLY_SHOWN or (n == 0 and kind == "CPU")
    ]


def restores(bench: Bench) -> list[Row]:
    """Undo records against what one does without them: copy the repository, and put the copy back."""
    path = repository(bench, LARGE)
    copy, env = bench.scratch / "copy.git", bench.environment()

    def spent(*steps: Sequence[str | Path]) -> float:
        return sum(spawn(step, cwd=bench.scratch, env=env).wall_ms for step in steps)

    def copied() -> float:
        shutil.rmtree(copy, ignore_errors=True)
        return spent(("cp", "-a", path / ".git", copy))

    def restored() -> float:
        return spent(("rm", "-rf", copy), ("cp", "-a", path / ".git", copy), ("git", f"--git-dir={copy}", "fsck"))

    with _journal(bench) as journal:
        striker = _striker(bench, journal, LARGE, FULLY_SHOWN)

        def ours(part: int) -> float:
            os.sync()  # what cp has left to be written would be written by our first fsync, in our time
            return striker.both()[part].wall_ms

        bench.say("against cp -a")
        strike = in_turns(bench.rounds(COPIES), {"ours": lambda: ours(0), "theirs": copied})
        bench.say("against rm, cp -a and fsck")
        revert = in_turns(bench.rounds(RESTORES), {"ours": lambda: ours(1), "theirs": restored})
    return [
        _against("git-corrupt, strike", strike, "cp -a .git", OF_COPY),
        _against("git-corrupt, revert + proof", revert, "rm -rf, cp -a, fsck", OF_RESTORE),
    ]


def _against(what: str, found: Mapping[str, list[float]], yardstick: str, limit: Limit) -> Row:
    return Row(
        what=f"{what}, {LARGE:,} objects",
        chaosd=Samples("ms", tuple(found["ours"])),
        yardstick=yardstick,
        theirs=Samples("ms", tuple(found["theirs"])),
        limit=limit,
    )


def _striker(bench: Bench, journal: Journal, objects: int, mode: str) -> Striker:
    world = LocalWorld(aws=Aws(), private=bench.scratch)
    return Striker(path=repository(bench, objects), world=world, journal=journal, mode=mode)


@contextmanager
def _journal(bench: Bench) -> Iterator[Journal]:
    clock = LocalWorld(aws=Aws(), private=bench.scratch).clock
    journal = Journal(bench.scratch / "journal.db", clock_s=lambda: clock.instant().wall_s)
    try:
        yield journal
    finally:
        journal.close()
