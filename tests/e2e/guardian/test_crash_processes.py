"""SIGKILL for chaosd, its guardian or both while processes and disks are disturbed: nothing of it is left.

No stopped process, no holder, no file, no changed limit, no control group, no wrong clock.
"""

import os
import random
import resource
import sqlite3
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.e2e.guardian.killing import (
    BOTH,
    DAEMON,
    INSTANTS,
    REVERTER,
    WHOM,
    Table,
    Victim,
    at_step,
    kill_once,
    sweep,
)
from tests.e2e.guardian.killing import STEPS as ALL_STEPS
from tests.e2e.guardian.kit import Stage
from tests.integration.process.workshop import Worker, holders, letter, mounted, worker
from tests.waiting import wait_for

ROOT = os.geteuid() == 0
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
GROUPS = Path("/sys/fs/cgroup")
CONFIG = """
version: 1
targets: {{w: {{processes: {{match: {mark}}}, disk: {{path: {disk}}}, limits: {{recover: 5s}}}}}}
"""
KILLED = (
    ("process-pause", "process", ()),
    ("process-slow", "duty", ("percent=30",)),
    ("process-slow", "quota", ("percent=50",)),
    ("fd-exhaustion", "soft-limit", ()),
    ("memory-pressure", "hog", ("take=48", "leave=64")),
    ("memory-pressure", "limit", ("headroom=64",)),
    ("disk-fill", "bytes", ("floor=1",)),
    ("disk-fill", "inodes", ("floor=1",)),
    ("clock-skew", "ahead", ()),
)
FAULTS = sorted({fault for fault, _, _ in KILLED})
AS_ROOT = frozenset(("process-slow quota", "memory-pressure limit", "disk-fill bytes", "disk-fill inodes"))
IDS = [f"{fault}-{mode}" for fault, mode, _ in KILLED]
# Every step, each with some of those who may die; the whole table is the torture's.
STEPS = tuple(step for step in ALL_STEPS if step != "observed")  # there are no probes: nothing stands between
pytestmark = pytest.mark.timeout(600)  # for machines that have other things to do
SOME = [(step, WHOM[n % 3]) for n, step in enumerate(STEPS)]


@dataclass
class Scene:
    """A worker, its disk and its clock, and what is not with them as it was."""

    stage: Stage
    worker: Worker
    disk: Path
    clock: Path
    limits: tuple[int, int] = field(init=False)
    clock_was: tuple[bytes, int, int] = field(init=False)
    groups: str = field(init=False)
    homes: list[Path] = field(init=False)

    def __post_init__(self) -> None:
        self.groups = self._groups()
        lines = [line.split(":", 2) for line in self.groups.splitlines()]
        self.homes = [GROUPS / (names or "unified") / path.lstrip("/") for _, names, path in lines]
        self.limits = resource.prlimit(self.worker.pid, resource.RLIMIT_NOFILE)
        self.clock_was = self._clock()

    def _clock(self) -> tuple[bytes, int, int]:
        facts = self.clock.stat()
        return self.clock.read_bytes(), facts.st_mtime_ns, facts.st_mode

    def _groups(self) -> str:
        return Path(f"/proc/{self.worker.pid}/cgroup").read_text()

    def residue(self) -> list[str]:
        found = []
        if letter(self.worker.pid) == "T":
            found.append("the worker is stopped")
        if resource.prlimit(self.worker.pid, resource.RLIMIT_NOFILE) != self.limits:
            found.append("its limit is another")
        if self._clock() != self.clock_was:
            found.append("its clock is another")
        if self._groups() != self.groups:
            found.append("it is in other control groups")
        injections = self.injections()
        found += [f"holder {pid}" for pid in holders(*injections)]
        groups = (home / f"chaosd-{one}" for home in self.homes for one in injections)
        found += [f"group {group}" for group in groups if group.exists()]
        found += [f"file {one}" for one in sorted(self.disk.iterdir()) if one.name != "theirs"]
        found += [
            f"file {one}" for one in self.clock.parent.iterdir() if one.name.startswith(f"{self.clock.name}.")
        ]
        return found

    def injections(self) -> list[str]:
        try:
            with closing(sqlite3.connect(f"file:{self.stage.state}/journal.sqlite?mode=ro", uri=True)) as db:
                return [str(row[0]) for row in db.execute("SELECT DISTINCT injection FROM event")]
        except sqlite3.Error:  # it is not made yet
            return []


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Callable[[str, str, tuple[str, ...]], tuple[Scene, Victim]]]:
    with ExitStack() as stack:

        def make(fault: str, mode: str, settings: tuple[str, ...]) -> tuple[Scene, Victim]:
            if f"{fault} {mode}" in AS_ROOT and not ROOT:
                pytest.skip("only root may mount, or write control groups")
            if fault == "clock-skew" and FAKETIME is None:
                pytest.skip("libfaketime is not installed")
            here, mark = tmp_path / f"{fault}-{mode}", f"mark-{uuid.uuid4().hex}"
            here.mkdir()
            disk, clock = here / "disk", here / "faketime"
            clock.write_bytes(b"+0\n")
            if fault == "disk-fill":
                stack.enter_context(mounted(disk, "size=16m,nr_inodes=400"))
            else:
                disk.mkdir()
            (disk / "theirs").write_text("work\n")
            environment = {
                "LD_PRELOAD": str(FAKETIME),
                "FAKETIME_TIMESTAMP_FILE": str(clock),
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            }
            one = stack.enter_context(worker(here, mark, environment if fault == "clock-skew" else None))
            (here / "chaosd.yaml").write_text(CONFIG.format(mark=mark, disk=disk))
            made = Scene(Stage(here, words=("-c", str(here / "chaosd.yaml"))), one, disk, clock)
            words = ["inject", fault, "--target", "w", "--mode", mode]
            for setting in settings:
                words += ["--set", setting]
            return made, Victim(f"{fault}/{mode}", (*words, "--for", "500ms"), made.residue)

        yield make


# One of a process, of a control group and of a disk; the others are the torture's.
@pytest.mark.parametrize(("fault", "mode", "settings"), [KILLED[0], KILLED[2], KILLED[6]])
def test_the_guardian_alone_takes_it_back(scene, fault: str, mode: str, settings: tuple[str, ...]) -> None:
    made, victim = scene(fault, mode, settings)
    assert kill_once(made.stage, victim, DAEMON, at_step("injected")) == []


# By default `the_harness_sees_what_is_left` does the same, and looks at the damage before.
@pytest.mark.torture
@pytest.mark.parametrize(("fault", "mode", "settings"), KILLED, ids=IDS)
def test_with_nobody_left_the_next_start_takes_it_back(scene, fault: str, mode: str, settings) -> None:
    made, victim = scene(fault, mode, settings)
    assert kill_once(made.stage, victim, BOTH, at_step("injected")) == []


@pytest.mark.parametrize(("step", "whom"), SOME)
def test_killed_at_a_step_no_process_stays_stopped(scene, step: str, whom: str) -> None:
    made, victim = scene("process-pause", "process", ())
    assert kill_once(made.stage, victim, whom, at_step(step)) == []


def test_a_reverter_killed_half_way_is_followed_by_another(scene) -> None:
    made, victim = scene("process-slow", "duty", ("percent=30",))
    assert kill_once(made.stage, victim, REVERTER, at_step("injected")) == []


@pytest.mark.parametrize(("fault", "mode", "settings"), KILLED, ids=IDS)
def test_the_harness_sees_what_is_left(scene, fault: str, mode: str, settings: tuple[str, ...]) -> None:
    """With everybody dead and nobody started anew, each fault shows: else an empty residue says nothing."""
    made, victim = scene(fault, mode, settings)
    since, chaosd = made.stage.last(), made.stage.start(*victim.words[:-1], "60s")
    guardian = chaosd.guardian
    at_step("injected").wait(made.stage, chaosd, since)
    chaosd.kill(guardian, chaosd.process.pid)
    chaosd.process.wait(60)
    seen = wait_for("what is left", made.residue)  # one that is slowed is not stopped all the time
    assert seen
    assert made.stage.start("recover").process.wait(120) == 0
    assert made.residue() == []


@pytest.mark.torture
@pytest.mark.timeout(6 * 3600)
@pytest.mark.parametrize("fault", FAULTS)
def test_at_every_step_and_at_random_instants_nothing_is_left(scene, fault: str) -> None:
    struck = [one for one in KILLED if one[0] == fault]
    table, left = Table(), []
    try:
        for name, mode, settings in struck:
            made, victim = scene(name, mode, settings)
            always = (made.stage, victim)
            dice, instants = random.Random(victim.name), -(-INSTANTS // len(struck))
            left += sweep(lambda both=always: both, table, dice, instants, STEPS)
    finally:
        sys.stdout.write(f"\n{table}\n")
    assert left == []
