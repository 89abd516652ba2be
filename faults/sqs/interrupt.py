"""Send a message of another session while the worker is busy with one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from daemon.core.calls import SEND, SWEEP, Call
from daemon.core.cloud import Message
from daemon.core.errors import TargetAbsentError
from daemon.core.messages import RUN_ATTRIBUTE, command, message
from daemon.core.model import Mode, Order, Resource, Reversion, Undo
from daemon.core.parameters import parameter
from daemon.core.seams import Flag, World
from daemon.core.target import Queue
from faults.sqs.marks import reverted
from faults.sqs.places import admitted, places, places_of, recorded, target_queue, wait_s
from faults.sqs.sending import send

MODES = (
    Mode("input", "send the interrupter to the worker's input queue"),
    Mode("separate", "send the interrupter to the worker's own queue for interrupts"),
)
LOOK_S = 0.1
TAKEN_S = 2.0  # how long to wait for a worker to take the work sent for it
SENDING_S = 10.0
WORK, INTERRUPTER = 0, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class InterruptMessage:
    """Waits until the worker has a message in flight, then sends it one of another session.

    When none is in flight within ``wait_for_work``, chaosd sends work itself and interrupts that. All it sends
    is marked; revert removes what is marked and left, and touches nothing else.
    """

    name: ClassVar[str] = "interrupt-message"
    summary: ClassVar[str] = "Sends a message of another session while the worker is busy with one"
    modes: ClassVar[tuple[Mode, ...]] = MODES
    touches: ClassVar[Resource] = Resource.QUEUE
    calls: ClassVar[tuple[Call, ...]] = (*SEND, *SWEEP)

    mode: str = parameter("input", "which queue the interrupter goes to", choices=tuple(m.name for m in MODES))
    wait_for_work: float = parameter(10.0, "how long to wait for a message in flight", unit="s")
    after: float = parameter(0.2, "how long the worker may work before it is interrupted", unit="s")
    instruction: str = parameter("Add one line to the page.", "what the messages ask for, after their trace token")

    def prepare(self, order: Order, world: World) -> Undo:
        queue = target_queue(order)
        url = self._destination(queue, order)
        found = places(queue, world, separate=self.mode == "separate")
        busy = world.sqs.facts(queue.url).in_flight
        data = {
            "run": order.injection,
            "url": queue.url,
            "interrupts": url,
            "fifo": {place: world.sqs.facts(place).fifo for place in (queue.url, url)},
            "form": queue.format,
            "instruction": self.instruction,
            "at_ms": int(world.clock.now().timestamp() * 1000),
            "wait_for_work_s": self.wait_for_work,
            "after_s": self.after,
            "places": recorded(found),
        }
        return Undo(
            fault=self.name,
            mode=self.mode,
            victim={"queue": queue.url, "interrupts": url, "in_flight": busy},
            actions=(
                f"wait up to {self.wait_for_work:g} s for a message in flight on {queue.url} (now {busy})",
                f"if there is none, send one marked message to {queue.url}",
                f"{self.after:g} s later send one of another session to {url}",
                f"mark each with the attribute {RUN_ATTRIBUTE}={order.injection}",
                f"afterwards remove what is left of them from {', '.join(place.url for place in found)}",
            ),
            data=data,
            wait_s=wait_s(found, world),
            takes_s=self.wait_for_work + TAKEN_S + self.after + SENDING_S,
        )

    @classmethod
    def inject(cls, undo: Undo, world: World, stop: Flag) -> None:
        data: Mapping[str, Any] = undo.data
        admitted(places_of(undo), world)
        if not _busy(data["url"], world, stop, within_s=data["wait_for_work_s"]):
            if stop.is_set():
                return
            send(data["url"], [(0.0, (_message(data, WORK, data["url"]),))], world, stop)
            # The counter is approximate and lags: the message may have been taken, even handled, unseen.
            _busy(data["url"], world, stop, within_s=TAKEN_S)
        if not world.clock.wait(stop, data["after_s"]):
            send(data["interrupts"], [(0.0, (_message(data, INTERRUPTER, data["interrupts"]),))], world, stop)

    @classmethod
    def revert(cls, undo: Undo, world: World) -> Reversion:
        return reverted(str(undo.data["run"]), places_of(undo), 2, world, within_s=undo.wait_s)

    def _destination(self, queue: Queue, order: Order) -> str:
        if self.mode == "input":
            return queue.url
        if queue.interrupts is None:
            raise TargetAbsentError(
                f"nothing was sent: the target {order.target.name} has no queue for interrupts",
                hint="set targets.<name>.queue.interrupts, or use mode input",
            )
        return queue.interrupts


def _busy(url: str, world: World, stop: Flag, *, within_s: float) -> bool:
    """Wait until a message is in flight; False when none was within the time, or when stopped."""
    until_s = world.clock.instant().mono_s + within_s
    while not world.sqs.facts(url).in_flight:
        if world.clock.instant().mono_s >= until_s or world.clock.wait(stop, LOOK_S):
            return False
    return True


def _message(data: Mapping[str, Any], number: int, url: str) -> Message:
    order = command(
        data["run"],
        number,
        timestamp_ms=data["at_ms"],
        instruction=data["instruction"],
        session=1 + number,
        user=1 + number,
    )
    return message(order, data["run"], form=data["form"], fifo=data["fifo"][url])
