"""Receive messages of the worker's queue and keep them invisible: late delivery, or a rival consumer."""

from dataclasses import dataclass
from typing import ClassVar

from daemon.core.calls import HOLD, Call
from daemon.core.model import Mode, Order, Resource, Undo
from daemon.core.parameters import parameter
from daemon.core.seams import World
from faults.sqs.gathering import Gathering, Holds, costs, hidden_s, input_url, looked

MODES = (
    Mode("waiting", "hold messages that wait in the queue now"),
    Mode("arriving", "be a rival consumer: hold whatever comes, for as long as gather says"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SqsHold(Holds):
    """Receives real messages and holds them, each once, and gives them back.

    They are hidden for the time the fault lasts, and ``MARGIN_S`` more, and that is never extended: whatever
    becomes of chaosd, they come back by themselves then. Nothing is deleted, nothing is sent.
    """

    name: ClassVar[str] = "sqs-hold"
    summary: ClassVar[str] = "Receives messages of the target's queue and keeps them invisible"
    modes: ClassVar[tuple[Mode, ...]] = MODES
    touches: ClassVar[Resource] = Resource.QUEUE
    calls: ClassVar[tuple[Call, ...]] = HOLD
    looks_for: ClassVar[str] = "gather"

    mode: str = parameter("waiting", "which messages to hold", choices=tuple(m.name for m in MODES))
    messages: int = parameter(10, "how many messages, at most", least=1, most=1000)
    gather: float = parameter(
        10.0, "how long to look for messages (waiting), or to take what comes (arriving)", unit="s", most=3600
    )

    def prepare(self, order: Order, world: World) -> Undo:
        url = input_url(order)
        facts, hides_s = looked(url, world), hidden_s(order.lasts_s, self.gather)
        wanted = Gathering(
            run=order.injection,
            url=url,
            most=self.messages,
            within_s=self.gather,
            visibility_s=hides_s,
            lasting=self.mode == "arriving",
        )
        block = ("block the group of each of them: the queue is FIFO",) if facts.fifo else ()
        return Undo(
            fault=self.name,
            mode=self.mode,
            victim={"queue": url, "messages": self.messages, "visible": facts.visible},
            actions=(
                f"receive up to {self.messages} messages from {url} within {self.gather:g} s (now {facts.visible})",
                costs(facts),
                f"hide each for {hides_s:g} s from its receive, never extended",
                *block,
                "make them visible again at the end",
            ),
            data={"gathering": wanted.data()},
            wait_s=wanted.wait_s,
            takes_s=self.gather,
        )
