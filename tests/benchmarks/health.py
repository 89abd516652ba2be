"""git-health: looking at an unchanged repository must cost next to nothing."""

from daemon.core.model import Status
from daemon.core.settings import Aws
from daemon.core.target import Repository, Target
from daemon.ports.world import LocalWorld
from probes.git.health import GitHealth
from probes.git.integrity import GitIntegrity
from tests.benchmarks.harness import (
    Bench,
    MeasurementError,
    Row,
    Samples,
    at_most,
    cpu_used_ms,
    in_turns,
    spawn,
)
from tests.benchmarks.places import LARGE, repository

ROUNDS, TICKS = 15, 10
FIRST_LOOKS_MAX = 500
EVERY_S = 10.0


def ticks(bench: Bench) -> list[Row]:
    """CPU of one look at 200,000 unchanged objects, children included, against ``git status``."""
    path = repository(bench, LARGE)
    env = bench.environment()
    world = LocalWorld(aws=Aws(), private=bench.scratch)
    target = Target(name="clone", repository=Repository(worktree=(str(path),)))
    warm = GitHealth(refresh=1e9)

    def look(probe: GitHealth, times: int) -> float:
        began_ms = cpu_used_ms()
        for _ in range(times):
            reading = probe.observe(target, world)
            if reading.status is not Status.OK:
                raise MeasurementError(f"git-health says {reading}")
        return (cpu_used_ms() - began_ms) / times

    found = in_turns(
        bench.rounds(ROUNDS),
        {
            "tick": lambda: look(warm, TICKS),
            "status": lambda: spawn(("git", "status"), cwd=path, env=env).cpu_ms,
            "refresh": lambda: look(GitHealth(), 1),
        },
    )
    return _rows(found["tick"], found["status"], found["refresh"])


def _rows(tick: list[float], asked: list[float], refresh: list[float]) -> list[Row]:
    share = EVERY_S / GitHealth().refresh
    mixed = tuple(t * (1 - share) + r * share for t, r in zip(tick, refresh, strict=True))
    status = Samples("ms CPU", tuple(asked))
    return [
        Row(
            what=f"git-health, unchanged, {LARGE:,} objects",
            chaosd=Samples("ms CPU", tuple(tick)),
            yardstick="git status",
            theirs=status,
            limit=at_most(1 / 4),
        ),
        Row(
            what=f"git-health every {EVERY_S:g} s, refresh included",
            chaosd=Samples("ms CPU", mixed),
            yardstick="git status every 10 s",
            theirs=status,
            note=f"a look that asks git anew, as every {GitHealth().refresh:g} s, and the first one, is in it",
        ),
    ]


def _until_all_is_hashed(probe: GitIntegrity, target: Target, world: LocalWorld) -> None:
    """Look until nothing is left for later looks: each hashes only so many bytes."""
    for _ in range(FIRST_LOOKS_MAX):
        reading = probe.observe(target, world)
        if not reading.measures["left_bytes"]:
            return
    raise MeasurementError(f"after {FIRST_LOOKS_MAX} looks git-integrity says {reading}")


def verifications(bench: Bench) -> list[Row]:
    """CPU of one look of git-integrity at 200,000 known objects, against ``git fsck`` and ``git status``."""
    path = repository(bench, LARGE)
    env = bench.environment()
    world = LocalWorld(aws=Aws(), private=bench.scratch)
    target = Target(name="clone", repository=Repository(worktree=(str(path),)))
    warm = GitIntegrity()

    def look() -> float:
        began_ms = cpu_used_ms()
        reading = warm.observe(target, world)
        if reading.status is not Status.OK:
            raise MeasurementError(f"git-integrity says {reading}")
        return cpu_used_ms() - began_ms

    _until_all_is_hashed(warm, target, world)
    found = in_turns(
        bench.rounds(5),
        {
            "look": look,
            "fsck": lambda: spawn(("git", "fsck", "--full"), cwd=path, env=env).cpu_ms,
            "status": lambda: spawn(("git", "status"), cwd=path, env=env).cpu_ms,
        },
    )
    ours = Samples("ms CPU", tuple(found["look"]))
    return [
        Row(
            what=f"git-integrity, nothing new, {LARGE:,} objects",
            chaosd=ours,
            yardstick=yardstick,
            theirs=Samples("ms CPU", tuple(found[name])),
            limit=limit,
        )
        for name, yardstick, limit in (
            ("fsck", "git fsck --full", at_most(1 / 10)),
            ("status", "git status", None),
        )
    ]
