"""Receive messages of others for a fault: from where, how many, how long, and when rather not."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any, ClassVar

from daemon.core.cloud import QueueFacts, Received
from daemon.core.errors import RefusedError, TargetAbsentError
from daemon.core.model import Json, Order, Outcome, Reversion, Undo
from daemon.core.seams import Flag, World
from faults.sqs.custody import ANSWER_S, HIDDEN_MOST_S, Custody
from faults.sqs.receives import Brink, at_brink, check, together

POLL_S = 1.0  # a long poll asks every server of SQS, a short one only some
MARGIN_S = 10.0  # between the planned end of a fault and the end of its undo
WAIT_EXTRA_S = 60.0
COUNTED = ("given_back", "came_back_by_themselves", "receives_without_an_answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathering:
    """What to receive, as it stands in an undo record. ``within_s`` is how long to look for messages.

    ``visibility_s`` becomes a whole number: SQS hides for whole seconds, and the undo waits for just that long.
    ``lasting``: messages that come only later are taken too, until ``within_s`` is over.
    """

    run: str
    url: str
    most: int
    within_s: float
    visibility_s: float
    lasting: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "visibility_s", float(ceil(self.visibility_s)))

    def data(self) -> Mapping[str, Json]:
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def of(cls, undo: Undo) -> "Gathering":
        found: Any = undo.data["gathering"]
        return cls(**found)

    @property
    def wait_s(self) -> float:
        """Return how long giving back may take, at most: until what was received last comes back by itself."""
        return self.visibility_s + ANSWER_S + WAIT_EXTRA_S

    def custody(self, world: World) -> Custody:
        return Custody(run=self.run, url=self.url, visibility_s=self.visibility_s, world=world)


def input_url(order: Order) -> str:
    """Return the target's input queue; raises TargetAbsentError without one."""
    if order.target.queue is None:
        raise TargetAbsentError(
            f"nothing was received: the target {order.target.name} names no queue",
            hint="set targets.<name>.queue.url",
        )
    return order.target.queue.url


def hidden_s(lasts_s: float, within_s: float) -> float:
    """Return the visibility to ask for; raises RefusedError when SQS hides nothing for so long."""
    asked_s = float(ceil(lasts_s + within_s + MARGIN_S))
    if asked_s > HIDDEN_MOST_S:
        raise RefusedError(
            f"nothing was received: SQS hides a message for {HIDDEN_MOST_S:g} s at most, not for {asked_s:g}",
            rule="duration",
            hint="shorten --for (`for:`)",
        )
    return asked_s


def looked(url: str, world: World) -> QueueFacts:
    """Return the queue's facts when messages of others may be received there; raises RefusedError when not."""
    facts = world.sqs.facts(url)
    check(url, facts, world)
    return facts


def costs(facts: QueueFacts) -> str:
    """Return the sentence about receives for the dry run."""
    limit = f"of {facts.max_receives}" if facts.max_receives is not None else "and the queue sets no limit"
    return f"cost each of them one receive {limit}; one with fewer than 2 left is given back at once"


def gather(
    gathering: Gathering,
    world: World,
    stop: Flag,
    *,
    unwanted: Callable[[Received], bool] = lambda _: False,
    longer: str = "wait_for_work",
) -> list[Received]:
    """Receive what was asked for and return it; what is ``unwanted`` or at the brink is given back at once.

    ``longer`` is the fault's parameter that says how long to look. Ends early once ``stop`` is set. Raises
    RefusedError (``max-receives``) or TargetAbsentError for nothing at all.
    """
    facts, custody, held = world.sqs.facts(gathering.url), gathering.custody(world), list[Received]()
    custody.begin()
    Brink(gathering.url).forget(world)  # else it had been refused: then it was old, or the queue empty
    until_s, back = world.clock.instant().mono_s + gathering.within_s, list[Received]()
    while len(held) < gathering.most and not stop.is_set():
        got = custody.take(together(facts, gathering.most - len(held)), POLL_S)
        back = [one for one in got if unwanted(one) or at_brink(one.receives, facts)]
        custody.give_back({one.id for one in back})
        held.extend(one for one in got if one not in back)
        brink = next((one for one in back if at_brink(one.receives, facts)), None)
        if brink is not None:
            Brink(gathering.url).write(brink, world)
            if not held:
                raise _at_brink(gathering, brink, facts)
            break
        late = world.clock.instant().mono_s >= until_s
        if late or back or (not got and held and not gathering.lasting):
            break
    if not held and not stop.is_set():
        raise _nothing(gathering, longer, met=bool(back))
    return held


def returned(gathering: Gathering, world: World) -> Reversion:
    """Give back all that was received; see ``Custody.close``. Idempotent.

    UNTOUCHED with a proof is certain: nothing had been received at all.
    """
    proof = gathering.custody(world).close(within_s=gathering.wait_s)
    if proof is None:
        detail = "nothing is held: nothing was received, or all was given back before"
        return Reversion(outcome=Outcome.UNTOUCHED, detail=detail)
    if not any(proof[name] for name in COUNTED):
        return Reversion(outcome=Outcome.UNTOUCHED, proof=proof, detail="nothing had been received")
    return Reversion(outcome=Outcome.RESTORED, proof=proof, detail=told(proof))


class Holds:
    """What a fault does that holds what it receives until its end: the undo record's gathering, and back."""

    __slots__ = ()
    looks_for: ClassVar[str] = "wait_for_work"  # the parameter that says how long to look for messages

    @classmethod
    def inject(cls, undo: Undo, world: World, stop: Flag) -> None:
        if not stop.is_set():
            gather(Gathering.of(undo), world, stop, longer=cls.looks_for)

    @classmethod
    def revert(cls, undo: Undo, world: World) -> Reversion:
        return returned(Gathering.of(undo), world)


def told(proof: Mapping[str, Json]) -> str:
    """Return in words what was given back."""
    alone, unseen = proof["came_back_by_themselves"], proof["receives_without_an_answer"]
    parts = [f"gave back {proof['given_back']} messages"]
    if alone:
        parts.append(f"{alone} came back by themselves")
    if unseen:
        parts.append(f"what {unseen} unanswered receives may have hidden has come back by itself")
    return ", ".join(parts)


def _at_brink(gathering: Gathering, met: Received, facts: QueueFacts) -> RefusedError:
    return RefusedError(
        f"no message was kept: the first of {gathering.url}, {met.id}, had been received {met.receives} of"
        f" {facts.max_receives} times and was given back at once",
        rule="max-receives",
        hint="find out why the worker does not finish it; until then chaosd leaves the queue alone",
    )


def _nothing(gathering: Gathering, longer: str, *, met: bool) -> TargetAbsentError:
    if met:
        return TargetAbsentError(
            f"no message was kept: what was received from {gathering.url} is of no use, and was given back at once",
            hint="it is chaosd's own, or has no room for chaosd's mark: 10 attributes, or the queue's largest size",
        )
    return TargetAbsentError(
        f"no message was received: none was visible in {gathering.url} within {gathering.within_s:g} s",
        hint=f"let there be work: a workload beside the fault (`--scenario basic`), or a longer --set {longer}=",
    )
