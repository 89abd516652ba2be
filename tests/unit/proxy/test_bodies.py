"""Bodies that the proxy changes: queue URLs, half batches, deliveries."""

import json
from random import Random
from typing import Any

import pytest

from daemon.core.proxying import Rule
from daemon.proxy import batches, deliveries
from daemon.proxy.deliveries import REMEMBERED, REMEMBERED_BYTES, Deliveries
from daemon.proxy.queues import Address, in_answer, in_request
from daemon.proxy.tally import OPERATIONS, Tally

ADDRESS = Address(
    ours="http://127.0.0.1:4510", real="https://sqs.r.amazonaws.com", names={"127.0.0.1:4510", "localhost:4510"}
)


def rule(effect: str = "duplicate-delivery", **parameters: Any) -> Rule:
    return Rule(injection="one", fault="f", lane="aws", effect=effect, seed=1, until_s=1e12, parameters=parameters)


# --- queue URLs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1:4510", "localhost:4510", "LOCALHOST:4510"])
def test_our_name_in_a_request_becomes_the_real_one(host: str) -> None:
    body = b'{"QueueUrl":"http://%s/1/q","MessageBody":"QueueUrl http://127.0.0.1:4510"}' % host.encode()
    expected = b'{"QueueUrl":"https://sqs.r.amazonaws.com/1/q","MessageBody":"QueueUrl http://127.0.0.1:4510"}'
    assert in_request(body, ADDRESS, form=False) == expected


@pytest.mark.parametrize(
    "body", [b'{"QueueUrl" : "https://sqs.r.amazonaws.com/1/q"}', b"{}", b"", b"[", b'{"a": 1}']
)
def test_another_body_stays_byte_for_byte(body: bytes) -> None:
    assert in_request(body, ADDRESS, form=False) == body
    assert in_answer(body.replace(b"QueueUrl", b"Other"), ADDRESS) == body.replace(b"QueueUrl", b"Other")


def test_the_older_protocol_both_ways() -> None:
    asked = in_request(b"Action=SendMessage&QueueUrl=http%3A%2F%2Flocalhost%3A4510%2F1%2Fq", ADDRESS, form=True)
    assert asked == b"Action=SendMessage&QueueUrl=https%3A%2F%2Fsqs.r.amazonaws.com%2F1%2Fq"
    told = b"<R><QueueUrl>https://sqs.r.amazonaws.com/1/q</QueueUrl><X>https://sqs.r</X></R>"
    assert in_answer(told, ADDRESS) == b"<R><QueueUrl>http://127.0.0.1:4510/1/q</QueueUrl><X>https://sqs.r</X></R>"


# --- batches ---------------------------------------------------------------------------------------------


def test_the_same_dice_take_the_same_entries() -> None:
    body = json.dumps({"Entries": [{"Id": str(n)} for n in range(10)]}).encode()
    halves = [batches.split("sqs", body, rule(share=0.3, code="X"), Random(5)) for _ in range(2)]
    assert halves[0] == halves[1] is not None


@pytest.mark.parametrize(
    ("share", "count"), [(0.0, 1), (0.01, 1), (0.25, 3), (0.5, 5), (0.99, 10), (1.0, 10), (7, 10)]
)
def test_at_least_one_entry_and_at_most_all(share: float, count: int) -> None:
    body = json.dumps({"Entries": [{"Id": str(n)} for n in range(10)]}).encode()
    half = batches.split("sqs", body, rule(share=share), Random(1))
    assert half is not None
    assert len(half.failed["Failed"]) == count
    assert (half.body is None) == (count == 10)


def test_what_failed_by_itself_stays_failed() -> None:
    half = batches.split("sqs", b'{"Entries": [{"Id": "a"}, {"Id": "b"}]}', rule(share=0.5), Random(1))
    assert half is not None
    (ours,) = half.failed["Failed"]
    answer = json.loads(half.joined(b'{"Successful": [], "Failed": [{"Id": "own"}]}'))
    assert [f["Id"] for f in answer["Failed"]] == ["own", ours["Id"]]
    assert half.joined(b"no json") == b"no json"


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"Entries": []}', b'{"Entries": ["x"]}', b'{"RequestItems": {"t": 1}}']
)
def test_what_holds_no_entries_is_no_batch(body: bytes) -> None:
    assert batches.split("sqs", body, rule(), Random(1)) is None
    assert batches.split("dynamodb", body, rule(), Random(1)) is None


def test_which_calls_are_batches() -> None:
    assert batches.splits("sqs", "DeleteMessageBatch", form=False)
    assert batches.splits("dynamodb", "BatchWriteItem", form=False)
    for service, operation, form in (
        ("sqs", "SendMessage", False),
        ("sqs", "SendMessageBatch", True),
        ("dynamodb", "BatchGetItem", False),
        ("ecs", "SomeBatch", False),
    ):
        assert not batches.splits(service, operation, form=form)


# --- deliveries ------------------------------------------------------------------------------------------


def answer(*names: str, size: int = 1) -> bytes:
    return json.dumps({"Messages": [{"MessageId": name, "Body": "x" * size} for name in names]}).encode()


def test_memory_is_bounded_in_messages_and_bytes() -> None:
    place = Deliveries()
    place.asked("one", "q")
    for n in range(REMEMBERED * 3):
        place.remember("one", "q", answer(f"m{n}"))
    place.asked("one", "q")
    oldest = place.again(rule(copies=1), "q")
    assert oldest is not None
    assert oldest["MessageId"] == f"m{REMEMBERED * 2}"
    for n in range(100):
        place.remember("one", f"big{n}", answer("big", size=REMEMBERED_BYTES // 10))
    assert place._bytes <= REMEMBERED_BYTES


def test_what_a_rule_remembered_goes_with_it() -> None:
    place = Deliveries()
    place.asked("one", "q")
    place.remember("one", "q", answer("m"))
    place.asked("one", "q")
    assert place.due(rule(), "q")
    place.keep_only(frozenset())
    assert not place.due(rule(), "q")
    assert place._bytes == 0


@pytest.mark.parametrize("told", [b"", b"{}", b"<x/>", b'{"Messages": 7}', b'{"Messages": [1]}'])
def test_an_answer_without_messages_leaves_nothing_to_repeat(told: bytes) -> None:
    place = Deliveries()
    place.asked("one", "q")
    place.remember("one", "q", told)
    place.asked("one", "q")
    assert place.again(rule(), "q") is None


@pytest.mark.parametrize(
    ("body", "left"),
    [(b"{}", None), (b'{"MaxNumberOfMessages": 1}', None), (b'{"MaxNumberOfMessages": 10}', 9), (b"[", None)],
)
def test_room_for_one_message_more(body: bytes, left: int | None) -> None:
    found = deliveries.room_for_one(body)
    assert (json.loads(found)["MaxNumberOfMessages"] if found else None) == left


def test_a_body_that_cannot_be_read_is_not_shortened() -> None:
    assert deliveries.shortened("ChangeMessageVisibility", b"[", 1) == b"["


# --- counters --------------------------------------------------------------------------------------------


def test_made_up_operations_do_not_grow_the_counters() -> None:
    tally = Tally()
    for n in range(OPERATIONS * 2):
        tally.count("sqs", f"Made{n}", "2xx")
    assert len(tally.calls) <= OPERATIONS + 1
    assert sum(tally.calls.values()) == OPERATIONS * 2
