"""What an AWS call is: its service, operation and resource, read from the request alone. Pure.

Names are those of the SDKs' own models. What cannot be named is refused or stays empty; nothing is guessed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

import msgspec

from daemon.core.proxying import SERVICES

FORM = "application/x-www-form-urlencoded"
OTHER = "other"
_CREDENTIAL = re.compile(r"Credential=[^,\s]*?/(\d{8})/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request\b")
_OPERATION = re.compile(r"[A-Za-z][A-Za-z0-9]{0,63}")
_DECODE = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """One call by name. ``form``: it came in the older Query protocol. ``resource`` is as ``Match`` says."""

    operation: str
    resource: str = ""
    form: bool = False


@dataclass(frozen=True, slots=True)
class Scope:
    """What a signature is for."""

    service: str
    region: str


class UnsignedError(Exception):
    """The request bears no signature that says which service it is for; the text says so in plain words."""


def scope(authorization: str) -> Scope:
    """Read service and region from a signature's scope, not the signature itself; raises UnsignedError."""
    found = _CREDENTIAL.search(authorization)
    if not authorization.startswith("AWS4-HMAC-SHA256 ") or found is None:
        raise UnsignedError("it bears no AWS Signature Version 4, so nobody knows for which service it is")
    return Scope(service=found[3], region=found[2])


def name(service: str, method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> Named:
    """Name one call. ``target`` is path and query as sent, ``body`` None where it is streamed (S3)."""
    if service == "s3":
        return _s3(method, target, headers)
    if headers.get("Content-Type", "").startswith(FORM):
        form = dict(parse_qsl((body or b"").decode("utf-8", "replace"), keep_blank_values=True))
        operation = _operation(form.get("Action", ""))
        url = form.get("QueueUrl") or target.partition("?")[0]
        return Named(operation=operation, resource=_queue(url, form.get("QueueName", "")), form=True)
    operation = _operation(headers.get("X-Amz-Target", "").rpartition(".")[2])
    return Named(operation=operation, resource=_RESOURCES[service](fields(body)) if service in _RESOURCES else "")


def fields(body: bytes | None) -> dict[str, msgspec.Raw]:
    """Return the top of a JSON object, each value as it was written; empty when it is none."""
    try:
        return _DECODE.decode(body or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}


def text(found: Mapping[str, msgspec.Raw], *keys: str) -> str:
    """Return the first of these that is there and a text; empty when none is."""
    for key in keys:
        if key in found:
            try:
                return msgspec.json.decode(found[key], type=str)
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
    return ""


def _operation(word: str) -> str:
    """Return the word if it can be an operation's name: what a client makes up must not grow our counters."""
    return word if _OPERATION.fullmatch(word) else OTHER


# --- JSON ------------------------------------------------------------------------------------------------


def _queue(url: str, queue_name: str) -> str:
    return queue_name or url.rstrip("/").rpartition("/")[2]


def _last(arn: str, mark: str) -> str:
    return arn.rpartition(mark)[2]


def _cluster(found: Mapping[str, msgspec.Raw]) -> str:
    return _last(text(found, "cluster", "clusterName"), "/") or "default"


def _log_group(found: Mapping[str, msgspec.Raw]) -> str:
    identifier = text(found, "logGroupIdentifier")
    return text(found, "logGroupName") or _last(identifier.removesuffix(":*"), ":")


def _table(found: Mapping[str, msgspec.Raw]) -> str:
    """Return the table; of a batch, the first."""
    one = text(found, "TableName")
    if not one and "RequestItems" in found:
        one = next(iter(fields(bytes(found["RequestItems"]))), "")
    return _last(one, "/")


def _machine(found: Mapping[str, msgspec.Raw]) -> str:
    """Return the state machine's name: ``arn:aws:states:REGION:ACCOUNT:stateMachine|execution:NAME[:...]``."""
    parts = text(found, "stateMachineArn", "executionArn").split(":")
    return parts[6] if len(parts) > 6 else text(found, "name")  # noqa: PLR2004  the place of a name in an ARN


_RESOURCES: Mapping[str, Any] = {
    "sqs": lambda found: _queue(text(found, "QueueUrl"), text(found, "QueueName")),
    "ecs": _cluster,
    "logs": _log_group,
    "dynamodb": _table,
    "states": _machine,
}
assert set(_RESOURCES) < set(SERVICES)  # noqa: S101  the vocabulary is one

# --- S3 --------------------------------------------------------------------------------------------------

_VERBS = {"GET": "Get", "HEAD": "Head", "PUT": "Put", "DELETE": "Delete"}
_BUCKET: Mapping[tuple[str, str], str] = {
    ("GET", ""): "ListObjects",
    ("GET", "list-type"): "ListObjectsV2",
    ("GET", "uploads"): "ListMultipartUploads",
    ("GET", "versions"): "ListObjectVersions",
    ("PUT", ""): "CreateBucket",
    ("POST", "delete"): "DeleteObjects",
}
_OBJECT: Mapping[tuple[str, str], str] = {
    ("PUT", "uploadId"): "UploadPart",
    ("POST", "uploads"): "CreateMultipartUpload",
    ("POST", "uploadId"): "CompleteMultipartUpload",
    ("DELETE", "uploadId"): "AbortMultipartUpload",
    ("GET", "uploadId"): "ListParts",
    ("POST", "restore"): "RestoreObject",
    ("POST", "select"): "SelectObjectContent",
}
_COPIES = {"PutObject": "CopyObject", "UploadPart": "UploadPartCopy"}
_SUBRESOURCES = (
    *(
        "uploadId",
        "uploads",
        "list-type",
        "versions",
        "delete",
        "restore",
        "select",
        "acl",
        "tagging",
        "attributes",
    ),
    *("legal-hold", "retention", "torrent", "location", "policy", "cors", "versioning", "encryption", "website"),
    *("logging", "replication", "requestPayment", "policyStatus", "ownershipControls"),
)
_UNNAMED = frozenset(
    {
        *("accelerate", "analytics", "intelligent-tiering", "inventory", "lifecycle", "metadataTable", "metrics"),
        *("notification", "object-lock", "publicAccessBlock", "session"),
    }
)
"""Parts whose operations follow no rule: better no name than that of the bucket itself."""


def _s3(method: str, target: str, headers: Mapping[str, str]) -> Named:
    path, _, query = target.partition("?")
    bucket, _, key = path.removeprefix("/").partition("/")
    resource = unquote(f"{bucket}/{key}" if key else bucket)
    if not bucket:
        return Named(operation="ListBuckets" if method == "GET" else OTHER)
    asked = {pair.partition("=")[0] for pair in query.split("&")}
    bare = {pair for pair in query.split("&") if pair and "=" not in pair}
    if asked & _UNNAMED or bare - {*_SUBRESOURCES}:
        return Named(operation=OTHER, resource=resource)
    sub = next((one for one in _SUBRESOURCES if one in asked), "")
    operation = (_OBJECT if key else _BUCKET).get((method, sub))
    if operation is None and method in _VERBS:
        shown = "".join(word[:1].upper() + word[1:] for word in sub.split("-"))
        operation = f"{_VERBS[method]}{'Object' if key else 'Bucket'}{shown}"
    if operation in _COPIES and "X-Amz-Copy-Source" in headers:
        operation = _COPIES[operation]
    return Named(operation=operation or OTHER, resource=resource)
