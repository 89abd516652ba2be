"""The messages of a burst: a pure function of a few numbers and a seed, so the undo record holds no bodies."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from random import Random
from typing import Any

from daemon.core.cloud import Message
from daemon.core.messages import Command, command, message, size_bytes
from daemon.core.model import Json
from faults.sqs.shapes import send_times

# What a body near the limit leaves free: SQS counts a little differently from queue to queue.
SLACK_BYTES = 1024
ORDINARY, DUPLICATE, MALFORMED, OVERSIZE = "ordinary", "duplicate", "malformed", "oversize"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """What to send. The counts of special messages are contained in ``messages``; ``at_ms`` is the first's epoch.

    Duplicates repeat an ordinary message before them, with the same ``commandId``. Malformed ones are no
    message of the format. Oversize ones are as large as the queue takes, less ``SLACK_BYTES``: the worker must
    cope with them, and larger ones SQS would not take at all.
    """

    run: str
    seed: int
    shape: str
    messages: int
    rate: float
    sessions: int
    users: int
    duplicates: int
    malformed: int
    oversize: int
    instruction: str
    form: str
    fifo: bool
    max_message_bytes: int
    at_ms: int

    def data(self) -> Mapping[str, Json]:
        return asdict(self)

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "Mix":
        return cls(**data)

    def kinds(self) -> tuple[str, ...]:
        """Return the kind of each message. The first is ordinary when others are to be its duplicates."""
        special = (DUPLICATE,) * self.duplicates + (MALFORMED,) * self.malformed + (OVERSIZE,) * self.oversize
        places = Random(self.seed).sample(range(1 if self.duplicates else 0, self.messages), len(special))  # noqa: S311
        kinds = [ORDINARY] * self.messages
        for place, kind in zip(places, special, strict=True):
            kinds[place] = kind
        return tuple(kinds)

    def timed(self) -> Iterator[tuple[float, Message]]:
        """Yield each message with its due time in seconds after the start."""
        dice = Random(f"{self.seed}/mix")  # noqa: S311  a seed must reproduce a run
        sessions = [1 + n % self.sessions for n in range(self.messages)]
        dice.shuffle(sessions)
        due = send_times(self.shape, self.messages, self.rate)
        ordinary: list[int] = []
        for n, kind in enumerate(self.kinds()):
            if kind == ORDINARY:
                ordinary.append(n)
            origin = dice.choice(ordinary) if kind == DUPLICATE else n
            order = self._command(origin, sessions[origin], due[origin])
            yield due[n], self._message(order, kind, copy=n - origin)

    def _command(self, n: int, session: int, due_s: float) -> Command:
        return command(
            self.run,
            n,
            timestamp_ms=self.at_ms + int(due_s * 1000),
            instruction=self.instruction,
            session=session,
            user=1 + (session - 1) % self.users,
        )

    def _message(self, order: Command, kind: str, *, copy: int) -> Message:
        plain = message(order, self.run, form=self.form, fifo=self.fifo, copy=copy)
        if kind == MALFORMED:
            return replace(plain, body=malformed(plain.body, order.timestamp_ms))
        if kind == OVERSIZE:
            grown = padded(order, self.max_message_bytes - size_bytes(plain))
            return message(grown, self.run, form=self.form, fifo=self.fifo, copy=copy)
        return plain


def padded(order: Command, room: int) -> Command:
    """Return the command with an instruction that takes ``room`` more bytes, less ``SLACK_BYTES``."""
    return replace(order, instruction=f"{order.instruction} {'x' * max(0, room - SLACK_BYTES - 1)}")


def malformed(body: str, pick: int) -> str:
    """Return one of a few bodies no worker can handle: cut off, no JSON, another kind, empty, nulls."""
    variants = (
        body[: max(1, len(body) // 2)],
        "this is not a message",
        json.dumps([body]),
        "{}",
        json.dumps({"sessionId": None, "instruction": None}),
    )
    return variants[pick % len(variants)]
