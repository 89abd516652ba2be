"""The worker's input message (DESIGN §8): its fields, its formats, chaosd's mark on it, and the branch it asks for.

Names never repeat across runs: a worker that is idempotent by ``commandId`` must not take the first message of
today's run for the first message of yesterday's.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from daemon.core.cloud import Message

RUN_ATTRIBUTE = "chaosd-run"
STANDARD = "standard"
PLACEHOLDERS = ("sessionId", "commandId", "chatThreadId", "clientId", "instruction", "userId", "timestamp")
SEQUENCE_MOST = 16**5 - 1

_PLACEHOLDER = re.compile(r"\{(" + "|".join(PLACEHOLDERS) + r")\}")
_FIELD = re.compile(r"\{([A-Za-z_][\w.-]*)\}")
_TOKEN = re.compile(r"\[(c-[0-9a-f]{11})\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What one message asks of the worker; the names are the fields of DESIGN §8. ``timestamp_ms`` is epoch."""

    session: str
    command: str
    thread: str
    client: str
    instruction: str
    user: str
    timestamp_ms: int


def token(run: str, sequence: int) -> str:
    """Return the trace token of a run's message: fixed width, so none is the beginning of another.

    Raises ValueError beyond ``SEQUENCE_MOST`` messages in one run.
    """
    return f"c-{_trace(run, sequence)}"


def tokens(text: str) -> tuple[str, ...]:
    """Return the trace tokens in a text, in order, repeated ones repeated."""
    return tuple(_TOKEN.findall(text))


def command(
    run: str, sequence: int, *, timestamp_ms: int, instruction: str, session: int = 1, user: int = 1
) -> Command:
    """Make the run's message number ``sequence``: thread ``session`` of its own, token early in the instruction."""
    mine = _short(run)
    return Command(
        session=f"session-{mine}-{session}",
        command=f"cmd-{_trace(run, sequence)}",
        thread=f"thread-{mine}-{session}",
        client=f"chaosd-{mine}",
        instruction=f"[{token(run, sequence)}] {instruction}",
        user=f"test-user-{user}",
        timestamp_ms=timestamp_ms,
    )


def body(order: Command, form: str = STANDARD) -> str:
    """Write the message body in the target's format; raises ValueError when a template makes no JSON object."""
    values = _values(order)
    if form == STANDARD:
        return json.dumps(values, ensure_ascii=False)
    text = _PLACEHOLDER.sub(lambda found: _escaped(values[found[1]]), form)
    try:
        parsed = json.loads(text)
    except ValueError as error:
        known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
        raise ValueError(f"the message format makes no JSON ({error}); placeholders: {known}") from None
    if not isinstance(parsed, dict):
        raise ValueError("the message format makes no JSON object")  # noqa: TRY004  one error kind for callers
    return text


def attributes(order: Command, run: str) -> Mapping[str, str]:
    """Return the message attributes: the worker's two and the mark by which chaosd knows its own."""
    return {"sessionId": order.session, "commandId": order.command, RUN_ATTRIBUTE: run}


def message(order: Command, run: str, *, form: str = STANDARD, fifo: bool = False, copy: int = 0) -> Message:
    """Make the message to send: its group is the session; copies of one command differ only for a FIFO queue."""
    return Message(
        body=body(order, form),
        attributes=attributes(order, run),
        group=order.session if fifo else None,
        deduplication=f"{order.command}-{copy}" if fifo else None,
    )


def branch(template: str, text: str) -> str | None:
    """Return the branch a body asks for, e.g. from ``thread-{chatThreadId}``; dots reach into nested objects.

    None when the body is no JSON object or lacks a field of the template.
    """
    try:
        parsed = json.loads(text)
    except ValueError:
        return None
    found = {name: _look(parsed, name) for name in _FIELD.findall(template)}
    if any(value is None for value in found.values()):
        return None
    return _FIELD.sub(lambda match: str(found[match[1]]), template)


def size_bytes(sent: Message) -> int:
    """Return what SQS counts against its limits: the body and each attribute's name, type and value."""
    marks = sum(len(f"{name}String{value}".encode()) for name, value in sent.attributes.items())
    typed = sum(len(f"{n}{v.kind}{v.text}".encode()) + len(v.data) for n, v in sent.typed.items())
    return len(sent.body.encode()) + marks + typed


def _values(order: Command) -> Mapping[str, str | int]:
    return {
        "sessionId": order.session,
        "commandId": order.command,
        "chatThreadId": order.thread,
        "clientId": order.client,
        "instruction": order.instruction,
        "userId": order.user,
        "timestamp": order.timestamp_ms,
    }


def _escaped(value: str | int) -> str:
    # The template has its own quotes around what is text, and none around the number.
    return json.dumps(value, ensure_ascii=False)[1:-1] if isinstance(value, str) else str(value)


def _look(parsed: object, name: str) -> str | int | None:
    for part in name.split("."):
        if not isinstance(parsed, Mapping):
            return None
        parsed = parsed.get(part)
    return parsed if isinstance(parsed, str | int) else None


def _short(run: str) -> str:
    return hashlib.sha256(run.encode()).hexdigest()[:6]


def _trace(run: str, sequence: int) -> str:
    if not 0 <= sequence <= SEQUENCE_MOST:
        raise ValueError(f"message {sequence} is beyond the {SEQUENCE_MOST} that one run can name")
    return f"{_short(run)}{sequence:05x}"
