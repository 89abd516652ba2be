"""Send a burst of messages to the worker's queue."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from daemon.core.calls import SEND, SWEEP, Call
from daemon.core.cloud import QueueFacts
from daemon.core.messages import RUN_ATTRIBUTE
from daemon.core.model import Mode, Order, Resource, Reversion, Undo
from daemon.core.parameters import parameter
from daemon.core.seams import Flag, World
from daemon.core.target import Queue
from faults.sqs.marks import reverted
from faults.sqs.mix import Mix
from faults.sqs.places import Place, admitted, places, places_of, recorded, target_queue, wait_s
from faults.sqs.sending import lanes, send
from faults.sqs.shapes import RAMP, SPIKE, SUSTAINED, batches, send_times

MODES = (
    Mode(SUSTAINED, "send at an even rate"),
    Mode(RAMP, "send at a rate that grows from none to the given one, in twice the time"),
    Mode(SPIKE, "send all at once, as fast as possible, whatever the rate"),
)
SENDING_S = 30.0  # what sending takes beyond the burst's own time: retries, slow answers
INSTRUCTION = "Add one line to the page."


@dataclass(frozen=True, slots=True, kw_only=True)
class SqsBurst:
    """Sends ``messages`` marked messages, some of them duplicates, malformed or as large as the queue takes.

    The fractions are of ``messages``, rounded to the nearest whole number. Revert removes what is marked and
    left, dead-letter queue included, and touches nothing else.
    """

    name: ClassVar[str] = "sqs-burst"
    summary: ClassVar[str] = "Sends a burst of marked messages to the target's queue"
    modes: ClassVar[tuple[Mode, ...]] = MODES
    touches: ClassVar[Resource] = Resource.QUEUE
    calls: ClassVar[tuple[Call, ...]] = (*SEND, *SWEEP)

    mode: str = parameter(SUSTAINED, "the shape of the burst", choices=tuple(m.name for m in MODES))
    messages: int = parameter(100, "how many messages", least=1, most=100_000)
    rate: float = parameter(
        50.0, "messages per second; the peak of a ramp; 0 is as fast as possible", unit="1/s", least=0
    )
    sessions: int = parameter(10, "how many sessions, each with a thread of its own", least=1, most=10_000)
    users: int = parameter(3, "how many users the sessions belong to", least=1, most=10_000)
    duplicates: float = parameter(0.0, "fraction that repeats an earlier message", least=0, most=1)
    malformed: float = parameter(0.0, "fraction that is no valid message", least=0, most=1)
    oversize: float = parameter(0.0, "fraction that is as large as the queue takes", least=0, most=1)
    instruction: str = parameter(INSTRUCTION, "what each message asks for, after its trace token")

    def __post_init__(self) -> None:
        if self.duplicates + self.malformed + self.oversize > 1:
            raise ValueError("duplicates, malformed and oversize together exceed 1: they are fractions of messages")

    def prepare(self, order: Order, world: World) -> Undo:
        queue = target_queue(order)
        found, facts = places(queue, world), world.sqs.facts(queue.url)
        mix = self._mix(order, queue, facts, at_ms=int(world.clock.now().timestamp() * 1000))
        return Undo(
            fault=self.name,
            mode=self.mode,
            victim={"queue": queue.url, "messages": self.messages},
            actions=self._actions(mix, queue, found),
            data={
                "mix": mix.data(),
                "url": queue.url,
                "places": recorded(found),
            },
            wait_s=wait_s(found, world),
            # Twice its own time: a queue that answers slowly is late, and no reason to end chaosd.
            takes_s=2 * (0.0 if mix.shape == SPIKE else send_times(mix.shape, mix.messages, mix.rate)[-1])
            + SENDING_S,
        )

    @classmethod
    def inject(cls, undo: Undo, world: World, stop: Flag) -> None:
        mix = Mix.of(_part(undo, "mix"))
        timed = batches(mix.timed(), room=mix.max_message_bytes)
        rate = 0.0 if mix.shape == SPIKE else mix.rate
        admitted(places_of(undo), world)
        send(str(undo.data["url"]), timed, world, stop, width=lanes(rate, fifo=mix.fifo))

    @classmethod
    def revert(cls, undo: Undo, world: World) -> Reversion:
        mix = Mix.of(_part(undo, "mix"))
        return reverted(mix.run, places_of(undo), mix.messages, world, within_s=undo.wait_s)

    def _mix(self, order: Order, queue: Queue, facts: QueueFacts, *, at_ms: int) -> Mix:
        malformed, oversize = round(self.malformed * self.messages), round(self.oversize * self.messages)
        malformed = min(malformed, self.messages)
        oversize = min(oversize, self.messages - malformed)
        # A duplicate needs something ordinary before it.
        most = max(0, self.messages - malformed - oversize - 1)
        return Mix(
            run=order.injection,
            seed=order.dice.getrandbits(32),
            shape=self.mode,
            messages=self.messages,
            rate=self.rate,
            sessions=self.sessions,
            users=self.users,
            duplicates=min(round(self.duplicates * self.messages), most),
            malformed=malformed,
            oversize=oversize,
            instruction=self.instruction,
            form=queue.format,
            fifo=facts.fifo,
            max_message_bytes=facts.max_message_bytes,
            at_ms=at_ms,
        )

    def _actions(self, mix: Mix, queue: Queue, found: tuple[Place, ...]) -> tuple[str, ...]:
        lasts_s = send_times(mix.shape, mix.messages, mix.rate)[-1]
        pace = f"within {lasts_s:.1f} s" if lasts_s else "as fast as possible"
        special = f"{mix.duplicates} duplicates, {mix.malformed} malformed, {mix.oversize} oversize"
        return (
            f"send {mix.messages} messages to {queue.url} {pace}, {self.mode}: {special}",
            f"mark each with the attribute {RUN_ATTRIBUTE}={mix.run}",
            f"afterwards remove what is left of them from {', '.join(place.url for place in found)}",
        )


def _part(undo: Undo, name: str) -> Mapping[str, Any]:
    part: Any = undo.data[name]
    return dict(part)
