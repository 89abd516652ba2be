"""interrupt-signal in a faked process table: whom it picks, whom it never hits, what it waits for."""

import json
import random
import signal
from dataclasses import asdict
from typing import Any

import pytest

from daemon.core.errors import ChaosdError, ConfigError, RefusedError, TargetAbsentError, UndoFailedError
from daemon.core.model import Order, Outcome, Undo
from daemon.core.parameters import build
from daemon.core.target import Limits, Processes, Target
from faults.interrupt import InterruptSignal
from tests.fakes import FakeWorld, Switch

TARGET = Target(name="editor", processes=Processes(match="worker"), limits=Limits(recover_s=30))


@pytest.fixture
def world() -> FakeWorld:
    return FakeWorld("/private")


def prepare(world: Any, *, seed: int = 1, target: Target = TARGET, **parameters: Any) -> Undo:
    order = Order(injection="i-1", target=target, dice=random.Random(seed))
    return InterruptSignal(**parameters).prepare(order, world)


def started(world: FakeWorld, count: int, **how: Any) -> list[int]:
    pids = []
    for number in range(count):
        pids.append(world.processes.start(f"worker {number}", **how).pid)
        world.clock.advance(1)
    return pids


@pytest.mark.parametrize(("pick", "chosen"), [("oldest", [0]), ("newest", [2]), ("all", [0, 1, 2])])
def test_picks(world: FakeWorld, pick: str, chosen: list[int]) -> None:
    pids = started(world, 3)
    assert prepare(world, pick=pick).victim["pids"] == [pids[n] for n in chosen]


def test_the_dice_reach_every_candidate(world: FakeWorld) -> None:
    pids = started(world, 3)
    seen = {prepare(world, pick="random", seed=n).victim["pids"][0] for n in range(50)}
    assert seen == set(pids)


def test_parameters_replace_the_targets_processes(world: FakeWorld) -> None:
    started(world, 1)
    other = world.processes.start("other", port=80)
    world.processes.pid_files["/run/pid"] = other.pid
    for how in ({"match": "other"}, {"port": 80}, {"pid_file": "/run/pid"}):
        assert prepare(world, **how).victim["pids"] == [other.pid]
    with pytest.raises(TargetAbsentError, match=r"match='other' and port=81"):
        prepare(world, match="other", port=81)


def test_a_pid_given_to_another_process_is_not_signalled(world: FakeWorld) -> None:
    started(world, 1)
    undo = prepare(world)
    (victim,) = world.processes.find(match="worker")
    world.processes.die(victim)
    world.clock.advance(1)
    world.processes.start("worker again", pid=victim.pid)
    InterruptSignal.inject(undo, world, Switch())
    assert world.processes.sent == []
    assert InterruptSignal.revert(undo, world).proof["new"] == [victim.pid]


def test_of_a_command_line_no_secret_and_no_escape_sequence_is_kept(world: FakeWorld) -> None:
    secret, padding = "hunter2-in-the-open", "x" * 170
    world.processes.start(f"worker \x1b]0;owned\x07\x1b[2J{padding} --password {secret} now")
    kept = json.dumps(asdict(prepare(world)))
    assert secret[:4] not in kept
    assert "\\u001b" not in kept
    assert "worker" in kept


def test_a_grace_time_has_an_end() -> None:
    with pytest.raises(ConfigError) as raised:
        build(InterruptSignal, {"mode": "spot-reclaim", "grace": "30d"}, where="interrupt-signal")
    assert "grace: '30d' is above the most allowed, 3600" in raised.value.message + str(raised.value)


def test_a_refusal_comes_before_anything_is_done(world: FakeWorld) -> None:
    started(world, 1)
    world.processes.refuses = RefusedError("no", rule="permission")
    with pytest.raises(RefusedError):
        prepare(world)


def test_a_group_is_signalled_once_whatever_number_of_victims_it_has(world: FakeWorld) -> None:
    leader = world.processes.start("worker leader", survives=[signal.SIGTERM])
    member = world.processes.start("worker member", group=leader.pid, survives=[signal.SIGTERM])
    InterruptSignal.inject(prepare(world, scope="group", pick="all"), world, Switch())
    assert sorted(world.processes.sent) == [(leader.pid, signal.SIGTERM), (member.pid, signal.SIGTERM)]


@pytest.mark.parametrize(("mode", "number"), [("sigint", signal.SIGINT), ("sigterm", signal.SIGTERM)])
def test_one_signal_and_no_more(world: FakeWorld, mode: str, number: int) -> None:
    (pid, _) = started(world, 2, survives=[number])
    InterruptSignal.inject(prepare(world, mode=mode), world, Switch())
    world.clock.advance(300)
    assert world.processes.sent == [(pid, number)]


def test_a_spot_reclaim_kills_after_the_grace_time(world: FakeWorld) -> None:
    (pid,) = started(world, 1, survives=[signal.SIGTERM])
    began_s = world.clock.elapsed_s
    InterruptSignal.inject(prepare(world, mode="spot-reclaim", grace=20), world, Switch())
    assert world.processes.sent == [(pid, signal.SIGTERM), (pid, signal.SIGKILL)]
    assert world.clock.elapsed_s - began_s == pytest.approx(20)


def test_a_spot_reclaim_of_who_goes_in_time_ends_at_once(world: FakeWorld) -> None:
    (pid,) = started(world, 1, dies_after_s=2)
    began_s = world.clock.elapsed_s
    InterruptSignal.inject(prepare(world, mode="spot-reclaim"), world, Switch())
    assert world.processes.sent == [(pid, signal.SIGTERM)]
    assert world.clock.elapsed_s - began_s == pytest.approx(2, abs=0.2)


def test_stopped_in_the_grace_time_nothing_is_killed(world: FakeWorld) -> None:
    (pid,) = started(world, 1, survives=[signal.SIGTERM])
    stop = Switch()
    world.clock.at(5, stop.set)
    InterruptSignal.inject(prepare(world, mode="spot-reclaim"), world, stop)
    world.clock.advance(300)
    assert world.processes.sent == [(pid, signal.SIGTERM)]


def test_revert_waits_for_as_many_as_before(world: FakeWorld) -> None:
    pids = started(world, 2, restart_s=8)
    undo = prepare(world, pick="all")
    began_s = world.clock.elapsed_s
    InterruptSignal.inject(undo, world, Switch())
    back = InterruptSignal.revert(undo, world)
    assert world.clock.elapsed_s - began_s == pytest.approx(8, abs=0.2)
    assert back.proof["gone"] == pids
    assert len(back.proof["new"]) == 2
    assert not undo.restores


def test_revert_does_not_take_a_dying_process_for_one_that_lives(world: FakeWorld) -> None:
    """Between a signal and the death of it lie some milliseconds, in which the victim still counts."""
    started(world, 1, restart_s=5, dies_after_s=0.3)
    undo = prepare(world)
    InterruptSignal.inject(undo, world, Switch())
    assert InterruptSignal.revert(undo, world).detail == "1 gone, 1 new"


def test_who_handles_the_signal_counts_as_back(world: FakeWorld) -> None:
    started(world, 1, survives=[signal.SIGTERM])
    undo = prepare(world)
    InterruptSignal.inject(undo, world, Switch())
    back = InterruptSignal.revert(undo, world)
    assert (back.outcome, back.doubt) == (Outcome.RESTORED, "1 handled the signal and live, or drain still")


def test_what_does_not_come_back_is_a_failed_undo_with_a_next_step(world: FakeWorld) -> None:
    started(world, 1)
    undo = prepare(world)
    InterruptSignal.inject(undo, world, Switch())
    began_s = world.clock.elapsed_s
    with pytest.raises(UndoFailedError, match=r"0 of 1 .* after 30 s") as raised:
        InterruptSignal.revert(undo, world)
    assert "chaosd recover" in raised.value.hint
    assert world.clock.elapsed_s - began_s == pytest.approx(30, abs=0.2)


def test_a_target_without_processes_is_told_what_to_set(world: FakeWorld) -> None:
    with pytest.raises(ChaosdError, match="which processes are its own"):
        prepare(world, target=Target(name="bare"))
