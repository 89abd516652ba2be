"""What a measurement is made of: costs of a process, samples taken in turns, rows with a target."""

import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from statistics import median
from time import perf_counter  # noqa: TID251  a stopwatch measures the real clock
from typing import TypeVar

T = TypeVar("T")
MOST, LEAST = "<=", ">="


class MeasurementError(Exception):
    """A figure could not be taken; says why."""


# --- figures ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Samples:
    """What was measured, once a round, in one unit."""

    unit: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return median(self.values)

    def over(self, other: "Samples") -> "Samples":
        """Return the ratio round by round: both sides of a round saw the same machine."""
        return Samples("x", tuple(a / b for a, b in zip(self.values, other.values, strict=True)))


@dataclass(frozen=True, slots=True)
class Limit:
    """A target: of the ratio when there is a yardstick, else of the figure itself."""

    side: str
    value: float

    def met(self, figure: float) -> bool:
        return figure <= self.value if self.side == MOST else figure >= self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table. ``note`` says what a reader must know to read the figure."""

    what: str
    chaosd: Samples
    yardstick: str = ""
    theirs: Samples | None = None
    limit: Limit | None = None
    note: str = ""

    @property
    def ratio(self) -> Samples | None:
        return None if self.theirs is None else self.chaosd.over(self.theirs)

    @property
    def met(self) -> bool | None:
        return None if self.limit is None else self.limit.met((self.ratio or self.chaosd).median)


def at_most(value: float) -> Limit:
    return Limit(MOST, value)


def at_least(value: float) -> Limit:
    return Limit(LEAST, value)


# --- what a benchmark is given -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """The words of the command line. ``scratch`` is removed at the end, ``cache`` stays."""

    scratch: Path
    cache: Path
    runs: int | None = None
    peer: bool = True
    idle_s: float = 60.0
    say: Callable[[str], None] = field(default=lambda _step: None)

    def rounds(self, usual: int) -> int:
        return self.runs or usual

    def directory(self, name: str) -> Path:
        """Return a directory of that name in the scratch directory, made when it is not there."""
        path = self.scratch / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def environment(self) -> dict[str, str]:
        """Return the environment of all children: no setting of the user's, no state directory of his."""
        dropped = (
            "CHAOSD_",
            "AWS_",
            "GIT_",
            "COVERAGE_",
            "PYTHON",
        )  # no byte code, or coverage, would cost us alone
        kept = {k: v for k, v in os.environ.items() if not k.startswith(dropped)}
        return {
            **kept,
            "HOME": str(self.directory("home")),
            "CHAOSD_STATE_DIR": str(self.scratch / "state"),
            "NO_COLOR": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_OPTIONAL_LOCKS": "0",
            **CREDENTIALS,
        }


# Emulators and the null server take any; botocore will not sign without some.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-west-2"}


def in_turns(rounds: int, subjects: Mapping[str, Callable[[], T]]) -> dict[str, list[T]]:
    """Measure A B A B ..., after one round that does not count (caches, byte code)."""
    found: dict[str, list[T]] = {name: [] for name in subjects}
    for number in range(rounds + 1):
        for name, measure in subjects.items():
            figure = measure()
            if number:
                found[name].append(figure)
    return found


# --- measuring ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run cost; ``cpu_ms`` holds the children it waited for."""

    wall_ms: float
    cpu_ms: float


def wall(costs: Sequence[Cost]) -> Samples:
    return Samples("ms", tuple(c.wall_ms for c in costs))


def cpu(costs: Sequence[Cost]) -> Samples:
    return Samples("ms CPU", tuple(c.cpu_ms for c in costs))


def milliseconds(work: Callable[[], object]) -> float:
    """Return the wall time of one call."""
    began_s = perf_counter()
    work()
    return (perf_counter() - began_s) * 1000


def cost(work: Callable[[], object]) -> Cost:
    """Return what one call costs in this process and in the children it waits for."""
    used_ms = cpu_used_ms()
    wall_ms = milliseconds(work)
    return Cost(wall_ms, cpu_used_ms() - used_ms)


def cpu_used_ms() -> float:
    """Return the CPU time of this process and of the children it has waited for."""
    used = (getrusage(RUSAGE_SELF), getrusage(RUSAGE_CHILDREN))
    return sum(u.ru_utime + u.ru_stime for u in used) * 1000


def spawn(arguments: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str]) -> Cost:
    """Run a program to its end; raises MeasurementError unless it exits 0."""
    with tempfile.TemporaryFile() as said:
        began_s = perf_counter()
        process = subprocess.Popen(
            [str(a) for a in arguments],
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
        )
        _, status, used = os.wait4(process.pid, 0)  # subprocess itself does not tell what a child used
        wall_ms = (perf_counter() - began_s) * 1000
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            words = " ".join(str(a) for a in arguments)
            raise MeasurementError(f"{words} exited {process.returncode}: {said.read().decode()[-400:]}")
    return Cost(wall_ms, (used.ru_utime + used.ru_stime) * 1000)
