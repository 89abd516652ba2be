"""Limits on processes in a faked kernel: version 2 of control groups, strangers, what somebody changed."""

import random
from typing import Any

import pytest

from daemon.core.errors import RefusedError, UndoFailedError
from daemon.core.model import Order, Outcome, Undo
from daemon.core.processes import OpenFiles
from daemon.core.target import Disk, Processes, Target
from faults.disk.slow import DiskSlow
from faults.process.descriptors import FdExhaustion
from faults.process.memory import MemoryPressure
from faults.process.slow import ProcessSlow
from tests.fake_kernel import MIB
from tests.fakes import FakeWorld, Switch

TARGET = Target(name="editor", processes=Processes(match="worker"), disk=Disk(path="/srv"))
HOME = "/cg/home"
KINDS = [
    (ProcessSlow(mode="quota", percent=20), "cpu.max", "20000 100000"),
    (ProcessSlow(mode="quota", percent=10, period=1.0), "cpu.max", "100000 1000000"),
    (MemoryPressure(mode="limit", headroom=64), "memory.max", str(164 * MIB)),
    (DiskSlow(rate=4), "io.max", "8:0 rbps=max wbps=4096 riops=max wiops=max"),
    (DiskSlow(mode="read", rate=8), "io.max", "8:0 rbps=8192 wbps=max riops=max wiops=max"),
]


@pytest.fixture
def world() -> FakeWorld:
    made = FakeWorld("/private")
    made.cgroups.version = 2
    worker = made.processes.start("worker")
    made.processes.start("git", parent=worker.pid)
    return made


def prepare(fault: Any, world: FakeWorld) -> Undo:
    return fault.prepare(Order(injection="i-1", target=TARGET, dice=random.Random(1)), world)  # type: ignore[no-any-return]


@pytest.mark.parametrize(("fault", "file", "value"), KINDS)
def test_version_2_limits_the_worker_s_own_group_and_gives_it_back(
    world: FakeWorld, fault: Any, file: str, value: str
) -> None:
    before = world.cgroups.state()
    undo = prepare(fault, world)
    fault.inject(undo, world, Switch())
    assert world.cgroups.read(HOME, file) == value
    first = fault.revert(undo, world)
    assert (first.outcome, first.idle) == (Outcome.RESTORED, False)
    assert world.cgroups.state() == before
    again = fault.revert(undo, world)
    assert (again.outcome, again.idle) == (Outcome.UNTOUCHED, True)
    assert "no limit of ours was in force" in again.detail


def test_version_1_gets_the_period_before_the_quota_that_is_a_share_of_it(world: FakeWorld) -> None:
    world.cgroups.version = 1
    before, written = world.cgroups.state(), []
    write = world.cgroups.write

    def noting(path: str, name: str, value: str) -> None:
        written.append((name, value))
        write(path, name, value)

    world.cgroups.write = noting  # type: ignore[method-assign]
    undo = prepare(ProcessSlow(mode="quota", percent=10, period=1.0), world)
    assert "set cpu.cfs_period_us to 1000000 and cpu.cfs_quota_us to 100000, move process" in undo.actions[0]
    ProcessSlow.inject(undo, world, Switch())
    assert written == [("cpu.cfs_period_us", "1000000"), ("cpu.cfs_quota_us", "100000")]
    assert ProcessSlow.revert(undo, world).outcome is Outcome.RESTORED
    assert world.cgroups.state() == before


def test_a_quota_that_an_older_chaosd_recorded_is_taken_back_too(world: FakeWorld) -> None:
    world.cgroups.version = 1
    before = world.cgroups.state()
    undo = prepare(ProcessSlow(mode="quota"), world)
    for cage in undo.data["cages"]:
        del cage["beside"]
    ProcessSlow.inject(undo, world, Switch())
    assert ProcessSlow.revert(undo, world).outcome is Outcome.RESTORED
    assert world.cgroups.state() == before


@pytest.mark.parametrize("version", [1, 2])
def test_a_quota_that_is_too_short_for_the_kernel_is_refused(world: FakeWorld, version: int) -> None:
    world.cgroups.version = version
    with pytest.raises(RefusedError, match="quota of 999 µs, and the kernel takes none below 1000 µs") as refused:
        prepare(ProcessSlow(mode="quota", percent=9.99, period=0.01), world)
    assert refused.value.rule == "cgroup"
    assert "set period to 0.01 s or more" in (refused.value.hint or "")
    prepare(ProcessSlow(mode="quota", percent=10, period=0.01), world)
    prepare(ProcessSlow(mode="duty", percent=1, period=0.01), world)


@pytest.mark.parametrize("fault", [ProcessSlow(), MemoryPressure()])
def test_a_helper_that_was_gone_before_its_end_tells_nothing_of_the_worker(world: FakeWorld, fault: Any) -> None:
    undo = prepare(fault, world)
    fault.inject(undo, world, Switch())
    assert not fault.revert(undo, world).idle
    fault.inject(undo, world, Switch())
    world.holders.running.clear()
    found = fault.revert(undo, world)
    assert (found.outcome, found.idle) == (Outcome.RESTORED, True)
    assert "gone already" in found.detail


@pytest.mark.parametrize(("fault", "file", "value"), KINDS)
def test_a_limit_that_somebody_set_meanwhile_is_theirs(world: FakeWorld, fault: Any, file: str, value: str) -> None:
    undo = prepare(fault, world)
    fault.inject(undo, world, Switch())
    theirs = value.replace("4096", "5000").replace("8192", "5000") if "8:0" in value else "777"
    world.cgroups.write(HOME, file, theirs)
    assert fault.revert(undo, world).outcome is Outcome.SUPERSEDED
    assert world.cgroups.read(HOME, file) == theirs


@pytest.mark.parametrize(("fault", "file", "value"), KINDS)
def test_a_limit_that_was_changed_since_planning_is_not_overwritten(
    world: FakeWorld, fault: Any, file: str, value: str
) -> None:
    undo = prepare(fault, world)
    theirs = value.replace("4096", "5000").replace("8192", "5000") if "8:0" in value else "777"
    world.cgroups.write(HOME, file, theirs)
    with pytest.raises(RefusedError, match="changed meanwhile"):
        fault.inject(undo, world, Switch())
    fault.revert(undo, world)
    assert world.cgroups.read(HOME, file) == theirs


def test_the_group_of_others_and_of_the_whole_machine_are_not_limited(world: FakeWorld) -> None:
    fault = ProcessSlow(mode="quota")
    stranger = world.processes.start("somebody else")
    with pytest.raises(RefusedError, match=f"shared with process {stranger.pid}") as refused:
        prepare(fault, world)
    assert refused.value.rule == "cgroup"
    world.processes.die(stranger)
    world.cgroups.root = True
    with pytest.raises(RefusedError, match="shared with all of the machine"):
        prepare(fault, world)


@pytest.mark.parametrize("version", [1, 2])
def test_where_groups_may_not_be_written_the_reason_is_said(world: FakeWorld, version: int) -> None:
    world.cgroups.version, world.cgroups.let = version, False
    for fault in (ProcessSlow(mode="quota"), MemoryPressure(mode="limit"), DiskSlow()):
        with pytest.raises(RefusedError, match="may not be written"):
            prepare(fault, world)


def test_who_forks_while_he_is_moved_back_is_moved_again(world: FakeWorld) -> None:
    world.cgroups.version = 1
    undo = prepare(ProcessSlow(mode="quota"), world)
    ProcessSlow.inject(undo, world, Switch())
    (group,) = [path for path in world.cgroups.groups if path != HOME]
    real, forked = world.cgroups.join, []

    def join(path: str, pid: int) -> bool:
        if not forked:
            forked.append(world.processes.start("forked meanwhile").pid)
            world.cgroups.groups[group].pids.add(forked[0])
        return real(path, pid)

    world.cgroups.join = join  # type: ignore[method-assign]
    assert ProcessSlow.revert(undo, world).outcome is Outcome.RESTORED
    assert list(world.cgroups.groups) == [HOME]


def test_a_group_that_cannot_be_emptied_is_said_with_who_is_in_it(world: FakeWorld) -> None:
    world.cgroups.version = 1
    undo = prepare(ProcessSlow(mode="quota"), world)
    ProcessSlow.inject(undo, world, Switch())
    world.cgroups.join = lambda *_: False  # type: ignore[method-assign]
    with pytest.raises(UndoFailedError, match="is there still, with 100") as failed:
        ProcessSlow.revert(undo, world)
    assert f"{HOME}/cgroup.procs" in failed.value.hint


@pytest.mark.parametrize(
    ("numbers", "spare", "limit"),
    [((), 0, 0), ((0, 1, 2), 0, 3), ((0, 1, 2), 2, 5), ((0, 2, 4), 0, 1), ((0, 2, 4), 1, 3), ((0, 2, 4), 3, 6)],
)
def test_a_limit_leaves_exactly_so_many_numbers(numbers: tuple[int, ...], spare: int, limit: int) -> None:
    found = OpenFiles(numbers=frozenset(numbers), soft=1024, hard=1024).limit_with(spare)
    assert found == limit
    assert len(set(range(found)) - set(numbers)) == spare


def test_a_limit_as_low_already_is_refused(world: FakeWorld) -> None:
    with pytest.raises(RefusedError, match="may open no more") as refused:
        prepare(FdExhaustion(spare=2000), world)
    assert refused.value.rule == "limit"
