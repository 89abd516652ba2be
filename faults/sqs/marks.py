"""Remove one injection's marked messages, and nothing else, from the queues they may have got to.

SQS cannot select: to find our messages, others are received too. So a pass holds what is not ours until it has
seen the whole queue, then releases it; looking costs each of them one receive. No further pass is made once
another receive could push a message of somebody else towards the dead-letter queue. That is noted on disk: the
daemon tries a failed undo again by itself, and every try would look once more.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from daemon.core.cloud import QueueFacts, Received
from daemon.core.errors import ChaosdError, TargetAbsentError, UndoFailedError
from daemon.core.messages import RUN_ATTRIBUTE
from daemon.core.model import Json, Outcome, Reversion
from daemon.core.seams import World
from faults.sqs.places import MARGIN_S, Place
from faults.sqs.receives import Brink, at_brink, spent

POLL_S = 1.0  # a long poll asks every server of SQS, a short one only some
LOOK_S = 0.5
PASS_LEAST_S, PASS_MOST_S, PASS_PER_S = 20.0, 120.0, 100.0


def reverted(run: str, found: Sequence[Place], planned: int, world: World, *, within_s: float) -> Reversion:
    """Sweep until no marked message is left, and say what became of those planned.

    Messages in flight at a worker are waited for: it deletes them, or they come back and are removed. Raises
    UndoFailedError when marked messages may remain after ``within_s``, or at once, with nothing received, where a
    message at the brink was met before and may be there still. Safe at any moment.
    """
    sweep = _Sweep(run=run, places=found, world=world)
    sweep.until_clean(within_s)
    removed = sweep.removed.total()
    proof: dict[str, Json] = {
        "planned": planned,
        "removed": dict(sweep.removed),
        "not_found": max(0, planned - removed),
        "others_left_alone": dict(sweep.others),
        "passes": sweep.passes,
        "in_flight": sweep.in_flight,
    }
    # A worker may hide a message for hours by extending its visibility: then it is the worker's to finish.
    held = f"; {sweep.in_flight} messages in flight, possibly ours, are the workers' to finish" * (
        sweep.in_flight > 0
    )
    if removed:
        detail = f"removed {removed} marked messages{held}"
        return Reversion(outcome=Outcome.RESTORED, proof=proof, detail=detail)
    detail = f"none was left: the worker had handled all of them, or none had been sent{held}"
    return Reversion(outcome=Outcome.SUPERSEDED, proof=proof, detail=detail)


@dataclass(slots=True, kw_only=True)
class _Sweep:
    """The passes of one revert and what they saw."""

    run: str
    places: Sequence[Place]
    world: World
    removed: Counter[str] = field(default_factory=Counter)
    others: dict[str, int] = field(default_factory=dict)
    passes: int = 0
    in_flight: int = 0
    complete: bool = True
    found: bool = False
    brink: bool = False
    noted: dict[str, int] = field(default_factory=dict)

    def until_clean(self, within_s: float) -> None:
        self._heed_notes(within_s)
        quiet_from_s = self._now_s()
        until_s = quiet_from_s + within_s
        while True:
            idle, starts_s = self._idle(), self._now_s()
            self._pass()
            if self.found:
                quiet_from_s = self._now_s()
            horizon_s = quiet_from_s + self._hidden_s() + MARGIN_S
            if self._certain(idle=idle, late=starts_s >= horizon_s):
                return
            if self.brink or any(self.others.values()):
                # The counters must do: looking again would cost the messages of others another receive.
                quiet = self._wait(until_s if self.brink else min(until_s, horizon_s))
                if quiet and self._settled(idle=idle):
                    return
            if self.brink or self._now_s() >= until_s:
                raise self._may_remain(within_s)

    def _heed_notes(self, within_s: float) -> None:
        """Raise UndoFailedError, before anything is received, where a queue is to be left alone."""
        for place in self.places:
            facts = self._facts(place)
            if facts is None:
                continue
            if Brink(place.url).standing(facts, self.world) is not None:
                self.brink = True
            elif not facts.visible + facts.in_flight + facts.delayed:
                Brink(place.url).forget(self.world)
        if self.brink:
            self._idle()  # counts what is in flight
            raise self._may_remain(within_s)

    def _pass(self) -> None:
        """Look through every queue once, noting whether all was seen and whether ours were among it."""
        self.passes += 1
        self.complete, self.found = True, False
        for place in self.places:
            self._pass_one(place)

    def _certain(self, *, idle: bool, late: bool) -> bool:
        """Tell whether the pass just made proves that none of ours is left.

        It does when no worker held a message before or after it; or when it came ``late``: whatever a worker
        held when the last of ours was seen has by then been deleted or seen again, however busy it is.
        """
        if self.found or not self.complete:
            return False
        return (idle and self._idle()) or (late and not self._blocked())

    def _settled(self, *, idle: bool) -> bool:
        """Tell whether quiet counters after the pass just made prove it, though it found some of ours.

        They say nothing of a FIFO queue, where messages count as visible behind a held one of their group:
        there only a further pass is proof, or, when none may be made, that the whole of it was seen idle.
        """
        seen = idle and self.complete
        return (self.brink and seen) if self._fifo() else (self.brink or seen)

    def _pass_one(self, place: Place) -> None:
        facts = self._facts(place)
        if facts is None:
            return
        held: list[Received] = []
        try:
            self.complete &= self._receive_all(place, facts, held)
        finally:
            if held:
                self.world.sqs.release(place.url, [message.handle for message in held])
        self.others[place.role] = len(held)

    def _receive_all(self, place: Place, facts: QueueFacts, held: list[Received]) -> bool:
        """Receive until nothing new comes, delete ours, put the others in ``held``; False when broken off."""
        span_s = min(PASS_MOST_S, max(PASS_LEAST_S, facts.visible / PASS_PER_S))
        until_s = self._now_s() + span_s
        # Where receives are counted, one message is asked for first, to learn how many they have left.
        most = 10 if facts.max_receives is None else 1
        while self._now_s() < until_s:
            # Hidden for longer than the pass takes, so that it meets no message twice.
            got = self.world.sqs.receive(place.url, most=most, wait_s=POLL_S, visibility_s=span_s + MARGIN_S)
            ours = [message for message in got if message.attributes.get(RUN_ATTRIBUTE) == self.run]
            others = [message for message in got if message not in ours]
            held.extend(others)
            last = self._spent(place, others, facts)
            if ours:
                self.found = True
                codes = self.world.sqs.delete(place.url, [message.handle for message in ours])
                self.removed[place.role] += sum(code is None for code in codes)
            if last:
                return False
            # A queue that fills as fast as it is read has no end; ours are not among what came later.
            if not got or len(held) > 2 * facts.visible + 100:
                return True
            most = 10
        return False

    def _spent(self, place: Place, others: Sequence[Received], facts: QueueFacts) -> bool:
        """Tell whether a message of somebody else had its last receive; note when the next would be its last."""
        met = max(others, key=lambda message: message.receives, default=None)
        if met is None:
            return False
        if at_brink(met.receives, facts):
            self.brink = True
            if met.receives > self.noted.get(place.url, 0):  # else a write to disk for each of a long queue
                self.noted[place.url] = met.receives
                # No room, no rights: the note is for the next revert, this one knows, and has ours to remove.
                with suppress(ChaosdError):
                    Brink(place.url).write(met, self.world)
        return spent(met.receives, facts)

    def _wait(self, until_s: float) -> bool:
        """Wait until the counters say that no worker holds a message and only those of others are left."""
        while not (quiet := self._idle() and self._only_others()) and self._now_s() < until_s:
            self.world.clock.wait(None, LOOK_S)
        return quiet

    def _idle(self) -> bool:
        """Tell whether no worker holds a message: then nothing of ours is hidden."""
        facts = [one for place in self.places if (one := self._facts(place)) is not None]
        self.in_flight = sum(one.in_flight + one.delayed for one in facts)
        return self.in_flight == 0

    def _fifo(self) -> bool:
        return any(facts.fifo for place in self.places if (facts := self._facts(place)) is not None)

    def _blocked(self) -> bool:
        """Tell whether messages of ours may hide in a FIFO group behind one that a worker holds."""
        return self._fifo() and not self._only_others(every=True)

    def _only_others(self, *, every: bool = False) -> bool:
        """Tell whether no queue holds more than the others the last pass saw there; FIFO ones only if ``every``."""
        return all(
            facts.visible <= self.others.get(place.role, 0) or (facts.fifo and not every)
            for place in self.places
            if (facts := self._facts(place)) is not None
        )

    def _hidden_s(self) -> float:
        return max(
            (one.visibility_s for place in self.places if (one := self._facts(place)) is not None), default=0.0
        )

    def _facts(self, place: Place) -> QueueFacts | None:
        try:
            return self.world.sqs.facts(place.url)
        except TargetAbsentError:
            return None  # the queue was there when the fault was prepared; what was in it went with it

    def _now_s(self) -> float:
        return self.world.clock.instant().mono_s

    def _may_remain(self, within_s: float) -> UndoFailedError:
        roles: Mapping[str, Any] = dict(self.removed)
        why = (
            "looking again could push messages of others to the dead-letter queue"
            if self.brink
            else f"{self.in_flight} messages are still in flight after {within_s:g} s"
        )
        return UndoFailedError(
            f"not all messages marked {RUN_ATTRIBUTE}={self.run} are known to be gone (removed {roles}): {why}",
            hint="let the worker drain its queue, or wait out the visibility timeout, then run `chaosd recover`",
        )
