"""For each fault of AWS calls, what boto3 and the AWS SDK v3 make of it: how a row of the table is played.

``test_sdks.py`` plays every row and compares; so what is written here is what was measured.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from daemon.core.model import Order, Reversion
from daemon.core.parameters import build
from daemon.core.target import Routes, Target
from faults import CATALOGUE
from tests.fakes import Switch
from tests.integration.proxy.sdks import BUCKET, Ask, Bench, Seen

SDKS = ("legacy", "standard", "node")
PAGE = "x" * 20_000
ENTRIES = 4
LASTS_S = 120.0
FIRST_TRY: Mapping[str, str] = {"each_try": "true", "most": "1"}


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What one SDK did and saw: requests sent, the application's view, and what AWS holds then."""

    tries: int
    saw: str
    holds: str = ""

    def __str__(self) -> str:
        tries = f"{self.tries} tr{'y' if self.tries == 1 else 'ies'}"
        return f"{tries}: {self.saw}" + (f"; {self.holds}" if self.holds else "")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One fault, with parameters, on one call; ``impatient``: the workers give up on an answer after a second."""

    fault: str
    call: str
    mode: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    sees: tuple[Cell, Cell, Cell]
    impatient: bool = False

    @property
    def parameters(self) -> Mapping[str, str]:
        """Return the fault's parameters, its mode among them."""
        return ({"mode": self.mode} if self.mode else {}) | dict(self.settings)

    @property
    def name(self) -> str:
        """Name the case, as tests are named."""
        given = "".join(f" {key}={value}" for key, value in self.parameters.items())
        return f"{self.fault}{given} / {self.call}{' / own timeout' if self.impatient else ''}"


@dataclass(frozen=True, kw_only=True)
class Play:
    """A call to be played: what lies there before, the call, and what is looked at after it."""

    service: str
    operation: str
    before: tuple[str, ...] = ()
    run: Callable[[Bench, str, Ask], tuple[Seen, str]]
    calls: int = 1
    holds: Callable[[Bench, str], str] = lambda _, __: ""


def _messages(bench: Bench, queue: str) -> str:
    count = bench.held(queue)
    return f"{count} message{'' if count == 1 else 's'} in the queue"


def _said(seen: Seen, success: str) -> tuple[Seen, str]:
    return seen, seen.error or success


def _send(bench: Bench, queue: str, ask: Ask) -> tuple[Seen, str]:
    return _said(ask("sqs", "SendMessage", {"QueueUrl": bench.behind(queue), "MessageBody": "m"}), "success")


def _receive(bench: Bench, queue: str, ask: Ask) -> tuple[Seen, str]:
    seen = ask("sqs", "ReceiveMessage", {"QueueUrl": bench.behind(queue), "VisibilityTimeout": 30})
    count = len(seen.answer.get("Messages", ()))
    return _said(seen, f"{count} message" if count else "no message")


def _receive_twice(bench: Bench, queue: str, ask: Ask) -> tuple[Seen, str]:
    wanted = {"QueueUrl": bench.behind(queue), "VisibilityTimeout": 30, "MessageSystemAttributeNames": ["All"]}
    first, again = (ask("sqs", "ReceiveMessage", wanted) for _ in range(2))
    assert not first.error
    ids = [[m["MessageId"] for m in seen.answer.get("Messages", ())] for seen in (first, again)]
    return _said(again, "the same message again" if ids[0] and ids[0] == ids[1] else f"{len(ids[1])} messages")


def _receive_delete_receive(bench: Bench, queue: str, ask: Ask) -> tuple[Seen, str]:
    url = bench.behind(queue)
    first = ask("sqs", "ReceiveMessage", {"QueueUrl": url}).answer["Messages"][0]
    assert not ask("sqs", "DeleteMessage", {"QueueUrl": url, "ReceiptHandle": first["ReceiptHandle"]}).error
    again = ask("sqs", "ReceiveMessage", {"QueueUrl": url})
    ids = [m["MessageId"] for m in again.answer.get("Messages", ())]
    return _said(again, "the deleted message again" if ids == [first["MessageId"]] else f"{len(ids)} messages")


def _delete(bench: Bench, queue: str, ask: Ask) -> tuple[Seen, str]:
    taken = bench.sqs.receive_message(QueueUrl=bench.direct(queue))["Messages"][0]
    wanted = {"QueueUrl": bench.behind(queue), "ReceiptHandle": taken["ReceiptHandle"]}
    return _said(ask("sqs", "DeleteMessage", wanted), "success")


def _send_batch(bench: Bench, queue: str, ask: Ask) -> tuple[Seen, str]:
    entries = [{"Id": f"e{n}", "MessageBody": f"m{n}"} for n in range(ENTRIES)]
    return _batch(ask("sqs", "SendMessageBatch", {"QueueUrl": bench.behind(queue), "Entries": entries}))


def _delete_batch(bench: Bench, queue: str, ask: Ask) -> tuple[Seen, str]:
    found = bench.sqs.receive_message(QueueUrl=bench.direct(queue), MaxNumberOfMessages=ENTRIES)["Messages"]
    entries = [{"Id": f"e{n}", "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(found)]
    return _batch(ask("sqs", "DeleteMessageBatch", {"QueueUrl": bench.behind(queue), "Entries": entries}))


def _batch(seen: Seen) -> tuple[Seen, str]:
    failed = len(seen.answer.get("Failed", ()))
    return _said(seen, f"success, with {failed} of {ENTRIES} under Failed")


def _put(_: Bench, queue: str, ask: Ask) -> tuple[Seen, str]:
    return _said(ask("s3", "PutObject", {"Bucket": BUCKET, "Key": queue, "Body": PAGE}), "success")


def _get(bench: Bench, queue: str, ask: Ask) -> tuple[Seen, str]:
    bench.s3.put_object(Bucket=BUCKET, Key=queue, Body=PAGE.encode())
    seen = ask("s3", "GetObject", {"Bucket": BUCKET, "Key": queue})
    return _said(seen, "the whole object" if seen.answer.get("Body") == PAGE else "another body")


def _object(bench: Bench, queue: str) -> str:
    found: Mapping[str, Any] = bench.s3.list_objects_v2(Bucket=BUCKET, Prefix=queue)
    return "the object is there" if found.get("Contents") else "no object"


PLAYS: Mapping[str, Play] = {
    "SendMessage": Play(service="sqs", operation="SendMessage", run=_send, holds=_messages),
    "ReceiveMessage": Play(service="sqs", operation="ReceiveMessage", before=("m",), run=_receive, holds=_messages),
    "ReceiveMessage twice": Play(
        service="sqs", operation="ReceiveMessage", before=("m",), calls=2, run=_receive_twice
    ),
    "receive, delete, receive": Play(
        service="sqs",
        operation="ReceiveMessage",
        before=("m",),
        calls=3,
        run=_receive_delete_receive,
        holds=_messages,
    ),
    "DeleteMessage": Play(service="sqs", operation="DeleteMessage", before=("m",), run=_delete, holds=_messages),
    "SendMessageBatch": Play(service="sqs", operation="SendMessageBatch", run=_send_batch, holds=_messages),
    "DeleteMessageBatch": Play(
        service="sqs",
        operation="DeleteMessageBatch",
        before=tuple(f"m{n}" for n in range(ENTRIES)),
        run=_delete_batch,
        holds=_messages,
    ),
    "PutObject": Play(service="s3", operation="PutObject", run=_put, holds=_object),
    "GetObject": Play(service="s3", operation="GetObject", run=_get),
}


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A played case: what the SDK did and saw, and what the fault's own undo says of it."""

    cell: Cell
    reversion: Reversion


def measure(bench: Bench, case: Case, sdk: str) -> Measured:
    """Play one case with one SDK: the fault in force from before its call until after it."""
    play = PLAYS[case.call]
    queue = bench.queue(*play.before)
    kind = CATALOGUE[case.fault]
    aim = {"service": play.service, "operation": play.operation}
    aim |= {"resource": queue if play.service == "sqs" else f"{BUCKET}/{queue}"}
    fault: Any = build(kind, {**aim, **case.parameters}, where=case.fault)
    target = Target(name="worker", proxy=Routes(aws=True))
    order = Order(injection=f"i-{queue}", target=target, dice=Random(1), lasts_s=LASTS_S)
    undo = fault.prepare(order, bench.world)
    kind.inject(undo, bench.world, Switch())
    try:
        ask = (bench.impatient if case.impatient else bench.askers)[sdk]
        seen, saw = play.run(bench, queue, ask)
    finally:
        reversion = kind.revert(undo, bench.world)
    return Measured(cell=Cell(tries=seen.tries, saw=saw, holds=play.holds(bench, queue)), reversion=reversion)
