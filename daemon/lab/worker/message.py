"""The standard message: what the worker accepts, and what it refuses for good."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

INSTRUCTION_CHARACTERS_MAX = 16_384
NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.)){0,126}[A-Za-z0-9_-]|[A-Za-z0-9]")


class MalformedMessage(Exception):  # noqa: N818 - it says what the message is
    """The message can never be worked on, however often it is delivered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One instruction of one session, to be carried out on the branch of its thread exactly once."""

    session_id: str
    command_id: str
    thread_id: str
    instruction: str
    branch: str

    @property
    def path(self) -> str:
        """The file that this session's edits go to; no other session writes there."""
        return f"content/{self.session_id}.md"

    @property
    def line(self) -> str:
        """The edit itself: one line."""
        return f"{self.instruction} [{self.command_id}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One delivery from a queue; ``receives`` counts the deliveries, this one included."""

    body: str
    receipt: str
    receives: int
    queue_url: str


def parse(body: str, branch_template: str) -> Command:
    """Read a message body. Raises MalformedMessage, which says what is wrong with it."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MalformedMessage(f"not JSON: {error}") from error
    if not isinstance(data, Mapping):
        raise MalformedMessage(f"not an object but {type(data).__name__}")
    # File and branch are named after these, so they must be plain names.
    thread = _name(data, "chatThreadId")
    instruction = data.get("instruction")
    if not isinstance(instruction, str) or not instruction.strip():
        raise MalformedMessage("no instruction")
    if len(instruction) > INSTRUCTION_CHARACTERS_MAX:
        raise MalformedMessage(
            f"instruction of {len(instruction)} characters, at most {INSTRUCTION_CHARACTERS_MAX}"
        )
    return Command(
        session_id=_name(data, "sessionId"),
        command_id=_name(data, "commandId"),
        thread_id=thread,
        instruction=" ".join(_printable(instruction).split()),
        branch=branch_template.replace("{chatThreadId}", thread),
    )


def answer_fields(body: str) -> dict[str, Any]:
    """Return what can be read of a refused message's sender, for the answer."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(data, Mapping):
        return {}
    return {name: data[name] for name in ("sessionId", "commandId", "chatThreadId") if name in data}


def _name(data: Mapping[str, Any], field: str) -> str:
    value = data.get(field)
    if not isinstance(value, str) or not NAME.fullmatch(value) or value.endswith(".lock"):
        raise MalformedMessage(f"{field} is missing or not a plain name")
    return value


def _printable(text: str) -> str:
    # Lone surrogates cannot be written to a file, control characters would break the line apart.
    clean = text.encode("utf-8", "replace").decode("utf-8")
    return "".join(c if c.isprintable() else " " for c in clean)
