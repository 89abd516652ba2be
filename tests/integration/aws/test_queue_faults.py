"""Bursts and interrupters on a real queue: all counted, all marked, and nothing of others touched."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from threading import Event
from typing import Any

import pytest

from daemon.core.cloud import Message
from daemon.core.messages import RUN_ATTRIBUTE
from daemon.core.model import Order, Outcome, Undo
from daemon.core.target import Queue, Target
from faults.sqs.burst import SqsBurst
from faults.sqs.interrupt import InterruptMessage
from probes.sqs import SqsBacklog
from tests.integration.aws.conftest import World

Queues = Callable[..., tuple[str, str]]


def prepared(fault: Any, url: str, world: World, injection: str = "inj-1", **queue: Any) -> Undo:
    target = Target(name="t", queue=Queue(url=url, **queue))
    undo = fault.prepare(Order(injection=injection, target=target, dice=Random(3)), world)
    return replace(undo, data=json.loads(json.dumps(undo.data)))


def drained(client: Callable[[str], Any], url: str) -> list[dict[str, Any]]:
    """Take everything out of a queue, by plain boto3."""
    sqs, found = client("sqs"), []
    while got := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]).get(
        "Messages"
    ):
        found += got
        for one in got:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])
    return found


class Watched:
    """The queue port, noting when how much was sent."""

    def __init__(self, world: World) -> None:
        self._sqs, self._clock = world.sqs, world.clock
        self.sent: list[tuple[float, int]] = []
        self.after: Callable[[int], None] = lambda _: None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sqs, name)

    def send(self, url: str, batch: Sequence[Message]) -> tuple[str | None, ...]:
        self.sent.append((self._clock.instant().mono_s, len(batch)))
        answer: tuple[str | None, ...] = self._sqs.send(url, batch)
        self.after(sum(n for _, n in self.sent))
        return answer


class WatchedWorld:
    """The world with a watched queue port."""

    def __init__(self, world: World) -> None:
        self.clock, self.sqs = world.clock, Watched(world)
        self.files, self.private = world.files, world.private


def test_a_burst_is_never_faster_than_its_rate_and_every_message_is_there_and_marked(
    world: World, client: Callable[[str], Any], queue: Queues
) -> None:
    url, _ = queue()
    watched = WatchedWorld(world)
    undo = prepared(SqsBurst(messages=400, rate=200.0, duplicates=0.1, malformed=0.05), url, world)
    began_s = world.clock.instant().mono_s
    SqsBurst.inject(undo, watched, Event())  # type: ignore[arg-type]
    sent = 0
    for at_s, size in watched.sqs.sent:  # a busy machine is late and catches up, but never early
        assert at_s - began_s >= sent / 200
        sent += size
    found = drained(client, url)
    assert len(found) == 400
    assert {m["MessageAttributes"][RUN_ATTRIBUTE]["StringValue"] for m in found} == {"inj-1"}
    assert max(Counter(m["Body"] for m in found).values()) > 1


@pytest.mark.parametrize("fifo", [False, True])
def test_the_revert_of_an_aborted_burst_leaves_zero_marked_and_all_unmarked(
    world: World, client: Callable[[str], Any], queue: Queues, fifo: bool
) -> None:
    url, dead = queue(fifo=fifo)
    real = [
        Message(
            body=f"real {n}", attributes={}, group="real" if fifo else None, deduplication=f"r{n}" if fifo else None
        )
        for n in range(10)
    ]
    world.sqs.send(url, real)
    world.sqs.send(dead, real[:3])
    watched, stop = WatchedWorld(world), Event()
    watched.sqs.after = lambda sent: stop.set() if sent >= 100 else None
    undo = prepared(SqsBurst(messages=500, rate=1000.0), url, world)
    SqsBurst.inject(undo, watched, stop)  # type: ignore[arg-type]
    sent = sum(n for _, n in watched.sqs.sent)
    assert 100 <= sent < 200
    # A poison message of ours that has found its way to the dead-letter queue.
    ours = Message(
        body="{}",
        attributes={RUN_ATTRIBUTE: "inj-1"},
        group="g" if fifo else None,
        deduplication="p" if fifo else None,
    )
    world.sqs.send(dead, [ours])
    done = SqsBurst.revert(undo, world)  # type: ignore[arg-type]
    assert done.outcome is Outcome.RESTORED
    assert done.proof["removed"] == {"input": sent, "dead-letter": 1}
    assert sorted(m["Body"] for m in drained(client, url)) == sorted(m.body for m in real)
    assert sorted(m["Body"] for m in drained(client, dead)) == sorted(m.body for m in real[:3])


def test_a_revert_beside_a_working_worker_accounts_for_every_message(
    world: World, client: Callable[[str], Any], queue: Queues
) -> None:
    url, _ = queue()
    undo = prepared(SqsBurst(messages=200, rate=0.0), url, world)
    SqsBurst.inject(undo, world, Event())  # type: ignore[arg-type]
    handled, end = [], threading.Event()

    def work() -> None:
        sqs = client("sqs")
        while not end.is_set():
            for one in sqs.receive_message(QueueUrl=url).get("Messages", []):
                end.wait(0.02)
                sqs.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])
                handled.append(one["MessageId"])

    worker = threading.Thread(target=work)
    worker.start()
    try:
        done = SqsBurst.revert(undo, world)  # type: ignore[arg-type]
    finally:
        end.set()
        worker.join()
    assert sum(done.proof["removed"].values()) + len(handled) == 200  # type: ignore[union-attr]
    assert drained(client, url) == []


def test_an_oversize_message_fits_the_queue(world: World, client: Callable[[str], Any], queue: Queues) -> None:
    url, _ = queue()
    SqsBurst.inject(prepared(SqsBurst(messages=2, oversize=1.0), url, world), world, Event())  # type: ignore[arg-type]
    found = drained(client, url)
    limit = world.sqs.facts(url).max_message_bytes
    assert [len(m["Body"]) > limit - 2048 for m in found] == [True, True]


def test_an_interrupter_comes_while_a_message_is_in_flight(
    world: World, client: Callable[[str], Any], queue: Queues
) -> None:
    (url, _), (interrupts, _) = queue(), queue()
    undo = prepared(InterruptMessage(mode="separate", after=0.1), url, world, interrupts=interrupts)
    client("sqs").send_message(QueueUrl=url, MessageBody="work of somebody else")
    held = world.sqs.receive(url)
    InterruptMessage.inject(undo, world, Event())  # type: ignore[arg-type]
    assert world.sqs.facts(interrupts).visible == 1
    assert world.sqs.facts(url).visible == 0
    world.sqs.release(url, [held[0].handle])
    done = InterruptMessage.revert(undo, world)  # type: ignore[arg-type]
    assert done.proof["removed"] == {"interrupts": 1}
    assert [m["Body"] for m in drained(client, url)] == ["work of somebody else"]


def test_the_backlog_probe_sees_the_burst(world: World, queue: Queues) -> None:
    url, _ = queue()
    target = Target(name="t", queue=Queue(url=url))
    probe = SqsBacklog(expect="visible <= 10 and dead_letter == 0")
    assert probe.observe(target, world).status == "ok"  # type: ignore[arg-type]
    SqsBurst.inject(prepared(SqsBurst(messages=20, rate=0.0), url, world), world, Event())  # type: ignore[arg-type]
    reading = probe.observe(target, world)  # type: ignore[arg-type]
    assert (reading.status, reading.measures["visible"]) == ("failing", 20)
