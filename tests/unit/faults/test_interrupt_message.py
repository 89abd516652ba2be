"""The interrupter comes while the worker is busy, from another session, and goes again."""

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from daemon.core.cloud import Message
from daemon.core.errors import TargetAbsentError
from daemon.core.messages import RUN_ATTRIBUTE
from daemon.core.model import Order, Outcome, Undo
from daemon.core.target import Queue, Target
from daemon.ports.files import LocalFiles
from faults.sqs.interrupt import InterruptMessage
from tests.fakes import FakeWorld, Switch

URL, OTHER, DEAD = "sqs://input", "sqs://interrupts", "sqs://dead"
WORK = Message(body="work of somebody else", attributes={})


@pytest.fixture(autouse=True)
def disks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def world_with() -> FakeWorld:
    world = FakeWorld(tempfile.mkdtemp(), files=LocalFiles())
    for url in (URL, OTHER):
        world.sqs.add(url, dead_letter=DEAD, max_receives=3)
    world.sqs.add(DEAD)
    return world


def prepared(world: FakeWorld, *, interrupts: str | None = OTHER, **parameters: Any) -> Undo:
    target = Target(name="t", queue=Queue(url=URL, interrupts=interrupts))
    undo = InterruptMessage(**parameters).prepare(Order(injection="inj-1", target=target, dice=Random(1)), world)
    return replace(undo, data=json.loads(json.dumps(undo.data)))


def marked(world: FakeWorld, url: str) -> list[dict[str, Any]]:
    return [json.loads(m.body) for m in world.sqs.messages(url) if m.attributes.get(RUN_ATTRIBUTE) == "inj-1"]


def test_it_waits_for_work_and_comes_a_little_later() -> None:
    world = world_with()
    world.sqs.send(URL, [WORK])
    undo = prepared(world, after=0.5)
    started_s = world.clock.elapsed_s
    world.clock.at(3.0, lambda: world.sqs.receive(URL, visibility_s=100))
    InterruptMessage.inject(undo, world, Switch())
    assert world.clock.elapsed_s - started_s == pytest.approx(3.5, abs=0.15)
    assert len(marked(world, URL)) == 1


def test_without_work_it_brings_its_own_and_interrupts_that_from_another_session() -> None:
    world = world_with()
    InterruptMessage.inject(prepared(world, wait_for_work=2.0), world, Switch())
    work, interrupter = marked(world, URL)
    assert work["chatThreadId"] != interrupter["chatThreadId"]
    assert work["sessionId"] != interrupter["sessionId"]
    assert work["userId"] != interrupter["userId"]


def test_the_separate_queue_gets_the_interrupter_and_is_swept_too() -> None:
    world = world_with()
    undo = prepared(world, mode="separate", wait_for_work=1.0)
    InterruptMessage.inject(undo, world, Switch())
    assert len(marked(world, URL)) == len(marked(world, OTHER)) == 1
    world.sqs.send(OTHER, [WORK])
    done = InterruptMessage.revert(undo, world)
    assert done.proof["removed"] == {"input": 1, "interrupts": 1}
    assert world.sqs.messages(OTHER) == (WORK,)


def test_a_stop_while_waiting_sends_nothing() -> None:
    world, stop = world_with(), Switch()
    undo = prepared(world)
    world.clock.at(1.0, stop.set)
    InterruptMessage.inject(undo, world, stop)
    assert marked(world, URL) == []
    assert InterruptMessage.revert(undo, world).outcome is Outcome.SUPERSEDED


def test_a_target_without_a_queue_for_interrupts_is_absent() -> None:
    with pytest.raises(TargetAbsentError, match="no queue for interrupts"):
        prepared(world_with(), interrupts=None, mode="separate")
