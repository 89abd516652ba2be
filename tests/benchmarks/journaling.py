"""What it costs to be sure: an intent on disk."""

import os
from random import Random
from tempfile import TemporaryFile

import msgspec

from daemon.core.events import Planned
from daemon.core.model import Order, Repository, Target
from daemon.core.settings import Aws
from daemon.ports.journal import Journal
from daemon.ports.world import LocalWorld
from faults.git.corrupt import GitCorrupt
from tests.benchmarks.harness import Bench, Row, Samples, at_most, in_turns, milliseconds
from tests.benchmarks.places import new_repository

ROUNDS = 300


def intent(bench: Bench) -> list[Row]:
    """``Journal.append`` of a real undo record, against an append of as many bytes and one fdatasync."""
    world = LocalWorld(aws=Aws(), private=bench.scratch)
    journal = Journal(bench.scratch / "journal.db", clock_s=lambda: world.clock.instant().wall_s)
    event = planned(world, bench)
    body = msgspec.json.encode(event)
    with TemporaryFile(dir=bench.scratch, buffering=0) as file:

        def plain() -> None:
            file.write(body)
            os.fdatasync(file.fileno())

        found = in_turns(
            bench.rounds(ROUNDS),
            {
                "ours": lambda: milliseconds(lambda: journal.append("bench", event)),
                "theirs": lambda: milliseconds(plain),
            },
        )
    journal.close()
    return [
        Row(
            what="intent made durable",
            chaosd=Samples("ms", tuple(found["ours"])),
            yardstick="write + fdatasync",
            theirs=Samples("ms", tuple(found["theirs"])),
            limit=at_most(4),
            note=f"{len(body)} bytes, the undo record of a git-corrupt, on the disk of the temporary directory",
        )
    ]


def planned(world: LocalWorld, bench: Bench) -> Planned:
    """Return the intent of a real fault on a real repository, which is then left alone."""
    path = new_repository(bench.scratch / "clone")
    target = Target(name="clone", repository=Repository(worktree=(str(path),)))
    undo = GitCorrupt().prepare(Order(injection="bench", target=target, dice=Random(1)), world)
    return Planned(at=world.clock.instant(), undo=undo, boot="")
