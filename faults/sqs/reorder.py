"""Receive a few messages and give them back one by one in another order."""

from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar

from daemon.core.calls import HOLD, Call
from daemon.core.errors import RefusedError
from daemon.core.model import Mode, Order, Resource, Reversion, Undo
from daemon.core.parameters import parameter
from daemon.core.seams import Flag, World
from faults.sqs.gathering import Gathering, costs, gather, hidden_s, input_url, looked, returned

MODES = (
    Mode("reverse", "give back what was received last first"),
    Mode("shuffle", "give back in an order drawn by the dice"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SqsReorder:
    """Receives up to ``messages`` and makes them visible again one by one, ``gap`` apart, in another order.

    The gap is what reorders: SQS promises no order of what is visible, so a worker must be given the time to take
    one before the next is there. Over when all are back; nothing stays changed.
    """

    name: ClassVar[str] = "sqs-reorder"
    summary: ClassVar[str] = "Receives messages of the target's queue and gives them back in another order"
    modes: ClassVar[tuple[Mode, ...]] = MODES
    touches: ClassVar[Resource] = Resource.QUEUE
    calls: ClassVar[tuple[Call, ...]] = HOLD

    mode: str = parameter("reverse", "the order in which they come back", choices=tuple(m.name for m in MODES))
    messages: int = parameter(5, "how many messages, at most", least=2, most=100)
    gap: float = parameter(1.0, "the time between giving back one and the next", unit="s", most=600)
    wait_for_work: float = parameter(10.0, "how long to look for messages", unit="s", most=3600)

    def prepare(self, order: Order, world: World) -> Undo:
        url = input_url(order)
        facts = looked(url, world)
        if facts.fifo:
            raise RefusedError(
                f"nothing was received: {url} is a FIFO queue, which keeps a group's order whatever is received",
                rule="fifo-queue",
                hint="use sqs-head-of-line to have one group overtaken by the others",
            )
        spread_s = self.gap * self.messages
        hides_s = hidden_s(spread_s, self.wait_for_work)
        wanted = Gathering(
            run=order.injection, url=url, most=self.messages, within_s=self.wait_for_work, visibility_s=hides_s
        )
        return Undo(
            fault=self.name,
            mode=self.mode,
            victim={"queue": url, "messages": self.messages, "visible": facts.visible},
            actions=(
                f"receive up to {self.messages} messages from {url} (now {facts.visible} visible)",
                costs(facts),
                f"make them visible again one by one, {self.gap:g} s apart, order: {self.mode}",
                f"hide none for longer than {hides_s:g} s",
            ),
            data={"gathering": wanted.data(), "gap_s": self.gap, "seed": order.dice.getrandbits(32)},
            wait_s=wanted.wait_s,
            takes_s=self.wait_for_work + spread_s,
        )

    @classmethod
    def inject(cls, undo: Undo, world: World, stop: Flag) -> None:
        if stop.is_set():
            return
        data: Any = undo.data
        wanted = Gathering.of(undo)
        order = [one.id for one in gather(wanted, world, stop)]
        if undo.mode == "reverse":
            order.reverse()
        else:
            Random(data["seed"]).shuffle(order)  # noqa: S311  a seed must reproduce a run
        custody = wanted.custody(world)
        for number, one in enumerate(order):
            if number and world.clock.wait(stop, data["gap_s"]):
                return
            custody.give_back({one})

    @classmethod
    def revert(cls, undo: Undo, world: World) -> Reversion:
        return returned(Gathering.of(undo), world)
