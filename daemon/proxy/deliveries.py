"""What SQS delivers: a message twice, or for a shorter time than the worker asked. Pure.

Both change bodies only; the check sums of a message are of its body and attributes, which stay as they were.
"""

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from daemon.core.proxying import Rule

RECEIVE = "ReceiveMessage"
VISIBLE = frozenset({RECEIVE, "ChangeMessageVisibility", "ChangeMessageVisibilityBatch"})
REMEMBERED = 100  # messages of each queue, and
REMEMBERED_BYTES = 8 << 20  # of all queues together
_ONCE_MOST = 10  # what one receive may ask for


@dataclass(slots=True)
class _Delivered:
    message: dict[str, Any]
    size: int
    call: int
    copies: int = 0


@dataclass(slots=True)
class _Queue:
    calls: int = 0
    delivered: deque[_Delivered] = field(default_factory=deque)


class Deliveries:
    """What was delivered while a rule of ``duplicate-delivery`` was in force, so that it can be delivered again."""

    def __init__(self) -> None:
        self._queues: dict[tuple[str, str], _Queue] = {}
        self._bytes = 0

    def asked(self, injection: str, queue: str) -> None:
        """Count one receive."""
        self._queue(injection, queue).calls += 1

    def due(self, rule: Rule, queue: str) -> bool:
        """Tell whether a message waits for its next delivery by this rule."""
        return self._next(rule, queue) is not None

    def again(self, rule: Rule, queue: str) -> dict[str, Any] | None:
        """Return a message to deliver again, with its receive count one higher; None when none is due."""
        one = self._next(rule, queue)
        if one is None:
            return None
        one.copies += 1
        # Each delivery counts, as SQS counts: a worker that gives up after so many receives must see them.
        attributes = one.message.get("Attributes")
        told = attributes.get("ApproximateReceiveCount") if isinstance(attributes, dict) else None
        if isinstance(attributes, dict) and isinstance(told, str) and told.isdigit():
            attributes["ApproximateReceiveCount"] = str(int(told) + 1)
        if one.copies >= _copies(rule):
            self._forget(rule.injection, queue, one)
        return dict(one.message)

    def remember(self, injection: str, queue: str, answer: bytes) -> None:
        """Take note of what an answer delivers; the oldest is forgotten beyond the bounds."""
        place = self._queue(injection, queue)
        for message in _messages(answer):
            size = len(json.dumps(message))
            if size > REMEMBERED_BYTES:
                continue
            place.delivered.append(_Delivered(message=message, size=size, call=place.calls))
            self._bytes += size
            while len(place.delivered) > REMEMBERED:
                self._bytes -= place.delivered.popleft().size
        while self._bytes > REMEMBERED_BYTES:
            fullest = max(self._queues.values(), key=lambda q: sum(d.size for d in q.delivered))
            self._bytes -= fullest.delivered.popleft().size

    def keep_only(self, injections: frozenset[str]) -> None:
        """Forget what rules that are out of force had delivered."""
        for key in [key for key in self._queues if key[0] not in injections]:
            self._bytes -= sum(d.size for d in self._queues.pop(key).delivered)

    def _queue(self, injection: str, queue: str) -> _Queue:
        return self._queues.setdefault((injection, queue), _Queue())

    def _next(self, rule: Rule, queue: str) -> _Delivered | None:
        place = self._queues.get((rule.injection, queue))
        if place is None:
            return None
        after = max(1, int(rule.parameters.get("after_calls", 1)))
        return next((d for d in place.delivered if place.calls - d.call >= after * (d.copies + 1)), None)

    def _forget(self, injection: str, queue: str, one: _Delivered) -> None:
        self._queue(injection, queue).delivered.remove(one)
        self._bytes -= one.size


def _copies(rule: Rule) -> int:
    return max(1, int(rule.parameters.get("copies", 1)))


def room_for_one(body: bytes) -> bytes | None:
    """Return the request for what may come beside one message more, without waiting; None when that is nothing."""
    found = _object(body)
    most = found.get("MaxNumberOfMessages", 1)
    if not isinstance(most, int) or most <= 1:
        return None
    found |= {"MaxNumberOfMessages": min(most, _ONCE_MOST) - 1, "WaitTimeSeconds": 0}
    return json.dumps(found).encode()


def joined(answer: bytes, message: Mapping[str, Any]) -> bytes:
    """Return an answer that delivers one message more."""
    found = _object(answer)
    found["Messages"] = [*_messages(answer), dict(message)]
    return json.dumps(found).encode()


def shortened(operation: str, body: bytes, visibility_s: int) -> bytes:
    """Return the request with that visibility timeout: always on a receive, else where it asks for more."""
    found = _object(body)
    if operation == RECEIVE:
        found["VisibilityTimeout"] = visibility_s
    for one in (found, *(e for e in found.get("Entries") or () if isinstance(e, dict))):
        asked = one.get("VisibilityTimeout")
        if isinstance(asked, int):
            one["VisibilityTimeout"] = min(asked, visibility_s)
    return json.dumps(found).encode() if found else body


def _messages(answer: bytes) -> list[dict[str, Any]]:
    found = _object(answer).get("Messages")
    return [m for m in found if isinstance(m, dict)] if isinstance(found, list) else []


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
