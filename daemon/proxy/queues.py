"""Queue URLs, from our address to the real one in requests and back in answers. Pure.

A URL is the only thing of SQS that holds an address. Everything else in a body is passed on byte for byte: JSON
values are not even decoded.
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec

from daemon.proxy.naming import fields, text

TELL_URLS = frozenset({"GetQueueUrl", "ListQueues", "CreateQueue", "ListDeadLetterSourceQueues"})
_KEYS = ("QueueUrls", "queueUrls")  # the second is what ListDeadLetterSourceQueues answers
T = TypeVar("T")
_IN_XML = re.compile(rb"(<QueueUrl>)([^<]*)(</QueueUrl>)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a client found us, and where its service really is; both without a slash at the end.

    ``names`` are all the HOST:PORT under which we are found; ``ours`` is the base this client used. What begins
    with the secret ``prefix`` is ours under whatever name: the secret must not leave us.
    """

    ours: str
    real: str
    names: Collection[str]
    prefix: str = ""

    def outward(self, url: str) -> str:
        """Return the real URL of a queue that was named by ours; another is returned as it is."""
        parts = urlsplit(url)
        if parts.netloc.lower() not in self.names and not (
            self.prefix and parts.path.startswith(f"{self.prefix}/")
        ):
            return url
        return f"{self.real}{parts.path.removeprefix(self.prefix)}"

    def inward(self, url: str) -> str:
        """Return a queue's URL at our address: all that SQS tells is reached through us."""
        return f"{self.ours}{urlsplit(url).path}"


def in_request(body: bytes, address: Address, *, form: bool) -> bytes:
    """Return the body of a request with the real queue's URL."""
    if form:
        pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
        wanted = [(key, address.outward(value) if key == "QueueUrl" else value) for key, value in pairs]
        return body if wanted == pairs else urlencode(wanted).encode()
    found = fields(body)
    url = text(found, "QueueUrl")
    real = address.outward(url) if url else url
    if real == url:
        return body
    found["QueueUrl"] = msgspec.Raw(msgspec.json.encode(real))
    return msgspec.json.encode(found)


def in_answer(body: bytes, address: Address) -> bytes:
    """Return the body of an answer with queues at our address."""
    if body.lstrip().startswith(b"<"):
        return _IN_XML.sub(lambda m: m[1] + address.inward(m[2].decode("utf-8", "replace")).encode() + m[3], body)
    found = fields(body)
    changed = False
    if "QueueUrl" in found:
        changed |= _change(found, "QueueUrl", str, address.inward)
    for key in (key for key in _KEYS if key in found):
        changed |= _change(found, key, list[str], lambda urls: [address.inward(url) for url in urls])
    return msgspec.json.encode(found) if changed else body


def _change(found: dict[str, msgspec.Raw], key: str, kind: type[T], change: Callable[[T], T]) -> bool:
    try:
        value = msgspec.json.decode(found[key], type=kind)
    except msgspec.DecodeError:
        return False
    found[key] = msgspec.Raw(msgspec.json.encode(change(value)))
    return True
