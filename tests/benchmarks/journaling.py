"""What it costs to be sure: an intent on disk."""

import os
from itertools import count
from random import Random
from tempfile import TemporaryFile

import msgspec

from daemon.core.events import Plan, Planned, Proposed
from daemon.core.model import Order
from daemon.core.plan import Request, make
from daemon.core.settings import Aws, Sampling
from daemon.core.target import Repository, Target
from daemon.ports.journal import Journal
from daemon.ports.keep import Keep, sync_directory
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


def intent_with_copy(bench: Bench) -> list[Row]:
    """The same with the copy of the undo record beside the journal, against the same steps without a database."""
    world = LocalWorld(aws=Aws(), private=bench.scratch)
    home = bench.scratch / "kept"
    home.mkdir()
    event, names, keep = planned(world, bench), count(), Keep(home)
    journal = Journal(home / "journal.db", clock_s=lambda: world.clock.instant().wall_s, keep=keep)
    body = msgspec.json.encode(event)
    with TemporaryFile(dir=bench.scratch, buffering=0) as file:

        def plain() -> None:
            new = home / "new"
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            os.write(descriptor, body)
            os.fsync(descriptor)
            os.close(descriptor)
            sync_directory(home)
            file.write(body)
            os.fdatasync(file.fileno())
            new.rename(home / "kept")

        def ours() -> float:
            plan = proposal(world, f"bench-{next(names)}")
            journal.append(plan.injection, Proposed(plan=plan))
            took = milliseconds(lambda: journal.append(plan.injection, event))
            keep.drop(plan.injection)
            return took

        found = in_turns(
            bench.rounds(ROUNDS),
            {
                "ours": ours,
                "theirs": lambda: milliseconds(plain),
            },
        )
    journal.close()
    return [
        Row(
            what="intent with its copy made durable",
            chaosd=Samples("ms", tuple(found["ours"])),
            yardstick="new file + fsync, its directory + fsync, write + fdatasync, rename",
            theirs=Samples("ms", tuple(found["theirs"])),
            limit=at_most(2),
            note="once an injection: what `chaosd inject` and the daemon wait for before they touch anything",
        )
    ]


def proposal(world: LocalWorld, injection: str) -> Plan:
    """Return the plan that such an injection has."""
    request = Request(fault="git-corrupt", target="clone", parameters={}, duration_s=1.0, origin="cli", by="bench")
    return make(
        request,
        injection=injection,
        seed=1,
        at=world.clock.instant(),
        target=Target(name="clone"),
        steady=(),
        sampling=Sampling(probe_every_s=0.25),
    )


def planned(world: LocalWorld, bench: Bench) -> Planned:
    """Return the intent of a real fault on a real repository, which is then left alone."""
    path = bench.scratch / "clone"
    if not path.exists():
        new_repository(path)
    target = Target(name="clone", repository=Repository(worktree=(str(path),)))
    undo = GitCorrupt().prepare(Order(injection="bench", target=target, dice=Random(1)), world)
    return Planned(at=world.clock.instant(), undo=undo, boot="")
