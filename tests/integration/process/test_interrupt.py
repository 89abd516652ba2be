"""interrupt-signal on real processes: it hits the victim, only the victim, and sees the replacement."""

import json
import random
import signal
import threading
import uuid
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from daemon.core.errors import TargetAbsentError, UndoFailedError
from daemon.core.model import Order, Outcome, Undo
from daemon.core.target import Limits, Processes, Target
from daemon.ports.clock import SystemClock
from daemon.ports.processes import LocalProcesses
from faults.interrupt import InterruptSignal
from tests.integration.process.children import SLEEPER, STUBBORN, STUBBORN_FAMILY, Child, child, until


@pytest.fixture
def mark() -> str:
    return f"mark-{uuid.uuid4().hex}"


@pytest.fixture
def world() -> Any:
    return SimpleNamespace(clock=SystemClock(), processes=LocalProcesses(), boot="boot-1")


def order(mark: str, recover_s: float = 10.0) -> Order:
    target = Target(name="t", processes=Processes(match=mark), limits=Limits(recover_s=recover_s))
    return Order(injection="i-1", target=target, dice=random.Random(7))


def stored(undo: Undo) -> Undo:
    """What recovery after a crash works from."""
    return Undo(**{**{n: getattr(undo, n) for n in Undo.__slots__}, "data": json.loads(json.dumps(undo.data))})


second_is_listed = threading.Event()  # the replacement can be found before its starter has written it down


@pytest.fixture
def supervised(mark: str) -> Iterator[list[Child]]:
    """A worker that something starts again each time it ends."""
    children: list[Child] = [Child(SLEEPER, mark)]
    second_is_listed.clear()
    done = threading.Event()

    def supervise() -> None:
        while not done.is_set():
            children[-1].process.wait()
            if not done.is_set():
                children.append(Child(SLEEPER, mark))
                second_is_listed.set()

    thread = threading.Thread(target=supervise)
    thread.start()
    yield children
    done.set()
    while thread.is_alive():
        children[-1].process.kill()
        thread.join(0.05)
    for one in children:
        one.kill()


def test_the_victim_is_gone_and_its_replacement_is_proof(world: Any, mark: str, supervised: list[Child]) -> None:
    first = supervised[0]
    undo = stored(InterruptSignal(mode="sigterm").prepare(order(mark), world))
    assert first.process.poll() is None, "prepare touched the victim"
    InterruptSignal.inject(undo, world, threading.Event())
    back = InterruptSignal.revert(undo, world)
    assert first.ended() == -signal.SIGTERM
    assert back.outcome is Outcome.RESTORED
    assert back.proof["gone"] == [first.pid]
    second_is_listed.wait(10)
    assert back.proof["new"] == [supervised[1].pid]


def test_a_worker_nobody_restarts_is_an_undo_that_failed(world: Any, mark: str) -> None:
    with child(SLEEPER, mark) as one:
        undo = InterruptSignal(mode="sigint").prepare(order(mark, recover_s=0.3), world)
        InterruptSignal.inject(undo, world, threading.Event())
        one.ended()
        with pytest.raises(UndoFailedError, match="0 of 1"):
            InterruptSignal.revert(undo, world)


def test_a_worker_that_handles_the_signal_lives(world: Any, mark: str) -> None:
    with child(STUBBORN, mark) as one:
        undo = InterruptSignal(mode="sigterm").prepare(order(mark), world)
        InterruptSignal.inject(undo, world, threading.Event())
        back = InterruptSignal.revert(undo, world)
        assert (back.outcome, back.doubt) == (Outcome.RESTORED, "1 handled the signal and live, or drain still")
        assert back.proof["alive"] == [one.pid]


def test_a_spot_reclaim_kills_who_ignores_the_warning(world: Any, mark: str) -> None:
    with child(STUBBORN, mark) as one:
        undo = InterruptSignal(mode="spot-reclaim", grace=0.3).prepare(order(mark), world)
        InterruptSignal.inject(undo, world, threading.Event())
        assert one.ended() == -signal.SIGKILL


def test_a_spot_reclaim_reaches_the_group_after_its_leader_died(world: Any, mark: str) -> None:
    with child(STUBBORN_FAMILY, mark) as one:
        leader, member = world.processes.find(match=mark)
        victim = InterruptSignal(mode="spot-reclaim", scope="group", pick="oldest", grace=0.5)
        undo = victim.prepare(order(mark), world)
        InterruptSignal.inject(undo, world, threading.Event())
        assert one.ended() == -signal.SIGTERM
        assert leader.pid == one.pid
        assert until(lambda: not world.processes.alive(member))


def test_nothing_runs_nothing_is_hit(world: Any, mark: str) -> None:
    with pytest.raises(TargetAbsentError, match="nothing signalled"):
        InterruptSignal(mode="sigterm").prepare(order(mark), world)
