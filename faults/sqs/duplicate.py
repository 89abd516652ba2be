"""Deliver messages of the worker's queue twice: the message itself, and an exact copy of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from daemon.core.calls import HOLD, SEND_INPUT, SWEEP_INPUT, Call
from daemon.core.cloud import Message, Received
from daemon.core.errors import RefusedError
from daemon.core.messages import RUN_ATTRIBUTE, size_bytes
from daemon.core.model import Mode, Order, Outcome, Resource, Reversion, Undo
from daemon.core.parameters import parameter
from daemon.core.seams import Flag, World
from faults.sqs.gathering import Gathering, costs, gather, returned, told
from faults.sqs.marks import reverted
from faults.sqs.places import admitted, places, places_of, recorded, target_queue, wait_s
from faults.sqs.receives import LEFT_LEAST, Brink, check
from faults.sqs.sending import send

MODES = (
    Mode("at-once", "the copy is there before the message comes back: two workers may take both"),
    Mode("later", "the message comes back first, the copy follows: the worker may have finished"),
)
SHORT_S = 60.0  # how long a message is hidden at most while its copy is sent: sending gives up before
ATTRIBUTES_MOST = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class SqsDuplicate:
    """Receives a message, sends an exact copy of it, and makes the message visible again.

    The copy has the body and every attribute, and one more: chaosd's mark, by which revert removes what is left
    of the copies. A worker that reads the body, as most do, cannot tell it from a second delivery. What could bear
    no mark is left alone. Standard queues only: in a FIFO group the copy would wait behind messages of others,
    where nobody can take it out again.
    """

    name: ClassVar[str] = "sqs-duplicate"
    summary: ClassVar[str] = "Sends exact, marked copies of messages that wait in the target's queue"
    modes: ClassVar[tuple[Mode, ...]] = MODES
    touches: ClassVar[Resource] = Resource.QUEUE
    calls: ClassVar[tuple[Call, ...]] = (*HOLD, *SEND_INPUT, *SWEEP_INPUT)

    mode: str = parameter("at-once", "when the copy comes", choices=tuple(m.name for m in MODES))
    messages: int = parameter(1, "how many messages get a copy, at most", least=1, most=100)
    after: float = parameter(5.0, "how long after the message its copy comes (later)", unit="s", most=3600)
    wait_for_work: float = parameter(10.0, "how long to look for each message", unit="s", most=3600)

    def prepare(self, order: Order, world: World) -> Undo:
        queue = target_queue(order)
        facts = world.sqs.facts(queue.url)
        if facts.fifo:
            raise RefusedError(
                f"nothing was received: a copy in a group of the FIFO queue {queue.url} could not be removed again",
                rule="fifo-queue",
                hint="a FIFO queue delivers twice only what was sent twice: use sqs-burst with duplicates",
            )
        check(queue.url, facts, world)
        found = places(queue, world)
        one = Gathering(
            run=order.injection,
            url=queue.url,
            most=self.messages,
            within_s=self.wait_for_work,
            visibility_s=SHORT_S + self.wait_for_work,
        )
        when = "before it comes back" if self.mode == "at-once" else f"{self.after:g} s after it came back"
        return Undo(
            fault=self.name,
            mode=self.mode,
            victim={"queue": queue.url, "messages": self.messages, "visible": facts.visible},
            actions=(
                f"receive up to {self.messages} messages from {queue.url} (now {facts.visible} visible)",
                costs(facts),
                f"send an exact copy of each, {when}, marked {RUN_ATTRIBUTE}={order.injection}",
                f"afterwards remove what is left of the copies from {', '.join(p.url for p in found)}",
                "looking for them costs what others sent there one more receive",
            ),
            data={"gathering": one.data(), "after_s": self.after, "places": recorded(found)},
            wait_s=wait_s(found, world) + one.wait_s,
            takes_s=self.wait_for_work + self.after + SHORT_S,
        )

    @classmethod
    def inject(cls, undo: Undo, world: World, stop: Flag) -> None:
        if stop.is_set():
            return
        data: Any = undo.data
        wanted = Gathering.of(undo)
        admitted(places_of(undo), world)
        room = world.sqs.facts(wanted.url).max_message_bytes
        held = gather(wanted, world, stop, unwanted=lambda one: _copy(one, wanted.run, room) is None)
        copies = [made for one in held if (made := _copy(one, wanted.run, room)) is not None]
        back = {one.id for one in held}
        if Brink(wanted.url).read(world) is not None:
            wanted.custody(world).give_back(back)
            raise _met(wanted)
        if undo.mode == "later":
            wanted.custody(world).give_back(back)
            if world.clock.wait(stop, data["after_s"]):
                return
        if not stop.is_set():
            wanted.custody(world).sends()
        for copy in copies:
            send(wanted.url, [(0.0, (copy,))], world, stop)
        wanted.custody(world).give_back(back)

    @classmethod
    def revert(cls, undo: Undo, world: World) -> Reversion:
        wanted = Gathering.of(undo)
        sent = wanted.custody(world).may_have_sent()  # before it is closed: then its file is gone
        originals = returned(wanted, world)
        if originals.outcome is Outcome.UNTOUCHED and originals.proof:
            return originals  # nothing came, so no copy was sent; to look for one would cost others a receive
        if not sent:
            return replace(originals, detail=f"{originals.detail}; no copy was sent")
        taken = sum(originals.proof.get(name, 0) for name in ("given_back", "came_back_by_themselves"))
        planned = min(wanted.most, taken)
        swept = reverted(wanted.run, places_of(undo), planned, world, within_s=undo.wait_s - wanted.wait_s)
        if originals.outcome is Outcome.UNTOUCHED:
            return swept
        proof: Mapping[str, Any] = {**swept.proof, "originals": dict(originals.proof)}
        return Reversion(outcome=swept.outcome, proof=proof, detail=f"{told(originals.proof)}; {swept.detail}")


def _met(wanted: Gathering) -> RefusedError:
    return RefusedError(
        f"no copy was sent: a message of {wanted.url} was met that has fewer than {LEFT_LEAST} receives left:"
        " to look for copies afterwards could be its last; all that was received was given back at once",
        rule="max-receives",
        hint="find out why the worker does not finish it; until then chaosd leaves the queue alone",
    )


def _copy(one: Received, run: str, room: int) -> Message | None:
    """Return the marked copy of a message; None when it is one of ours, or leaves no room for the mark."""
    if one.attributes.get(RUN_ATTRIBUTE) == run:
        return None
    plain = {name: text for name, text in one.attributes.items() if name not in one.typed}
    copy = Message(
        body=one.body,
        attributes={**plain, RUN_ATTRIBUTE: run},
        group=one.group,
        typed=one.typed,
    )
    few = len(copy.attributes) + len(copy.typed) <= ATTRIBUTES_MOST
    return copy if few and size_bytes(copy) <= room else None
