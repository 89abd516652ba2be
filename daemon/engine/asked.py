"""What tells of an event, and the kinds that have to be asked for: queues and logs tell nobody by themselves."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from daemon.core.seams import World
from daemon.core.watching import Change, Spot

_AHEAD_S = 5.0  # the worker's clock may be a little fast


@dataclass(frozen=True, slots=True)
class Hit:
    """The event was seen. ``root`` is the clone it happened in; empty where it happened in none."""

    what: str
    root: str = ""


class Sensor(Protocol):
    """Tells one kind of event in one place. ``ask_every_s`` is 0 where the file system tells, and nobody asks."""

    @property
    def spots(self) -> tuple[Spot, ...]: ...
    @property
    def ask_every_s(self) -> float: ...
    def look(self, changes: Sequence[Change]) -> Hit | None:
        """Return the event if these changes show it; may raise ChaosdError where it asks others."""
        ...


@dataclass(slots=True)
class InFlight:
    """A message was received and is not deleted yet, as the queue's own (approximate) counter says."""

    url: str
    world: World
    ask_every_s: float = field(default=0.1, init=False)
    spots: tuple[Spot, ...] = field(default=(), init=False)

    def look(self, _: Sequence[Change]) -> Hit | None:
        count = self.world.sqs.facts(self.url).in_flight
        return Hit(f"{count} in flight in {self.url}") if count > 0 else None


@dataclass(slots=True)
class Logged:
    """A line newer than the watching has a part that fits."""

    group: str
    pattern: re.Pattern[str]
    world: World
    ask_every_s: float = field(default=0.25, init=False)
    spots: tuple[Spot, ...] = field(default=(), init=False)
    _since_s: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._since_s = self.world.clock.instant().wall_s

    def look(self, _: Sequence[Change]) -> Hit | None:
        until_s = self.world.clock.instant().wall_s + _AHEAD_S
        found = self.world.logs.events(self.group, since_s=self._since_s, until_s=until_s)
        line = next((event for event in found if self.pattern.search(event.message)), None)
        return Hit(f"a line was logged to {self.group}") if line else None
