"""One line on stderr that follows an injection while it runs; nothing where stderr is no terminal."""

import sys
import threading
from typing import TYPE_CHECKING

import click

from daemon.core.events import (
    Aborted,
    Checked,
    Event,
    Injected,
    Judged,
    Observed,
    Planned,
    Refused,
    Reverted,
    RevertFailed,
)
from daemon.core.model import Phase, Status
from daemon.core.moments import Armed, Fired
from daemon.faces.cli.text import seconds

if TYPE_CHECKING:
    from daemon.core.course import RunEvent

STEPS = {
    Armed: "waiting for the event",
    Fired: "it happened",
    Planned: "planned",
    Injected: "injected",
    Aborted: "aborting",
    Reverted: "reverted",
    RevertFailed: "revert failed",
    Refused: "refused",
    Checked: "messages checked",
    Judged: "judged",
}


class Line:
    """A chain of words that grows: ``planned > injected > impact after 0.3 s``. Thread-safe."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._lock = threading.Lock()
        self._words: list[str] = []

    def add(self, word: str) -> None:
        """Add one word, once."""
        with self._lock:
            if not self._live or word in self._words:
                return
            self._words.append(word)
            click.echo("\r\x1b[K" + " > ".join(self._words), err=True, nl=False)

    def end(self) -> None:
        """Wipe the line, so that what follows starts clean. Idempotent."""
        with self._lock:
            if self._live and self._words:
                click.echo("\r\x1b[K", err=True, nl=False)
            self._words.clear()


class Follower:
    """Listens to the engine's events and shows them on a line."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._injected_s: float | None = None
        self._hurt = False
        self._baselines: dict[str, bool] = {}

    def reset(self) -> None:
        """Forget the injection followed so far: the next event is another one's."""
        self._injected_s, self._hurt = None, False

    def __call__(self, injection: str, event: Event) -> None:
        """Take one event into account."""
        del injection
        if isinstance(event, Observed):
            self._observed(event)
        elif type(event) in STEPS:
            self._line.add(STEPS[type(event)])
        if isinstance(event, Injected):
            self._injected_s = event.started.mono_s

    def ran(self, run: str, event: "RunEvent") -> None:
        """Take one event of a scenario's run into account: a baseline, or the workload beside the fault."""
        from daemon.core.course import Opened, Played, Purpose

        if isinstance(event, Opened):
            self._baselines[run] = event.purpose is Purpose.BASELINE
            under = "" if self._baselines[run] else " under fault"
            self._line.add(f"{'baseline' if self._baselines[run] else 'workload'} {event.scenario}{under}")
        elif isinstance(event, Played) and self._baselines.get(run):
            ledger = event.course.ledger
            wanted = list(ledger.wanted())
            there = sum(1 for one in wanted if (stages := ledger.stages.get(one.token)) and stages.pushed)
            self._line.add(f"baseline {event.course.scenario}: {there}/{len(wanted)} messages")

    def _observed(self, event: Observed) -> None:
        since_s = self._injected_s
        if since_s is None or event.phase is Phase.BEFORE or self._hurt:
            return
        if event.observation.status is Status.FAILING:
            self._hurt = True
            after_s = max(0.0, event.observation.answered.mono_s - since_s)
            self._line.add(f"impact after {seconds(after_s)}")
