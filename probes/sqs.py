"""What waits in the worker's queue and in its dead-letter queue."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from daemon.core.calls import Call, On, calls
from daemon.core.errors import TargetAbsentError
from daemon.core.expect import Condition, judge, parse
from daemon.core.model import Finding, Reading
from daemon.core.parameters import parameter
from daemon.core.seams import World
from daemon.core.target import Target


@dataclass(slots=True, kw_only=True)
class SqsBacklog:
    """Counts the messages of the input queue and the depth of its dead-letter queue, as SQS counts: approximately.

    Without ``expect`` it only measures. Growth of the dead-letter queue since the first look (or the lowest
    depth seen since) is a finding; expect ``dead_letter == 0`` to have it fail. ``still_seconds`` tells a queue
    that is worked on from one that stands still (held messages, a blocked group, no worker), whatever its length.
    """

    name: ClassVar[str] = "sqs-backlog"
    summary: ClassVar[str] = "Messages waiting, in flight, delayed and dead-lettered"
    calls: ClassVar[tuple[Call, ...]] = (*calls(On.INPUT, "sqs.facts"), *calls(On.DEAD_LETTER, "sqs.facts"))
    measures: ClassVar[Mapping[str, str]] = {
        "visible": "messages waiting",
        "in_flight": "messages held by a worker",
        "delayed": "messages not due yet",
        "dead_letter": "messages in the dead-letter queue, held ones included",
        "still_seconds": "how long none of the input queue's counts has changed while it was not empty",
    }

    expect: str = parameter("", "what must hold, e.g. `visible <= 100 and dead_letter == 0`")
    _conditions: tuple[Condition, ...] = field(init=False, repr=False)
    _dead_least: float | None = field(default=None, init=False, repr=False)
    _last: tuple[int, ...] = field(default=(), init=False, repr=False)
    _since_s: float = field(default=0.0, init=False, repr=False)

    def __post_init__(self) -> None:
        self._conditions = parse(self.expect, self.measures)

    def observe(self, target: Target, world: World) -> Reading:
        if target.queue is None:
            raise TargetAbsentError(
                f"no messages were counted: the target {target.name} names no queue",
                hint="set targets.<name>.queue.url",
            )
        facts = world.sqs.facts(target.queue.url)
        measures: dict[str, float] = {
            "visible": facts.visible,
            "in_flight": facts.in_flight,
            "delayed": facts.delayed,
            "still_seconds": self._still_s((facts.visible, facts.in_flight, facts.delayed), world),
        }
        dead_url = target.queue.dead_letter or facts.dead_letter_url
        if dead_url is not None:
            dead = world.sqs.facts(dead_url)
            measures["dead_letter"] = dead.visible + dead.in_flight + dead.delayed
        status, findings = judge(self._conditions, measures)
        return Reading(status=status, measures=measures, findings=(*findings, *self._growth(measures)))

    def _still_s(self, counts: tuple[int, ...], world: World) -> float:
        now_s = world.clock.instant().mono_s
        if counts != self._last or not any(counts):
            self._last, self._since_s = counts, now_s
        return now_s - self._since_s

    def _growth(self, measures: dict[str, float]) -> tuple[Finding, ...]:
        dead = measures.get("dead_letter")
        if dead is None:
            return ()
        # An operator may empty the queue; what comes after that is growth again.
        least = dead if self._dead_least is None else min(self._dead_least, dead)
        self._dead_least = least
        if dead <= least:
            return ()
        return (Finding("dead-letter-growth", f"{dead - least:g} more than the {least:g} of the first look"),)
