"""Errors as the services themselves write them. Pure but for the request id, which is random.

What the SDKs look at is measured: the code's place differs by service, SQS tells today's codes from older ones by a
header, and a HEAD of S3 has nothing but its status.
"""

import json
import uuid
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

SENDER_FAULT_MAX = 499
REQUEST_ID = {"s3": "x-amz-request-id"}
_ID = "x-amzn-requestid"
_JSON = {"sqs": "1.0", "dynamodb": "1.0", "states": "1.0"}  # the others: 1.1
_TYPES = {"sqs": "com.amazonaws.sqs#", "dynamodb": "com.amazonaws.dynamodb.v20120810#"}
_NAMESPACES = {
    "sqs": "http://queue.amazonaws.com/doc/2012-11-05/",
    "sts": "https://sts.amazonaws.com/doc/2011-06-15/",
}
_QUERY_CODES: Mapping[str, str] = {
    "QueueDoesNotExist": "AWS.SimpleQueueService.NonExistentQueue",
    "QueueNameExists": "QueueAlreadyExists",
    **{
        one: f"AWS.SimpleQueueService.{one}"
        for one in (
            *("BatchEntryIdsNotDistinct", "BatchRequestTooLong", "EmptyBatchRequest", "InvalidBatchEntryId"),
            *("MessageNotInflight", "PurgeQueueInProgress", "QueueDeletedRecently", "TooManyEntriesInBatchRequest"),
            "UnsupportedOperation",
        )
    },
}
"""The codes of the Query protocol that SQS still tells in a header, where they differ from today's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


def failure(service: str, status: int, code: str, message: str, *, form: bool = False) -> Answer:
    """Return an error in the service's own wire format; one that is not known is answered as most are."""
    request_id = str(uuid.uuid4())
    headers = {REQUEST_ID.get(service, _ID): request_id}
    if service == "s3":
        text = f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
        text += f"<RequestId>{request_id}</RequestId><HostId>chaosd</HostId></Error>"
        headers |= {"x-amz-id-2": "chaosd", "Content-Type": "application/xml"}
        return Answer(status=status, headers=headers, body=_xml(text))
    fault = "Sender" if status <= SENDER_FAULT_MAX else "Receiver"
    if form or service == "sts":
        namespace = _NAMESPACES.get(service, "")
        text = f'<ErrorResponse xmlns="{namespace}"><Error><Type>{fault}</Type>'
        text += f"<Code>{escape(_QUERY_CODES.get(code, code) if form else code)}</Code>"
        text += f"<Message>{escape(message)}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
        headers["Content-Type"] = "text/xml"
        return Answer(status=status, headers=headers, body=_xml(text))
    if service == "sqs":
        headers["x-amzn-query-error"] = f"{_QUERY_CODES.get(code, code)};{fault}"
    return as_json(
        service, {"__type": f"{_TYPES.get(service, '')}{code}", "message": message}, status=status, more=headers
    )


def as_json(service: str, content: object, *, status: int = 200, more: Mapping[str, str] | None = None) -> Answer:
    """Return an answer in JSON, with the check sum that DynamoDB's clients look at."""
    body = json.dumps(content).encode()
    headers = {"Content-Type": f"application/x-amz-json-{_JSON.get(service, '1.1')}", _ID: str(uuid.uuid4())}
    if service == "dynamodb":
        headers["x-amz-crc32"] = str(zlib.crc32(body))
    return Answer(status=status, headers=headers | dict(more or {}), body=body)


def plain(status: int, sentence: str) -> Answer:
    """Return an answer for people."""
    return Answer(
        status=status, headers={"Content-Type": "text/plain; charset=utf-8"}, body=f"{sentence}\n".encode()
    )


def _xml(text: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()
