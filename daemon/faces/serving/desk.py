"""What the API shows and moves, in one place; the lifecycle fills it."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from daemon.core.model import Observation
from daemon.core.seams import Fault, Probe
from daemon.core.settings import Settings
from daemon.engine.control import Control, Run
from daemon.faces.metrics import Metrics
from daemon.faces.serving.auditing import Auditor
from daemon.faces.serving.news import News
from daemon.ports.journal import Journal

FAILED_MAX = 64  # injections that ended in an error nobody has asked for yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What the API shows and moves.

    ``runs`` are the injections begun through it whose end may be asked for. ``look`` asks one probe now, within
    seconds. ``ailing`` names the parts of the daemon that do not move any more. ``reload`` takes the configuration
    as it is on disk, all of it or (ConfigError) nothing.
    """

    control: Control
    journal: Journal
    metrics: Metrics
    faults: Mapping[str, type[Fault]]
    probes: Mapping[str, type[Probe]]
    latest: Callable[[], Mapping[str, Observation]]
    next_times: Callable[[], Mapping[str, float]]
    facts: Mapping[str, Any]
    ready: threading.Event
    audit: Auditor
    news: News
    settings: Callable[[], Settings]
    look: Callable[[str, float], Observation | None]
    ailing: Callable[[], tuple[str, ...]] = tuple
    reload: Callable[[], Settings] | None = None
    runs: dict[str, Run] = field(default_factory=dict)

    def begun(self, run: Run) -> None:
        """Keep an injection under way until its end was asked for.

        What ended and nobody asked for is let go: its end is in the journal. An error is not, so some stay.
        """
        self.runs[run.injection] = run
        ended = [(name, one) for name, one in tuple(self.runs.items()) if one.done.is_set()]
        failed = [name for name, one in ended if one.error is not None]
        for name, one in ended:
            if one.error is None or name in failed[:-FAILED_MAX]:
                self.runs.pop(name, None)
