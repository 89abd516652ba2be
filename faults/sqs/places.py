"""The queues a message sent to the worker may end up in."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from daemon.core.errors import ConfigError, RefusedError, TargetAbsentError
from daemon.core.messages import body, command
from daemon.core.model import Json, Order, Undo
from daemon.core.seams import World
from daemon.core.target import Queue
from faults.sqs.receives import Brink, check_note

MARGIN_S = 5.0
WAIT_MOST_S = 1800.0


@dataclass(frozen=True, slots=True)
class Place:
    """A queue our messages may be in, and its role for the reader: ``input``, ``interrupts``, ``dead-letter``."""

    role: str
    url: str


def places(queue: Queue, world: World, *, separate: bool = False) -> tuple[Place, ...]:
    """Return where messages sent to a target's queue may end up; looks at each once, so that sweeping can work.

    Raises RefusedError when one receive is already too many there, or could be the last of a message met before;
    TargetAbsentError when a queue is absent.
    """
    roles = [("input", queue.url)]
    if separate and queue.interrupts:
        roles.append(("interrupts", queue.interrupts))
    found = [Place(role, url) for role, url in roles]
    for role, url in roles:
        facts = world.sqs.facts(url)
        if facts.max_receives is not None and facts.max_receives <= 1:
            raise RefusedError(
                f"nothing was sent: {url} moves a message to its dead-letter queue after a single receive,"
                " so chaosd could not look for its own without pushing others there",
                rule="max-receives",
                hint="raise the queue's maxReceiveCount to 2 or more",
            )
        check_note(url, facts, world, done="sent")
        dead = (queue.dead_letter if role == "input" else None) or facts.dead_letter_url
        if dead is not None and dead not in {place.url for place in found}:
            check_note(dead, world.sqs.facts(dead), world, done="sent")
            found.append(Place("dead-letter", dead))
    return tuple(found)


def admitted(found: Sequence[Place], world: World) -> None:
    """Forget what was noted of the places before the fault was admitted; called before anything is sent there.

    Else it had been refused: the note was old, or the queue empty. What is sent now would bring it to life again.
    """
    for place in found:
        Brink(place.url).forget(world)


def wait_s(found: Sequence[Place], world: World) -> float:
    """Return how long a sweep may take: twice the time a dead worker's message stays hidden, and a minute."""
    hidden_s = max(world.sqs.facts(place.url).visibility_s for place in found)
    return min(WAIT_MOST_S, 2 * (hidden_s + MARGIN_S) + 60)


def target_queue(order: Order) -> Queue:
    """Return the target's queue; raises TargetAbsentError without one, ConfigError when its format is broken."""
    if order.target.queue is None:
        raise TargetAbsentError(
            f"nothing was sent: the target {order.target.name} names no queue",
            hint="set targets.<name>.queue.url",
        )
    try:
        # A format that makes no message must not be found out after the first one was sent.
        body(command("check", 0, timestamp_ms=0, instruction="check"), order.target.queue.format)
    except ValueError as error:
        raise ConfigError(
            f"nothing was sent: queue.format of the target {order.target.name} does not work: {error}",
            hint="write `standard`, or a JSON object with placeholders such as {instruction}",
        ) from None
    return order.target.queue


def recorded(found: Sequence[Place]) -> Json:
    """Return the places as data for an undo record."""
    return tuple({"role": place.role, "url": place.url} for place in found)


def places_of(undo: Undo) -> tuple[Place, ...]:
    """Return the places of an undo record."""
    found: Any = undo.data["places"]
    return tuple(Place(place["role"], place["url"]) for place in found)
