"""SQS, S3 and CloudWatch Logs in memory, as far as chaosd uses them; time comes from the fake clock."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from daemon.core.cloud import (
    LogEvent,
    Message,
    QueueFacts,
    Received,
    StoredObject,
)
from daemon.core.errors import TargetAbsentError


@dataclass
class _Item:
    id: str
    message: Message
    visible_at_s: float = 0.0
    receives: int = 0
    handle: str = ""


@dataclass
class _FakeQueue:
    fifo: bool = False
    visibility_s: float = 30.0
    max_receives: int | None = None
    dead_letter: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    items: list[_Item] = field(default_factory=list)
    deduplicated: set[str] = field(default_factory=set)


class FakeSqs:
    """Queues with visibility, receive counts, dead-letter queues, FIFO groups and deduplication."""

    max_message_bytes = 1_048_576
    created_s = 1.0

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self._queues: dict[str, _FakeQueue] = {}
        self._ids = itertools.count(1)
        self.once: list[bool] = []
        self.refuses: Callable[[str, Message], str | None] = lambda _url, _message: None

    def add(self, url: str, **facts: Any) -> None:
        self._queues[url] = _FakeQueue(fifo=url.endswith(".fifo"), **facts)

    def facts(self, url: str) -> QueueFacts:
        queue, now_s = self._queue(url), self._now_s()
        visible = sum(i.visible_at_s <= now_s for i in queue.items)
        return QueueFacts(
            visible=visible,
            in_flight=len(queue.items) - visible,
            delayed=0,
            fifo=queue.fifo,
            visibility_s=queue.visibility_s,
            max_receives=queue.max_receives,
            dead_letter_url=queue.dead_letter,
            max_message_bytes=self.max_message_bytes,
            created_s=self.created_s,
        )

    def tags(self, url: str) -> Mapping[str, str]:
        return self._queue(url).tags

    def send(self, url: str, batch: Sequence[Message]) -> tuple[str | None, ...]:
        assert 1 <= len(batch) <= 10, "SQS takes 1 to 10 messages in a batch"
        return tuple(self._send_one(url, m) for m in batch)

    def receive(
        self, url: str, *, most: int = 10, wait_s: float = 0, visibility_s: float = 30, once: bool = False
    ) -> tuple[Received, ...]:
        self.once.append(once)
        assert 1 <= most <= 10, "SQS gives 1 to 10 messages"
        if wait_s and not self._ready(url):
            self._clock.advance(wait_s)
        taken = self._ready(url)[:most]
        return tuple(self._take(i, ceil(visibility_s)) for i in taken)  # as SQS, which counts whole seconds

    def delete(self, url: str, handles: Sequence[str]) -> tuple[str | None, ...]:
        queue = self._queue(url)
        queue.items = [i for i in queue.items if not i.handle or i.handle not in handles]
        return tuple(None for _ in handles)

    def release(self, url: str, handles: Sequence[str]) -> None:
        for item in self._queue(url).items:
            if item.handle and item.handle in handles:
                item.visible_at_s = 0.0

    def state(self) -> dict[str, list[str]]:
        """Return what lies in each queue, in flight or not."""
        return {url: sorted(i.message.body for i in q.items) for url, q in self._queues.items()}

    def receives(self, url: str) -> dict[str, int]:
        """Return how often each message was received, by its body."""
        return {i.message.body: i.receives for i in self._queue(url).items}

    def hidden(self, url: str) -> list[str]:
        """Return the bodies of what is invisible now."""
        return sorted(i.message.body for i in self._queue(url).items if i.visible_at_s > self._now_s())

    def messages(self, url: str) -> tuple[Message, ...]:
        return tuple(i.message for i in self._queue(url).items)

    def _send_one(self, url: str, message: Message) -> str | None:
        queue = self._queue(url)
        refused = self.refuses(url, message)
        if refused is not None:
            return refused
        if len(message.body.encode()) > self.max_message_bytes:
            return "InvalidParameterValue"
        if queue.fifo:
            assert message.group, "a FIFO message needs a group"
            if message.deduplication in queue.deduplicated:
                return None
            queue.deduplicated.add(message.deduplication or message.body)
        queue.items.append(_Item(f"m-{next(self._ids)}", message))
        return None

    def _ready(self, url: str) -> list[_Item]:
        queue, now_s = self._queue(url), self._now_s()
        self._bury(queue, now_s)
        busy = {i.message.group for i in queue.items if queue.fifo and i.visible_at_s > now_s}
        return [
            i for i in queue.items if i.visible_at_s <= now_s and (not queue.fifo or i.message.group not in busy)
        ]

    def _bury(self, queue: _FakeQueue, now_s: float) -> None:
        if queue.max_receives is None or queue.dead_letter is None:
            return
        dead = [i for i in queue.items if i.visible_at_s <= now_s and i.receives >= queue.max_receives]
        queue.items = [i for i in queue.items if i not in dead]
        self._queue(queue.dead_letter).items.extend(dead)

    def _take(self, item: _Item, visibility_s: float) -> Received:
        item.receives += 1
        item.visible_at_s = self._now_s() + visibility_s
        item.handle = f"{item.id}-{item.receives}"
        return Received(
            id=item.id,
            handle=item.handle,
            body=item.message.body,
            attributes=dict(item.message.attributes),
            receives=item.receives,
            group=item.message.group,
            typed=dict(item.message.typed),
        )

    def _queue(self, url: str) -> _FakeQueue:
        if url not in self._queues:
            raise TargetAbsentError(f"no queue {url}")
        return self._queues[url]

    def _now_s(self) -> float:
        return float(self._clock.instant().wall_s)


class FakeS3:
    """Objects by bucket and key."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self._objects: dict[tuple[str, str], tuple[StoredObject, bytes]] = {}
        self._etags = itertools.count(1)

    def upload(self, bucket: str, key: str, body: bytes, **metadata: str) -> None:
        head = StoredObject(
            etag=f"etag-{next(self._etags)}",
            modified_s=self._clock.instant().wall_s,
            size=len(body),
            metadata=metadata,
        )
        self._objects[bucket, key] = head, body

    def head(self, bucket: str, key: str) -> StoredObject | None:
        found = self._objects.get((bucket, key))
        return found[0] if found else None

    def get(self, bucket: str, key: str) -> bytes | None:
        found = self._objects.get((bucket, key))
        return found[1] if found else None


class FakeLogs:
    """Log events by group."""

    def __init__(self) -> None:
        self.groups: dict[str, list[LogEvent]] = {}

    def events(self, group: str, *, since_s: float, until_s: float, pattern: str = "") -> tuple[LogEvent, ...]:
        if group not in self.groups:
            raise TargetAbsentError(f"no log group {group}")
        words = [w.strip('"?') for w in pattern.split()]
        return tuple(
            e
            for e in self.groups[group]
            if since_s <= e.at_s <= until_s and (not words or any(w in e.message for w in words))
        )
