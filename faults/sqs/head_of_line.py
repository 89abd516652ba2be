"""Hold one message of a group of a FIFO queue: everything behind it in the group waits."""

from dataclasses import dataclass
from typing import ClassVar

from daemon.core.calls import HOLD, Call
from daemon.core.errors import RefusedError
from daemon.core.model import Mode, Order, Resource, Undo
from daemon.core.parameters import parameter
from daemon.core.seams import World
from faults.sqs.gathering import Gathering, Holds, costs, hidden_s, input_url, looked

MODES = (Mode("group", "hold the first message of a group; the others of the group are not delivered"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class SqsHeadOfLine(Holds):
    """Holds the first visible message of each of ``groups`` message groups, and gives them back in their places.

    FIFO queues only: on a standard queue nothing waits behind a held message. Which groups is up to SQS.
    """

    name: ClassVar[str] = "sqs-head-of-line"
    summary: ClassVar[str] = "Blocks a message group of a FIFO queue by holding its first message"
    modes: ClassVar[tuple[Mode, ...]] = MODES
    touches: ClassVar[Resource] = Resource.QUEUE
    calls: ClassVar[tuple[Call, ...]] = HOLD

    mode: str = parameter("group", "what is blocked", choices=tuple(m.name for m in MODES))
    groups: int = parameter(1, "how many groups to block, at most", least=1, most=100)
    wait_for_work: float = parameter(10.0, "how long to look for messages", unit="s", most=3600)

    def prepare(self, order: Order, world: World) -> Undo:
        url = input_url(order)
        facts = looked(url, world)
        if not facts.fifo:
            raise RefusedError(
                f"nothing was received: {url} is a standard queue, in which no message waits behind another",
                rule="standard-queue",
                hint="use sqs-hold, or name a FIFO queue",
            )
        hides_s = hidden_s(order.lasts_s, self.wait_for_work)
        wanted = Gathering(
            run=order.injection, url=url, most=self.groups, within_s=self.wait_for_work, visibility_s=hides_s
        )
        return Undo(
            fault=self.name,
            mode=self.mode,
            victim={"queue": url, "groups": self.groups, "visible": facts.visible},
            actions=(
                f"receive the first message of up to {self.groups} groups of {url} (now {facts.visible} visible)",
                costs(facts),
                f"hide each for {hides_s:g} s from its receive, never extended: its group waits behind it",
                "make them visible again at the end, in their old places",
            ),
            data={"gathering": wanted.data()},
            wait_s=wanted.wait_s,
            takes_s=self.wait_for_work,
        )
