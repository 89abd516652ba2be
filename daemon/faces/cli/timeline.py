"""What happened in one injection, in order, in seconds after the injecting began."""

from collections.abc import Iterator
from typing import Any

from daemon.core.events import Injection, Observed
from daemon.core.model import Instant, Status


def timeline(found: Injection) -> list[dict[str, Any]]:
    """Return the steps as ``{"after": seconds | null, "what": words}``, in order."""
    zero = found.injected.started.mono_s if found.injected else None
    steps = sorted(_steps(found), key=lambda step: step[0].mono_s)
    return [
        {"after": None if zero is None else round(at.mono_s - zero, 3), "what": what, "at": at.wall_s}
        for at, what in steps
    ]


def _steps(found: Injection) -> Iterator[tuple[Instant, str]]:
    yield found.plan.planned_at, "planned"
    yield from _changes(found.observed)
    if found.refused:
        yield found.refused.at, f"refused by {found.refused.rule}"
    if found.armed:
        yield found.armed.at, f"waiting for {found.plan.when}"
    if found.fired:
        yield found.fired.at, found.fired.what
    if found.injected:
        yield found.injected.started, "injecting"
        error = f", broke: {found.injected.error}" if found.injected.error else ""
        yield found.injected.finished, f"injected{error}"
    if found.aborted:
        yield found.aborted.at, f"aborted: {found.aborted.reason}"
    if found.revert_started:
        yield found.revert_started, "reverting"
    if found.checked:
        broken = sorted({v["invariant"] for v in found.checked.violations})
        yield found.checked.at, f"messages checked{': broken ' if broken else ''}{', '.join(broken)}"
    if found.reverted:
        yield found.reverted.finished, str(found.reverted.reversion.outcome)
    if found.settled:
        yield found.settled.at, f"settled by {found.settled.by}: {found.settled.because}"


def _changes(observed: tuple[Observed, ...]) -> Iterator[tuple[Instant, str]]:
    """Yield the first look of each probe and every change of its status."""
    last: dict[str, Status] = {}
    for event in sorted(observed, key=lambda e: e.observation.answered.mono_s):
        seen = event.observation
        if last.get(seen.probe) is seen.status:
            continue
        last[seen.probe] = seen.status
        first = next((f": {f.name} {f.detail}".rstrip() for f in seen.reading.findings), "")
        yield seen.answered, f"{seen.probe} {seen.status}{first}"
