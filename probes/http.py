"""Whether an address answers, with the status and the words that it should."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from daemon.core.calls import NONE, Call
from daemon.core.errors import UnreachableError
from daemon.core.expect import judge, parse
from daemon.core.model import Finding, Reading, Status
from daemon.core.parameters import parameter
from daemon.core.seams import World
from daemon.core.target import Target

_RANGE = re.compile(r"(\d{3})(?:-(\d{3}))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Http:
    """Times one GET of ``url``; redirects are not followed.

    Silence is FAILING, not UNKNOWN: whether this address answers is what is being asked.
    """

    name: ClassVar[str] = "http"
    summary: ClassVar[str] = "Asks an address and checks status and body"
    calls: ClassVar[tuple[Call, ...]] = NONE
    measures: ClassVar[Mapping[str, str]] = {
        "status_code": "HTTP status",
        "duration_seconds": "until the answer was complete",
    }

    url: str = parameter("", "http or https address")
    timeout: float = parameter(5.0, "for connecting, and again for the answer", unit="s")
    status: str = parameter("200-299", "statuses that are well, e.g. 200-299,304")
    body: str | None = parameter(None, "regular expression that must occur in the body")
    expect: str = parameter("", "what must hold of the measures, e.g. `duration_seconds <= 0.5`")

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise ValueError(f"url: {self.url!r} is no http or https address")
        _statuses(self.status)
        parse(self.expect, self.measures)
        try:
            re.compile(self.body or "")
        except re.error as error:
            raise ValueError(f"body: {self.body!r} is no regular expression: {error}") from None

    def observe(self, target: Target, world: World) -> Reading:  # noqa: ARG002  the address says it all
        began_s = world.clock.instant().mono_s
        try:
            code, body = world.http.get(self.url, timeout_s=self.timeout)
        except UnreachableError as error:
            return Reading(status=Status.FAILING, findings=(Finding("no-answer", error.message),))
        took_s = world.clock.instant().mono_s - began_s
        measures = {"status_code": float(code), "duration_seconds": took_s}
        wrong = self._wrong(code, body.decode(errors="replace"))
        status, unexpected = judge(parse(self.expect, self.measures), measures)
        return Reading(
            status=Status.FAILING if wrong else status, measures=measures, findings=(*wrong, *unexpected)
        )

    def _wrong(self, code: int, body: str) -> list[Finding]:
        wrong = []
        if not any(low <= code <= high for low, high in _statuses(self.status)):
            wrong.append(Finding("status", f"{self.url} answered {code}, expected {self.status}"))
        if self.body and not re.search(self.body, body):
            wrong.append(Finding("body", f"{self.url}: {self.body!r} does not occur in the body"))
        return wrong


def _statuses(text: str) -> list[tuple[int, int]]:
    """Read ``200-299,304``; raises ValueError."""
    ranges = []
    for part in text.split(","):
        found = _RANGE.fullmatch(part.strip())
        if found is None or int(found[2] or found[1]) < int(found[1]):
            raise ValueError(f"status: {part.strip()!r} is no status or range; write 200-299,304")
        ranges.append((int(found[1]), int(found[2] or found[1])))
    return ranges
