"""What a fault or probe asks of AWS, declared: which verb of which port, on which part of its target.

From these the least-privilege policy is made (``core.iam``); the contract suite lets every fault and probe run
and fails when one calls what it did not declare.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

_SEND = "sqs.send"


class On(StrEnum):
    """A part of a target, as the configuration names it."""

    SERVICE = "ecs"
    INPUT = "queue.url"
    INTERRUPTS = "queue.interrupts"
    DEAD_LETTER = "queue.dead_letter"
    RESPONSES = "queue.responses"
    DEPLOYMENT = "deployment"
    LOGS = "logs"


@dataclass(frozen=True, slots=True)
class Call:
    """One verb of a port (``sqs.send``) on one part of the target."""

    verb: str
    on: On


def calls(on: On, *verbs: str) -> tuple[Call, ...]:
    """Return several verbs on one part."""
    return tuple(Call(verb, on) for verb in verbs)


def sends(declared: Iterable[Call]) -> bool:
    """Tell whether looking or striking with these calls puts a message into a queue."""
    return any(call.verb == _SEND for call in declared)


NONE: tuple[Call, ...] = ()
SENT_TO = (On.INPUT, On.INTERRUPTS)
SEND = tuple(call for on in SENT_TO for call in calls(on, "sqs.facts", _SEND))
SWEEP = tuple(
    call
    for on in (*SENT_TO, On.DEAD_LETTER)
    for call in calls(on, "sqs.facts", "sqs.receive", "sqs.delete", "sqs.release")
)
"""Messages of ours are looked for wherever they may have ended up: the queues, and what these move them to."""

HOLD = calls(On.INPUT, "sqs.facts", "sqs.receive", "sqs.release")
"""What others sent is received and given back."""

SEND_INPUT = calls(On.INPUT, "sqs.facts", "sqs.send")
SWEEP_INPUT = tuple(call for call in SWEEP if call.on is not On.INTERRUPTS)

SCENARIO = (
    *SEND,
    *SWEEP,
    *calls(On.RESPONSES, "sqs.facts", "sqs.receive", "sqs.delete", "sqs.release"),
    *calls(On.DEPLOYMENT, "s3.head", "s3.get"),
    *calls(On.SERVICE, "ecs.service"),
)
"""What a scenario and its observer ask, whatever its messages are."""

WHEN = {"message": calls(On.INPUT, "sqs.facts"), "log": calls(On.LOGS, "logs.events")}
"""What waiting for an event asks; the others are told by the file system."""

MONITOR = (
    *calls(On.SERVICE, "ecs.service"),
    *calls(On.INPUT, "sqs.facts"),
    *calls(On.DEAD_LETTER, "sqs.facts"),
    *calls(On.DEPLOYMENT, "s3.head"),
    *calls(On.LOGS, "logs.events"),
)
"""What `chaosd monitor` asks."""
