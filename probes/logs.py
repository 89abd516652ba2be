"""Errors in the worker's logs."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from daemon.core.calls import Call, On, calls
from daemon.core.cloud import LogEvent
from daemon.core.errors import TargetAbsentError
from daemon.core.harmless import without_secrets
from daemon.core.model import Finding, Reading, Status
from daemon.core.parameters import parameter
from daemon.core.seams import World
from daemon.core.target import Target

WINDOW_S = 90.0  # lines arrive in CloudWatch seconds late, so every look reaches back over the last ones
AHEAD_S = 5.0  # the worker's clock may be a little fast
REMEMBERED_MOST = 20_000
LINES_MOST = 3
LINE_MOST = 200


@dataclass(slots=True, kw_only=True)
class LogErrors:
    """Counts the error lines that are new since the last look; the first look reports the last 90 seconds.

    Windows overlap and events are told apart by CloudWatch's own ids. ``pattern`` is CloudWatch's filter
    syntax; ``match`` is looked for here as well, because emulators ignore JSON patterns.
    """

    name: ClassVar[str] = "log-errors"
    summary: ClassVar[str] = "New error lines in the target's log group"
    calls: ClassVar[tuple[Call, ...]] = calls(On.LOGS, "logs.events")
    measures: ClassVar[Mapping[str, str]] = {"errors": "error lines new since the last look"}

    pattern: str = parameter("?ERROR ?Error ?error", "CloudWatch's filter pattern")
    match: str = parameter("", "regular expression a line must also contain; empty: every line that was found")
    allow: int = parameter(0, "how many new errors are still healthy", least=0)
    _match: re.Pattern[str] = field(init=False, repr=False)
    _seen: dict[str, float] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        try:
            self._match = re.compile(self.match)
        except re.error as error:
            raise ValueError(f"match: {self.match!r} is no regular expression: {error}") from None

    def observe(self, target: Target, world: World) -> Reading:
        if target.logs is None:
            raise TargetAbsentError(
                f"no logs were searched: the target {target.name} names no log group",
                hint="set targets.<name>.logs.group",
            )
        now_s = world.clock.instant().wall_s
        since_s = now_s - WINDOW_S
        found = world.logs.events(target.logs.group, since_s=since_s, until_s=now_s + AHEAD_S, pattern=self.pattern)
        fresh = [event for event in found if event.id not in self._seen]
        self._remember(fresh, since_s)
        errors = [event for event in fresh if self._match.search(event.message)]
        return Reading(
            status=Status.FAILING if len(errors) > self.allow else Status.OK,
            measures={"errors": len(errors)},
            findings=tuple(Finding("log-error", redacted(event.message)) for event in errors[:LINES_MOST]),
        )

    def _remember(self, fresh: Sequence[LogEvent], since_s: float) -> None:
        """Remember what was counted; what has left the window cannot come again."""
        kept = {name: at_s for name, at_s in self._seen.items() if at_s >= since_s}
        kept |= {event.id: event.at_s for event in fresh}
        self._seen = dict(list(kept.items())[-REMEMBERED_MOST:])


def redacted(line: str) -> str:
    """Return the line without what looks like a secret, on one line, at most ``LINE_MOST`` characters."""
    clean = without_secrets(" ".join(line.split()))
    return clean if len(clean) <= LINE_MOST else f"{clean[: LINE_MOST - 3]}..."
