"""What the API shows and moves, in one place; the lifecycle fills it."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from daemon.core.model import Observation
from daemon.core.seams import Fault
from daemon.core.settings import Settings
from daemon.engine.control import Control, Run
from daemon.faces.metrics import Metrics
from daemon.faces.serving.auditing import Auditor
from daemon.faces.serving.news import News
from daemon.ports.journal import Journal

RUNS_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What the API shows and moves. ``runs`` are the injections begun through it whose end may be asked for."""

    control: Control
    journal: Journal
    metrics: Metrics
    faults: Mapping[str, type[Fault]]
    latest: Callable[[], Mapping[str, Observation]]
    next_times: Callable[[], Mapping[str, float]]
    facts: Mapping[str, Any]
    ready: threading.Event
    audit: Auditor
    news: News
    settings: Callable[[], Settings]
    runs: dict[str, Run] = field(default_factory=dict)

    def begun(self, run: Run) -> None:
        """Keep an injection under way until its end was asked for; of those that nobody asks for, the latest."""
        self.runs[run.injection] = run
        for name in [n for n, r in tuple(self.runs.items()) if r.done.is_set()][:-RUNS_MAX]:
            self.runs.pop(name, None)
