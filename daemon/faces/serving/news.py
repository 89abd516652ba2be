"""What happens, for those who watch: the latest notices in a ring, and every watcher a place in it.

Who is too slow falls out of the ring and is told to look anew. So no watcher holds up what happens, and all of them
together cost no more memory than the ring.
"""

import re
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from daemon.core.events import (
    Aborted,
    Event,
    Judged,
    Observed,
    Plan,
    Proposed,
    Refused,
    Reverted,
    RevertFailed,
    Settled,
)
from daemon.core.model import Observation, Status
from daemon.core.seams import Clock

if TYPE_CHECKING:
    from daemon.core.course import RunEvent

RING_MAX = 512
PLANS_MAX = 1000


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that happened. ``number`` counts from 1 in the daemon's life."""

    number: int
    name: str
    facts: Mapping[str, Any]


class News:
    """A listener on events and looks that keeps the latest notices. Thread-safe; never blocks who tells it."""

    def __init__(self, clock: Clock, most: int = RING_MAX) -> None:
        self.clock = clock
        self._life = f"{clock.instant().wall_s * 1000:.0f}"
        self._ring: deque[Notice] = deque(maxlen=most)
        self._more = threading.Condition()
        self._last = 0
        self._plans: dict[str, Plan] = {}
        self._seen: dict[str, Status] = {}
        self._closed = False

    # --- listeners ---------------------------------------------------------------------------------------

    def __call__(self, injection: str, event: Event) -> None:
        """Take one event of an injection into account."""
        if isinstance(event, Observed):
            self.looked(event.observation)
            return
        if isinstance(event, Proposed):
            while len(self._plans) >= PLANS_MAX:
                self._plans.pop(next(iter(self._plans)), None)
            self._plans[injection] = event.plan
        plan = self._plans.get(injection)
        about = {"fault": plan.fault, "target": plan.target} if plan else {}
        self.say("injection", injection=injection, event=_word(event), **about, **_more(event))
        if isinstance(event, Judged):
            self._plans.pop(injection, None)

    def looked(self, observation: Observation) -> None:
        """Take one look of a probe into account: news is what became another status."""
        if self._seen.get(observation.probe) is not observation.status:
            self._seen[observation.probe] = observation.status
            self.say("probe", probe=observation.probe, target=observation.target, status=observation.status.value)

    def ran(self, run: str, event: "RunEvent") -> None:
        """Take one event of a scenario's run into account."""
        self.say("run", run=run, event=_word(event))

    def say(self, name: str, **facts: Any) -> None:
        """Add a notice and wake who watches."""
        with self._more:
            self._last += 1
            self._ring.append(Notice(self._last, name, facts))
            self._more.notify_all()

    # --- watchers ----------------------------------------------------------------------------------------

    @property
    def last(self) -> int:
        """Return the number of the latest notice; 0 before the first."""
        return self._last

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """Wake who watches, for the end. Idempotent."""
        with self._more:
            self._closed = True
            self._more.notify_all()

    def since(self, number: int, timeout_s: float) -> tuple[Sequence[Notice], bool]:
        """Return the notices after ``number``, waiting for one if need be, and whether some are lost."""
        with self._more:
            self._more.wait_for(lambda: self._last > number or self._closed, timeout_s)
            found = [notice for notice in self._ring if notice.number > number]
            return found, self._last - number > len(found)

    def name(self, number: int) -> str:
        """Return the id under which a notice goes out."""
        return f"{self._life}-{number}"

    def place(self, name: str) -> int | None:
        """Return the number of an id of this life of the daemon; None for anything else."""
        life, _, number = name.partition("-")
        known = life == self._life and number.isascii() and number.isdigit() and len(number) < len(str(1 << 63))
        return int(number) if known and int(number) <= self._last else None


def _word(event: object) -> str:
    """Return ``revert-failed`` for RevertFailed: the journal's own words."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", type(event).__name__).lower()


def _more(event: Event) -> dict[str, Any]:
    match event:
        case Judged():
            return {"verdict": event.judgement.verdict.value}
        case Refused() | Aborted():
            return {"reason": event.reason}
        case Reverted():
            return {"outcome": event.reversion.outcome.value, "doubt": event.reversion.doubt}
        case RevertFailed():
            return {"reason": event.error}
        case Settled():
            return {"by": event.by}
        case _:
            return {}
