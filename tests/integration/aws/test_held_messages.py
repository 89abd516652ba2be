"""Messages held, copied, reordered, blocked and poisoned on a real queue, seen with plain boto3."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from threading import Event
from typing import Any

import pytest

from daemon.core.cloud import Message, Typed
from daemon.core.messages import RUN_ATTRIBUTE
from daemon.core.model import Order, Outcome, Undo
from daemon.core.seams import Flag
from daemon.core.target import Queue, Target
from daemon.ports.clock import SystemClock
from daemon.ports.files import LocalFiles
from faults.sqs.duplicate import SqsDuplicate
from faults.sqs.gathering import Gathering
from faults.sqs.head_of_line import SqsHeadOfLine
from faults.sqs.hold import SqsHold
from faults.sqs.poison import SqsPoison
from faults.sqs.reorder import SqsReorder
from probes.sqs import SqsBacklog
from tests.integration.aws.conftest import World
from tests.waiting import wait_for

Queues = Callable[..., tuple[str, str]]


@dataclass
class Here(World):
    """The emulator, and a disk of chaosd's own."""

    files: LocalFiles
    private: str


@pytest.fixture
def here(world: World, tmp_path: Path) -> Here:
    return Here(world.aws, world.clock, LocalFiles(), str(tmp_path))


def prepared(fault: Any, url: str, here: Here, lasts_s: float = 30.0) -> Undo:
    order = Order(injection="inj-1", target=Target(name="t", queue=Queue(url=url)), dice=Random(3), lasts_s=lasts_s)
    undo: Undo = fault.prepare(order, here)
    return replace(undo, data=json.loads(json.dumps(undo.data)))


def put(client: Callable[[str], Any], url: str, *bodies: str, group: str = "") -> None:
    sqs = client("sqs")
    for body in bodies:
        more = {"MessageGroupId": group, "MessageDeduplicationId": body} if group else {}
        sqs.send_message(QueueUrl=url, MessageBody=body, **more)


def taken(client: Callable[[str], Any], url: str, most: int = 10) -> list[dict[str, Any]]:
    """Receive what is visible, hide it no longer, and return it."""
    got: list[dict[str, Any]] = (
        client("sqs")
        .receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=most,
            VisibilityTimeout=0,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        )
        .get("Messages", [])
    )
    return got


def bodies(client: Callable[[str], Any], url: str) -> list[str]:
    return sorted(one["Body"] for one in taken(client, url))


def test_held_messages_are_seen_by_nobody_and_come_back_with_one_receive_more(
    here: Here, client: Callable[[str], Any], queue: Queues
) -> None:
    url, _ = queue(receives=5)
    put(client, url, *"abcd")
    undo = prepared(SqsHold(messages=3), url, here)
    SqsHold.inject(undo, here, Event())  # type: ignore[arg-type]
    assert (here.sqs.facts(url).visible, here.sqs.facts(url).in_flight) == (1, 3)
    done = SqsHold.revert(undo, here)  # type: ignore[arg-type]
    assert (done.outcome, done.proof["given_back"]) == (Outcome.RESTORED, 3)
    found = {one["Body"]: one["Attributes"]["ApproximateReceiveCount"] for one in taken(client, url)}
    assert found == {"a": "2", "b": "2", "c": "2", "d": "1"}, "one of ours, one of this look"


def test_a_handle_that_was_lost_is_waited_for_and_the_message_is_back(
    here: Here, client: Callable[[str], Any], queue: Queues
) -> None:
    url, _ = queue(receives=5)
    put(client, url, "a")
    undo = prepared(SqsHold(), url, here)
    short = {**undo.data["gathering"], "visibility_s": 2.0}  # type: ignore[dict-item]
    custody = replace(Gathering(**short), most=1).custody(here)  # type: ignore[arg-type]
    custody.begin()
    kept = Path(custody._path()).read_text()
    custody.take(1, 0)
    file = json.loads(Path(custody._path()).read_text())
    now_s = here.clock.instant().wall_s
    # What the disk holds when the answer was never written down, but for the margin: a test need not wait for it.
    Path(custody._path()).write_text(json.dumps({**json.loads(kept), "unseen_s": [now_s + 2.0]}))
    assert file["messages"]
    assert bodies(client, url) == []
    done = custody.close(within_s=30.0)
    assert done is not None
    assert done["receives_without_an_answer"] == 1
    wait_for("the message", lambda: bodies(client, url) == ["a"], 5)


def test_an_exact_copy_with_every_kind_of_attribute(
    here: Here, client: Callable[[str], Any], queue: Queues
) -> None:
    url, _ = queue(receives=5)
    typed = {"n": Typed(kind="Number.int", text="7"), "b": Typed(kind="Binary", data=b"\x00\xff")}
    here.sqs.send(url, [Message(body="wörk", attributes={"a": "1"}, typed=typed)])
    undo = prepared(SqsDuplicate(), url, here)
    SqsDuplicate.inject(undo, here, Event())  # type: ignore[arg-type]
    one, copy = sorted(taken(client, url), key=lambda found: RUN_ATTRIBUTE in found["MessageAttributes"])
    mark = copy["MessageAttributes"].pop(RUN_ATTRIBUTE)
    assert mark["StringValue"] == "inj-1"
    assert (copy["Body"], copy["MessageAttributes"]) == (one["Body"], one["MessageAttributes"])
    assert set(one["MessageAttributes"]) == {"a", "n", "b"}
    done = SqsDuplicate.revert(undo, here)  # type: ignore[arg-type]
    assert done.proof["removed"] == {"input": 1}
    assert [found["MessageId"] for found in taken(client, url)] == [one["MessageId"]]


def test_a_consumer_meets_the_messages_in_the_other_order(
    here: Here, client: Callable[[str], Any], queue: Queues
) -> None:
    url, _ = queue(receives=5)
    put(client, url, *"abc")
    undo = prepared(SqsReorder(messages=3, gap=0.5), url, here)
    met = list[str]()

    def consume() -> None:
        for one in client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            met.append(one["Body"])
            client("sqs").delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])

    class Busy(SystemClock):
        """The consumer works in the gaps."""

        def wait(self, flag: Flag | None, timeout_s: float) -> bool:
            assert timeout_s == 0.5
            consume()
            return flag is not None and flag.is_set()

    SqsReorder.inject(undo, replace(here, clock=Busy()), Event())  # type: ignore[arg-type]
    assert met == list("cb"), "the last one is given back when nothing is left to wait for"
    consume()
    assert met == list("cba")
    assert SqsReorder.revert(undo, here).proof["given_back"] == 3  # type: ignore[arg-type]


def test_a_group_is_blocked_and_the_backlog_probe_sees_that_it_stands_still(
    here: Here, client: Callable[[str], Any], queue: Queues
) -> None:
    url, _ = queue(fifo=True, receives=5)
    put(client, url, "a1", "a2", group="a")
    put(client, url, "b1", group="b")
    undo = prepared(SqsHeadOfLine(), url, here)
    SqsHeadOfLine.inject(undo, here, Event())  # type: ignore[arg-type]
    assert bodies(client, url) == ["b1"], "a2 waits behind a1"
    probe, target = SqsBacklog(expect="still_seconds <= 0.2"), Target(name="t", queue=Queue(url=url))
    assert probe.observe(target, here).status == "ok"  # type: ignore[arg-type]
    Event().wait(0.3)
    assert probe.observe(target, here).status == "failing"  # type: ignore[arg-type]
    done = SqsHeadOfLine.revert(undo, here)  # type: ignore[arg-type]
    assert done.proof["groups"] == ["a"]
    assert taken(client, url, most=1)[0]["Body"] == "a1"


def test_poison_that_was_dead_lettered_is_found_and_real_ones_stay(
    here: Here, client: Callable[[str], Any], queue: Queues
) -> None:
    url, dead = queue(receives=2)
    put(client, dead, "real")
    put(client, url, "work")
    undo = prepared(SqsPoison(mode="missing-field", messages=2), url, here)
    SqsPoison.inject(undo, here, Event())  # type: ignore[arg-type]
    sqs = client("sqs")
    for _ in range(4):
        for one in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0).get(
            "Messages", []
        ):
            if one["Body"] == "work":
                sqs.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])
    assert here.sqs.facts(dead).visible == 3
    done = SqsPoison.revert(undo, here)  # type: ignore[arg-type]
    assert done.proof["removed"] == {"dead-letter": 2}
    assert bodies(client, dead) == ["real"]
