"""The faults of the process on real processes: what the victim feels, what the kernel says, what is left after."""

import os
import random
import resource
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daemon.core.errors import RefusedError, TargetAbsentError, UndoFailedError, UntouchedError
from daemon.core.model import Order, Outcome
from daemon.core.target import Target
from daemon.ports.world import LocalWorld
from faults.process.clock import ClockSkew
from faults.process.descriptors import FdExhaustion
from faults.process.kill import ProcessKill
from faults.process.memory import MemoryPressure
from faults.process.pause import ProcessPause
from faults.process.slow import ProcessSlow
from tests.integration.process.children import FAMILY, SLEEPER, child, until
from tests.integration.process.workshop import (
    BUSY,
    Worker,
    as_root,
    holders,
    letter,
    local_world,
    order,
    stored,
    worker,
)

GO = threading.Event()  # never set: nobody stops the injection
MIB = 1 << 20
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)


@pytest.fixture
def mark() -> str:
    return f"mark-{uuid.uuid4().hex}"


@pytest.fixture
def world(tmp_path: Path) -> LocalWorld:
    return local_world(tmp_path)


@pytest.fixture
def busy(tmp_path: Path, mark: str) -> Iterator[Worker]:
    with worker(tmp_path, mark) as one:
        yield one


# --- process-kill ----------------------------------------------------------------------------------------


def test_only_the_children_die_and_their_parent_lives(world: LocalWorld, mark: str) -> None:
    with child(FAMILY, mark) as one:
        member = int(one.said)
        undo = stored(ProcessKill(mode="children").prepare(order(mark), world))
        assert [p["pid"] for unit in undo.data["units"] for p in unit] == [member]
        ProcessKill.inject(undo, world, GO)
        with pytest.raises(UndoFailedError, match="1 of 2"):  # the mark is in both command lines: two must run
            ProcessKill.revert(replace(undo, wait_s=0.2), world)
        assert one.process.poll() is None
        assert until(lambda: not Path(f"/proc/{member}").exists() or letter(member) == "Z")


def test_who_has_no_children_is_not_hit(world: LocalWorld, mark: str) -> None:
    with child(SLEEPER, mark), pytest.raises(TargetAbsentError, match="has no children now"):
        ProcessKill(mode="children").prepare(order(mark), world)


def test_a_killed_process_leaves_its_children_and_is_waited_for(world: LocalWorld, mark: str) -> None:
    with child(FAMILY, mark) as one:
        undo = stored(ProcessKill(mode="process").prepare(order(mark), world))
        ProcessKill.inject(undo, world, GO)
        assert one.ended() == -signal.SIGKILL
        assert letter(int(one.said)) != "Z"
        with child(SLEEPER, mark):
            back = ProcessKill.revert(undo, world)
        os.kill(int(one.said), signal.SIGKILL)
        assert (back.outcome, back.proof["gone"]) == (Outcome.RESTORED, [one.pid])


# --- process-pause ---------------------------------------------------------------------------------------


def test_a_paused_worker_does_nothing_and_goes_on_after(world: LocalWorld, mark: str, busy: Worker) -> None:
    undo = stored(ProcessPause().prepare(order(mark), world))
    ProcessPause.inject(undo, world, GO)
    assert until(lambda: letter(busy.pid) == "T")
    stands = busy.said["n"]
    assert busy.said["n"] == stands
    back = ProcessPause.revert(undo, world)
    assert back.outcome is Outcome.RESTORED
    assert back.proof["state_before"] == {str(busy.pid): "T"}
    assert back.proof["state"][str(busy.pid)] in "RSD"
    assert until(lambda: busy.said["n"] > stands)


def test_a_whole_group_is_paused_and_goes_on(world: LocalWorld, mark: str) -> None:
    with child(FAMILY, mark) as one:
        undo = stored(ProcessPause(mode="group").prepare(order(mark), world))
        ProcessPause.inject(undo, world, GO)
        assert until(lambda: {letter(one.pid), letter(int(one.said))} == {"T"})
        ProcessPause.revert(undo, world)
        assert "T" not in {letter(one.pid), letter(int(one.said))}


@pytest.mark.parametrize("fault", [ProcessPause(), ProcessSlow()])
def test_who_was_stopped_by_somebody_else_is_refused(
    fault: Any, world: LocalWorld, mark: str, busy: Worker
) -> None:
    os.kill(busy.pid, signal.SIGSTOP)
    assert until(lambda: letter(busy.pid) == "T")
    with pytest.raises(RefusedError, match="stopped or traced already") as refused:
        fault.prepare(order(mark), world)
    assert refused.value.rule == "stopped"
    assert letter(busy.pid) == "T", "it is theirs, and stays so"


def test_who_is_stopped_by_somebody_else_just_before_us_is_theirs(
    world: LocalWorld, mark: str, busy: Worker
) -> None:
    undo = stored(ProcessPause().prepare(order(mark), world))
    os.kill(busy.pid, signal.SIGSTOP)
    assert until(lambda: letter(busy.pid) == "T")
    with pytest.raises(UntouchedError):  # which no undo takes for ours: see the injector's tests
        ProcessPause.inject(undo, world, GO)


def test_somebody_s_continue_is_not_called_ours(world: LocalWorld, mark: str, busy: Worker) -> None:
    undo = stored(ProcessPause().prepare(order(mark), world))
    ProcessPause.inject(undo, world, GO)
    assert until(lambda: letter(busy.pid) == "T")
    os.kill(busy.pid, signal.SIGCONT)
    back = ProcessPause.revert(undo, world)
    assert (back.outcome, back.partly) == (Outcome.SUPERSEDED, False)
    assert "ran already" in back.detail


def test_a_later_owner_of_the_pid_gets_no_signal(world: LocalWorld, mark: str, busy: Worker) -> None:
    undo = stored(ProcessPause().prepare(order(mark), world))
    undo.data["hit"][0]["started_s"] -= 5
    ProcessPause.inject(undo, world, GO)
    assert letter(busy.pid) != "T"
    assert ProcessPause.revert(undo, world).proof["state"] == {str(busy.pid): "gone"}


# --- process-slow ----------------------------------------------------------------------------------------


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_duty_lets_it_run_part_of_the_time_and_ends_with_its_holder(world: LocalWorld, mark: str) -> None:
    with child(BUSY, mark) as one:
        undo = stored(ProcessSlow(percent=10, period=0.2).prepare(order(mark, injection=mark), world))
        ProcessSlow.inject(undo, world, GO)
        assert len(holders(mark)) == 1
        began_s, used_s = world.clock.instant().mono_s, cpu_s(one.pid)
        for _ in range(5):
            assert until(lambda: letter(one.pid) == "T")
            assert until(lambda: letter(one.pid) != "T")
        share = (cpu_s(one.pid) - used_s) / (world.clock.instant().mono_s - began_s)
        back = ProcessSlow.revert(undo, world)
        assert share < 0.35, "a busy loop would take all of a processor"
        assert (back.outcome, back.proof["holder"], holders(mark)) == (Outcome.RESTORED, "ended", [])
        assert letter(one.pid) in "RS"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGALRM])
def test_whatever_ends_the_holder_its_victim_goes_on(number: int, world: LocalWorld, mark: str) -> None:
    with child(BUSY, mark) as one:
        undo = stored(ProcessSlow(percent=1, period=1.0).prepare(order(mark, injection=mark), world))
        ProcessSlow.inject(undo, world, GO)
        (holder,) = holders(mark)
        assert until(lambda: letter(one.pid) == "T")
        os.kill(holder, number)
        os.waitpid(holder, 0)
        assert (letter(one.pid) == "T") is (number == signal.SIGKILL), "only SIGKILL gives it no time to let go"
        ProcessSlow.revert(undo, world)
        assert letter(one.pid) in "RS"


def test_a_holder_whose_victim_is_another_by_now_stops_nobody(world: LocalWorld, mark: str) -> None:
    with child(SLEEPER, mark) as one:
        undo = stored(ProcessSlow().prepare(order(mark, injection=mark), world))
        undo.data["holder"]["arguments"][2] = f"{one.pid}:{undo.data['hit'][0]['started_s'] - 60}"
        with pytest.raises(RefusedError, match="could not"):
            ProcessSlow.inject(undo, world, GO)
        assert letter(one.pid) != "T"
        assert holders(mark) == []


# --- fd-exhaustion ---------------------------------------------------------------------------------------


def limit(pid: int) -> tuple[int, int]:
    return resource.prlimit(pid, resource.RLIMIT_NOFILE)


def test_the_worker_runs_out_of_descriptors_and_has_them_again(world: LocalWorld, mark: str, busy: Worker) -> None:
    before = limit(busy.pid)
    undo = stored(FdExhaustion().prepare(order(mark), world))
    FdExhaustion.inject(undo, world, GO)
    assert until(lambda: busy.said["open"] == 24), "EMFILE"
    assert limit(busy.pid)[1] == before[1], "the hard limit stays"
    back = FdExhaustion.revert(undo, world)
    assert (back.outcome, limit(busy.pid)) == (Outcome.RESTORED, before)
    assert until(lambda: busy.said["open"] == 0)


def test_exactly_as_many_as_stated_can_be_opened(world: LocalWorld, mark: str) -> None:
    program = (
        "import os, sys; [os.open('/dev/null', 0) for _ in range(9)]; os.close(5); os.close(7)\n"
        "print('ready', flush=True); sys.stdin.readline(); n = 0\n"
        "try:\n  while os.open('/dev/null', 0): n += 1\nexcept OSError: print(n, flush=True)\n"
    )
    words = [sys.executable, "-c", program, mark]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as one:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
        undo = stored(FdExhaustion(spare=3).prepare(order(mark), world))
        FdExhaustion.inject(undo, world, GO)
        assert one.communicate("go\n", timeout=20)[0] == "3\n"
    assert FdExhaustion.revert(undo, world).outcome is Outcome.SUPERSEDED, "it is gone, and its limit with it"


def test_a_limit_that_somebody_changed_meanwhile_is_left_alone(world: LocalWorld, mark: str, busy: Worker) -> None:
    undo = stored(FdExhaustion().prepare(order(mark), world))
    FdExhaustion.inject(undo, world, GO)
    hard = limit(busy.pid)[1]
    resource.prlimit(busy.pid, resource.RLIMIT_NOFILE, (333, hard))
    assert FdExhaustion.revert(undo, world).outcome is Outcome.SUPERSEDED
    assert limit(busy.pid) == (333, hard)


def test_what_the_worker_started_meanwhile_gets_its_limit_back_as_well(world: LocalWorld, mark: str) -> None:
    program = (
        "import subprocess, sys; print('ready', flush=True); sys.stdin.readline()\n"
        "p = subprocess.Popen(['sleep', '600']); print(p.pid, flush=True); sys.stdin.readline(); p.kill(); p.wait()"
    )
    words = [sys.executable, "-c", program, mark]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as one:
        assert one.stdout is not None
        assert one.stdin is not None
        assert one.stdout.readline() == "ready\n"
        before = limit(one.pid)
        undo = stored(FdExhaustion(spare=40).prepare(order(mark), world))
        FdExhaustion.inject(undo, world, GO)
        one.stdin.write("go\n")
        started = int(one.stdout.readline())
        assert limit(started)[0] == limit(one.pid)[0] < before[0], "inherited"
        back = FdExhaustion.revert(undo, world)
        assert (limit(one.pid), limit(started)) == (before, before)
        assert len(back.proof["limits"]) == 2
        one.communicate("end\n", timeout=20)


# --- memory-pressure -------------------------------------------------------------------------------------


def resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


def test_the_hog_really_holds_what_it_says_and_is_the_first_to_be_killed(
    world: LocalWorld, mark: str, busy: Worker
) -> None:
    assert busy.pid
    undo = stored(MemoryPressure(take=96, leave=64).prepare(order(mark, injection=mark), world))
    MemoryPressure.inject(undo, world, GO)
    (hog,) = holders(mark)
    assert resident(hog) >= 96 * MIB
    assert Path(f"/proc/{hog}/oom_score_adj").read_text() == "1000\n"
    back = MemoryPressure.revert(undo, world)
    assert (back.outcome, back.proof["holder"], holders(mark)) == (Outcome.RESTORED, "ended", [])


def test_nothing_is_taken_below_the_floor(world: LocalWorld, mark: str, busy: Worker) -> None:
    assert busy.pid
    total = world.cgroups.memory().total_bytes // MIB
    for wrong in ({"take": total}, {"leave": total}, {"floor": total}, {"floor_percent": 90, "take": total // 2}):
        with pytest.raises(RefusedError, match="must stay free") as refused:
            MemoryPressure(**wrong).prepare(order(mark), world)  # type: ignore[arg-type]
        assert refused.value.rule == "floor"


def test_the_hog_stops_where_it_must_and_gives_back_what_the_floor_needs(
    world: LocalWorld, mark: str, tmp_path: Path
) -> None:
    """A control group of plain files: 200 MiB, of which others use what the test says."""
    (tmp_path / "memory.max").write_text(str(200 * MIB))
    (tmp_path / "memory.current").write_text("0")
    arguments = [str(96 * MIB), str(100 * MIB), str(50 * MIB), str(tmp_path)]
    world.holders.start(mark, "memory", arguments, seconds=60)
    (hog,) = holders(mark)
    assert resident(hog) >= 96 * MIB
    (tmp_path / "memory.current").write_text(str(190 * MIB))
    assert until(lambda: resident(hog) < 32 * MIB), "190 of 200 are used by others: 50 must be free"
    assert world.holders.stop(mark)
    world.holders.start(mark, "memory", arguments, seconds=60)
    (hog,) = holders(mark)
    assert resident(hog) < 32 * MIB, "10 are free, 100 must stay so: nothing is taken"
    assert world.holders.stop(mark)


# --- control groups, where this machine lets us -------------------------------------------------------------


@as_root
def test_a_quota_holds_the_worker_and_what_it_starts_and_leaves_no_group(world: LocalWorld, mark: str) -> None:
    with child(BUSY, mark) as one:
        (process,) = world.processes.find(match=mark)
        home = world.cgroups.of(process, "cpu")
        if home.version != 1:
            pytest.skip("no control groups of version 1")
        undo = stored(ProcessSlow(mode="quota", percent=5).prepare(order(mark, injection=mark), world))
        (cage,) = undo.data["cages"]
        ProcessSlow.inject(undo, world, GO)
        assert world.cgroups.members(cage["path"]) == (one.pid,)
        assert world.cgroups.read(cage["path"], "cpu.cfs_quota_us") == "5000"
        assert until(lambda: "nr_throttled 0" not in (world.cgroups.read(cage["path"], "cpu.stat") or ""))
        back = ProcessSlow.revert(undo, world)
        assert back.outcome is Outcome.RESTORED
        assert not Path(cage["path"]).exists()
        assert one.pid in world.cgroups.members(home.path)
        assert ProcessSlow.revert(undo, world).outcome is Outcome.UNTOUCHED


@as_root
@pytest.mark.parametrize(
    ("percent", "period", "quota"), [(10, 1.0, "100000"), (50, 0.01, "5000"), (1, 0.1, "1000")]
)
def test_the_kernel_takes_the_period_and_its_quota(
    world: LocalWorld, mark: str, percent: float, period: float, quota: str
) -> None:
    with child(BUSY, mark):
        (process,) = world.processes.find(match=mark)
        if world.cgroups.of(process, "cpu").version != 1:
            pytest.skip("no control groups of version 1")
        fault = ProcessSlow(mode="quota", percent=percent, period=period)
        undo = stored(fault.prepare(order(mark, injection=mark), world))
        (cage,) = undo.data["cages"]
        ProcessSlow.inject(undo, world, GO)
        try:
            assert world.cgroups.read(cage["path"], "cpu.cfs_period_us") == f"{round(period * 1_000_000)}"
            assert world.cgroups.read(cage["path"], "cpu.cfs_quota_us") == quota
        finally:
            assert ProcessSlow.revert(undo, world).outcome is Outcome.RESTORED
        assert not Path(cage["path"]).exists()


@as_root
def test_a_memory_limit_kills_who_asks_for_more_and_nobody_else(world: LocalWorld, mark: str) -> None:
    greedy = "import sys; print('ready', flush=True); sys.stdin.readline(); x = b'x' * (200 << 20); print(len(x))"
    words = [sys.executable, "-c", greedy, mark]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as one:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
        (process,) = world.processes.find(match=mark)
        if world.cgroups.of(process, "memory").version != 1:
            pytest.skip("no control groups of version 1")
        undo = stored(MemoryPressure(mode="limit", headroom=32).prepare(order(mark, injection=mark), world))
        MemoryPressure.inject(undo, world, GO)
        assert one.communicate("go\n", timeout=60)[0] == ""
        assert one.returncode == -signal.SIGKILL
    assert MemoryPressure.revert(undo, world).outcome is Outcome.RESTORED
    assert not Path(undo.data["cages"][0]["path"]).exists()


# --- clock-skew ------------------------------------------------------------------------------------------


@pytest.fixture
def faked(tmp_path: Path, mark: str) -> Iterator[Worker]:
    if FAKETIME is None:
        pytest.skip("libfaketime is not installed")
    (tmp_path / "faketime").write_bytes(b"+0\n")
    environment = {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(tmp_path / "faketime"),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    with worker(tmp_path, mark, environment) as one:
        yield one


@pytest.mark.parametrize(("mode", "by"), [("ahead", 3600), ("behind", -3600)])
def test_the_worker_s_clock_is_wrong_and_right_again(
    mode: str, by: float, world: LocalWorld, mark: str, faked: Worker, tmp_path: Path
) -> None:
    file = tmp_path / "faketime"
    was = (file.read_bytes(), file.stat().st_mtime_ns, file.stat().st_mode)

    def off_s() -> float:
        return float(faked.said["time"] - world.clock.instant().wall_s)

    assert until(lambda: abs(off_s()) < 5)
    undo = stored(ClockSkew(mode=mode).prepare(order(mark), world))
    ClockSkew.inject(undo, world, GO)
    assert until(lambda: abs(off_s() - by) < 5)
    back = ClockSkew.revert(undo, world)
    assert back.outcome is Outcome.RESTORED
    assert (file.read_bytes(), file.stat().st_mtime_ns, file.stat().st_mode) == was
    assert until(lambda: abs(off_s()) < 5)
    assert sorted(p.name for p in tmp_path.iterdir() if "chaosd" in p.name) == []


def test_a_clock_that_somebody_set_meanwhile_is_left_alone(
    world: LocalWorld, mark: str, faked: Worker, tmp_path: Path
) -> None:
    assert faked.pid
    undo = stored(ClockSkew().prepare(order(mark), world))
    ClockSkew.inject(undo, world, GO)
    (tmp_path / "faketime").write_text("+5\n")
    assert ClockSkew.revert(undo, world).outcome is Outcome.SUPERSEDED
    assert (tmp_path / "faketime").read_text() == "+5\n"


def test_a_worker_without_libfaketime_has_no_clock_of_its_own(world: LocalWorld, mark: str, busy: Worker) -> None:
    assert busy.pid
    with pytest.raises(TargetAbsentError, match="does not run under libfaketime"):
        ClockSkew().prepare(order(mark), world)


def test_a_target_that_does_not_run_is_absent(world: LocalWorld, mark: str) -> None:
    for fault in (ProcessKill(), ProcessPause(), ProcessSlow(), FdExhaustion(), MemoryPressure(), ClockSkew()):
        with pytest.raises(TargetAbsentError, match="no process of target t runs"):
            fault.prepare(order(mark), world)  # type: ignore[attr-defined]
        bare = Order(injection="i", target=Target(name="bare"), dice=random.Random(1))
        with pytest.raises(TargetAbsentError, match="bare"):
            fault.prepare(bare, world)  # type: ignore[attr-defined]
