"""The latest injections with impact and recovery. What is over does not change: it is worked out once and kept."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

from daemon.core.events import Injection
from daemon.core.model import Instant
from daemon.core.recovery import edges
from daemon.faces.report import collect
from daemon.faces.report.experiment import experiment
from daemon.faces.shapes import DIGITS, bracket

KEPT_MAX = 200


class Looks(Protocol):
    """The journal, as far as one injection is read from it."""

    def injection(self, injection: str) -> Injection | None: ...


class Past:
    """Thread-safe; keeps KEPT_MAX injections that are over, without their looks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[Injection, dict[str, Any]]] = {}

    def experiments(self, recent: Sequence[Injection], journal: Looks, now: Instant) -> list[dict[str, Any]]:
        """Return the documents of injections given without their looks, in their order; raises JournalError."""
        with self._lock:
            found = [self._one(light, journal, now) for light in recent]
            for name in list(self._kept)[: -KEPT_MAX or None]:
                self._kept.pop(name)
        return found

    def _one(self, light: Injection, journal: Looks, now: Instant) -> dict[str, Any]:
        kept = self._kept.get(light.plan.injection)
        if kept is not None and kept[0] == light:
            return kept[1]
        full = journal.injection(light.plan.injection) or light
        if full.judgement is None:
            return under_way(full, now)
        document = evidence(full) | {"looks": []}
        self._kept[light.plan.injection] = (light, document)
        return document


def evidence(full: Injection) -> dict[str, Any]:
    """Return all that is known about an injection that is over, judged as it was at its time."""
    run = collect.run(full)
    return experiment(replace(run, injection=replace(run.injection, judgement=full.judgement)))


def under_way(full: Injection, now: Instant) -> dict[str, Any]:
    """Return an injection without a verdict, with what its looks tell so far."""
    document = evidence(full)
    if full.injected is None:
        return document
    begun_s = full.injected.started.mono_s
    so_far = round(max(0.0, now.mono_s - begun_s), DIGITS)
    seen: dict[str, list[Any]] = {name: [] for name in full.plan.steady}
    for look in full.observed:
        seen.get(look.observation.probe, []).append(look.observation)
    told = edges(seen, injected_s=begun_s, stable_s=full.plan.stable_s)
    document["reverting_after"] = document["reverting_after"] if full.revert_started else so_far
    document["impact"] = {"seen": told.impact is not None, "after": bracket(told.impact)}
    if told.impact is not None:
        document["recovery"] = document["recovery"] | {"after": bracket(told.recovered)}
        document["followed_for"] = None if told.recovered else so_far
    return document
