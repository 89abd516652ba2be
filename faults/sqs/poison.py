"""Send messages that no worker can handle."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any, ClassVar

from daemon.core.calls import SEND_INPUT, SWEEP_INPUT, Call
from daemon.core.cloud import Message
from daemon.core.errors import ConfigError
from daemon.core.messages import RUN_ATTRIBUTE, command, message, size_bytes
from daemon.core.model import Mode, Order, Resource, Reversion, Undo
from daemon.core.parameters import parameter
from daemon.core.seams import Flag, World
from daemon.core.target import Queue
from faults.sqs.marks import reverted
from faults.sqs.mix import padded
from faults.sqs.places import admitted, places, places_of, recorded, target_queue, wait_s
from faults.sqs.sending import lanes, send
from faults.sqs.shapes import batches

NOT_JSON, MISSING_FIELD, WRONG_TYPE, HUGE, UNKNOWN = (
    "not-json",
    "missing-field",
    "wrong-type",
    "huge",
    "unknown-command",
)
MODES = (
    Mode(NOT_JSON, "the body is cut off in the middle"),
    Mode(MISSING_FIELD, "a field of the format is not there; each message lacks another one"),
    Mode(WRONG_TYPE, "a field is a list where a text belongs; each message has another one"),
    Mode(HUGE, "as large as the queue takes, nearly all of it one instruction"),
    Mode(UNKNOWN, "well-formed, and asks for something no worker knows"),
)
KINDS = ("type", "command", "action", "kind", "event", "op")  # how formats name what is asked for
UNKNOWN_WORD = "chaosd-unknown"
SENDING_S = 30.0
INSTRUCTION = "Add one line to the page."


@dataclass(frozen=True, slots=True, kw_only=True)
class SqsPoison:
    """Sends ``messages`` marked messages, each in a session of its own, that are wrong in one way.

    A worker should refuse them and go on. Revert removes what is marked and left, dead-letter queue included.
    """

    name: ClassVar[str] = "sqs-poison"
    summary: ClassVar[str] = "Sends marked messages that the worker cannot handle"
    modes: ClassVar[tuple[Mode, ...]] = MODES
    touches: ClassVar[Resource] = Resource.QUEUE
    calls: ClassVar[tuple[Call, ...]] = (*SEND_INPUT, *SWEEP_INPUT)

    mode: str = parameter(NOT_JSON, "what is wrong with them", choices=tuple(m.name for m in MODES))
    messages: int = parameter(1, "how many messages", least=1, most=1000)
    field: str = parameter(
        "", "the field that is missing, of the wrong type, or names what is asked for (empty: one after the other)"
    )

    def prepare(self, order: Order, world: World) -> Undo:
        queue = target_queue(order)
        found, facts = places(queue, world), world.sqs.facts(queue.url)
        data = {
            "run": order.injection,
            "url": queue.url,
            "mode": self.mode,
            "messages": self.messages,
            "field": self.field,
            "first": order.dice.getrandbits(16),
            "form": queue.format,
            "fifo": facts.fifo,
            "room": facts.max_message_bytes,
            "at_ms": int(world.clock.now().timestamp() * 1000),
            "places": recorded(found),
        }
        self._check(data, queue)
        return Undo(
            fault=self.name,
            mode=self.mode,
            victim={"queue": queue.url, "messages": self.messages},
            actions=(
                f"send {self.messages} messages to {queue.url} that are wrong: {self.mode}",
                f"mark each with the attribute {RUN_ATTRIBUTE}={order.injection}",
                f"afterwards remove what is left of them from {', '.join(place.url for place in found)}",
            ),
            data=data,
            wait_s=wait_s(found, world),
            takes_s=SENDING_S,
        )

    @classmethod
    def inject(cls, undo: Undo, world: World, stop: Flag) -> None:
        data: Any = undo.data
        sent = [(0.0, poison(data, number)) for number in range(data["messages"])]
        admitted(places_of(undo), world)
        send(data["url"], batches(sent, room=data["room"]), world, stop, width=lanes(0.0, fifo=data["fifo"]))

    @classmethod
    def revert(cls, undo: Undo, world: World) -> Reversion:
        data: Any = undo.data
        return reverted(data["run"], places_of(undo), data["messages"], world, within_s=undo.wait_s)

    def _check(self, data: Mapping[str, Any], queue: Queue) -> None:
        fields = json.loads(_plain(data, 0).body)
        if self.mode in {MISSING_FIELD, WRONG_TYPE} and self.field and self.field not in fields:
            raise ConfigError(
                f"nothing was sent: a message to {queue.url} has no field {self.field!r}",
                hint=f"its fields are {', '.join(sorted(fields))}",
            )


def poison(data: Mapping[str, Any], number: int) -> Message:
    """Return the message of that number: a pure function of an undo record."""
    sound = _plain(data, number)
    fields: dict[str, Any] = json.loads(sound.body)
    names = sorted(fields)
    name = data["field"] or names[(data["first"] + number) % len(names)]
    match data["mode"]:
        case "not-json":
            # Never at its end: without the last brace at least it is no JSON.
            cut = Random(data["first"] + number).randrange(1, len(sound.body))  # noqa: S311  reproducible
            return replace(sound, body=sound.body[:cut])
        case "missing-field":
            del fields[name]
        case "wrong-type":
            fields[name] = [fields[name]]
        case "unknown-command":
            kind = data["field"] or next((one for one in KINDS if one in fields), KINDS[0])
            fields[kind] = UNKNOWN_WORD
        case _:
            return _plain(data, number, room=data["room"] - size_bytes(sound))
    return replace(sound, body=json.dumps(fields, ensure_ascii=False))


def _plain(data: Mapping[str, Any], number: int, *, room: int = 0) -> Message:
    order = command(data["run"], number, timestamp_ms=data["at_ms"], instruction=INSTRUCTION, session=1 + number)
    grown = padded(order, room) if room else order
    return message(grown, data["run"], form=data["form"], fifo=data["fifo"])
