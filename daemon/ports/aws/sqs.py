"""SQS through boto3."""

import json
from collections.abc import Mapping, Sequence
from math import ceil
from typing import TYPE_CHECKING, Any

from daemon.core.cloud import Message, QueueFacts, Received, Typed
from daemon.core.errors import ChaosdError
from daemon.ports.aws.translate import answered, calling

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageAttributeValueTypeDef, SendMessageBatchRequestEntryTypeDef

BATCH_MOST = 10
POLL_MOST_S = 5
_STRING, _BINARY = "String", "Binary"
_GONE = frozenset({"ReceiptHandleIsInvalid", "MessageNotInflight"})


class SqsPort:
    """Implements ``seams.Sqs``. ``sender`` is a client that never repeats a call by itself.

    ``receive`` waits at most ``POLL_MOST_S`` whatever is asked, so that a halt need not wait longer.
    """

    def __init__(self, client: "SQSClient", *, sender: "SQSClient") -> None:
        self._client = client
        self._sender = sender

    def facts(self, url: str) -> QueueFacts:
        with calling("sqs:GetQueueAttributes", f"the queue {url} was not looked at"):
            answer = self._client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        return _facts(url, {str(name): value for name, value in answer.get("Attributes", {}).items()})

    def tags(self, url: str) -> Mapping[str, str]:
        with calling("sqs:ListQueueTags", f"the tags of {url} were not read"):
            return dict(self._client.list_queue_tags(QueueUrl=url).get("Tags", {}))

    def send(self, url: str, batch: Sequence[Message]) -> tuple[str | None, ...]:
        entries = [_entry(number, message) for number, message in enumerate(batch)]
        with calling("sqs:SendMessage", f"up to {len(batch)} messages were not sent to {url}"):
            answer = self._sender.send_message_batch(QueueUrl=url, Entries=entries)
        return _codes(len(batch), answer)

    def receive(
        self, url: str, *, most: int = 10, wait_s: float = 0, visibility_s: float = 30, once: bool = False
    ) -> tuple[Received, ...]:
        client = self._sender if once else self._client
        with calling("sqs:ReceiveMessage", f"nothing was received from {url}"):
            answer = client.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=min(most, BATCH_MOST),
                WaitTimeSeconds=min(ceil(wait_s), POLL_MOST_S),
                VisibilityTimeout=ceil(visibility_s),
                MessageSystemAttributeNames=["ApproximateReceiveCount", "MessageGroupId"],
                MessageAttributeNames=["All"],
            )
        return tuple(_received(one) for one in answer.get("Messages", []))

    def delete(self, url: str, handles: Sequence[str]) -> tuple[str | None, ...]:
        codes: list[str | None] = []
        for some in _tens(handles):
            with calling("sqs:DeleteMessage", f"up to {len(some)} messages were not deleted from {url}"):
                answer = self._client.delete_message_batch(
                    QueueUrl=url, Entries=[{"Id": str(n), "ReceiptHandle": handle} for n, handle in enumerate(some)]
                )
            codes.extend(_codes(len(some), answer))
        return tuple(codes)

    def release(self, url: str, handles: Sequence[str]) -> None:
        action, undone = "sqs:ChangeMessageVisibility", f"received messages were not released to {url}"
        kept: list[str] = []
        for some in _tens(handles):
            entries = [
                {"Id": str(n), "ReceiptHandle": handle, "VisibilityTimeout": 0} for n, handle in enumerate(some)
            ]
            with calling(action, undone):
                answer = self._client.change_message_visibility_batch(QueueUrl=url, Entries=entries)  # type: ignore[arg-type]
            # Gone, or visible already because its timeout ended: that is what was wanted.
            kept.extend(code for code in _codes(len(some), answer) if code is not None and code not in _GONE)
        if kept:
            raise _partial(action, f"{undone} ({len(kept)} of {len(handles)})", kept[0])


def _partial(action: str, undone: str, code: str) -> ChaosdError:
    return answered(action, undone, code, "they come back when their visibility timeout ends")


def _tens(handles: Sequence[str]) -> list[Sequence[str]]:
    return [handles[first : first + BATCH_MOST] for first in range(0, len(handles), BATCH_MOST)]


def _entry(number: int, message: Message) -> "SendMessageBatchRequestEntryTypeDef":
    attributes: dict[str, MessageAttributeValueTypeDef] = {
        name: {"DataType": _STRING, "StringValue": value} for name, value in message.attributes.items()
    }
    attributes.update((name, _value(value)) for name, value in message.typed.items())
    entry: SendMessageBatchRequestEntryTypeDef = {
        "Id": str(number),
        "MessageBody": message.body,
        "MessageAttributes": attributes,
    }
    if message.group is not None:
        entry["MessageGroupId"] = message.group
    if message.deduplication is not None:
        entry["MessageDeduplicationId"] = message.deduplication
    return entry


def _value(typed: Typed) -> "MessageAttributeValueTypeDef":
    if typed.kind.startswith(_BINARY):
        return {"DataType": typed.kind, "BinaryValue": typed.data}
    return {"DataType": typed.kind, "StringValue": typed.text}


def _codes(count: int, answer: Mapping[str, Any]) -> tuple[str | None, ...]:
    # A batch answers 200 with its failures inside; an entry in neither list counts as failed.
    codes: list[str | None] = ["NotAnswered"] * count
    for one in answer.get("Successful", []):
        codes[int(one["Id"])] = None
    for one in answer.get("Failed", []):
        codes[int(one["Id"])] = str(one.get("Code") or "Unknown")
    return tuple(codes)


def _received(one: Mapping[str, Any]) -> Received:
    told, given = one.get("Attributes", {}), one.get("MessageAttributes", {})
    return Received(
        id=one["MessageId"],
        handle=one["ReceiptHandle"],
        body=one["Body"],
        attributes={name: value["StringValue"] for name, value in given.items() if "StringValue" in value},
        receives=int(told.get("ApproximateReceiveCount", 1)),
        group=told.get("MessageGroupId"),
        typed={
            name: Typed(kind=kind, text=value.get("StringValue", ""), data=bytes(value.get("BinaryValue", b"")))
            for name, value in given.items()
            if (kind := value.get("DataType", _STRING)) != _STRING
        },
    )


def _facts(url: str, told: Mapping[str, str]) -> QueueFacts:
    redrive = json.loads(told.get("RedrivePolicy") or "{}")
    arn = redrive.get("deadLetterTargetArn")
    return QueueFacts(
        visible=int(told.get("ApproximateNumberOfMessages", 0)),
        in_flight=int(told.get("ApproximateNumberOfMessagesNotVisible", 0)),
        delayed=int(told.get("ApproximateNumberOfMessagesDelayed", 0)),
        fifo=told.get("FifoQueue") == "true",
        visibility_s=float(told.get("VisibilityTimeout", 30)),
        max_receives=int(redrive["maxReceiveCount"]) if "maxReceiveCount" in redrive else None,
        dead_letter_url=_beside(url, arn) if arn else None,
        max_message_bytes=int(told.get("MaximumMessageSize", 262_144)),
        created_s=float(told["CreatedTimestamp"]) if "CreatedTimestamp" in told else None,
    )


def _beside(url: str, arn: str) -> str:
    # A dead-letter queue lives in its queue's account and region, so its URL differs in the last part only:
    # no further call, no further permission.
    return f"{url.rpartition('/')[0]}/{arn.rpartition(':')[2]}"
