"""The log: one line an event, named ``subject.past_participle``; for people on a terminal, JSON elsewhere."""

import logging
import sys
from collections.abc import Mapping
from typing import Any

import structlog

from daemon.core.course import Opened, Played, RunEvent, SweepFailed, Swept
from daemon.core.events import (
    Aborted,
    Checked,
    Event,
    Injected,
    Judged,
    Observed,
    Planned,
    Proposed,
    Refused,
    Reverted,
    RevertFailed,
    Settled,
)
from daemon.core.model import Instant, Observation, Status
from daemon.core.moments import Armed, Fired
from daemon.core.redact import redacted


def configure(*, level: str = "info") -> None:
    """Send everything to standard error, our own events and those of libraries alike. Idempotent."""
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.dict_tracebacks,
        _without_secrets,
    ]
    renderer: Any = structlog.processors.JSONRenderer()
    if sys.stderr.isatty():
        renderer = structlog.dev.ConsoleRenderer()
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )


def _without_secrets(_: object, __: str, event: Any) -> Any:
    """Redact every text of a line, ours and those of libraries, tracebacks included."""
    return redacted(event)


def logger() -> Any:
    """Return chaosd's logger."""
    return structlog.get_logger("chaosd")


NAMES: Mapping[type[Any], tuple[str, str]] = {
    Proposed: ("experiment.proposed", "info"),
    Refused: ("experiment.refused", "warning"),
    Armed: ("experiment.armed", "info"),
    Fired: ("experiment.fired", "info"),
    Planned: ("injection.planned", "info"),
    Injected: ("fault.injected", "info"),
    Aborted: ("experiment.aborted", "warning"),
    Reverted: ("fault.reverted", "info"),
    RevertFailed: ("fault.revert_failed", "error"),
    Settled: ("injection.settled", "warning"),
    Checked: ("experiment.checked", "info"),
    Judged: ("experiment.judged", "info"),
    Opened: ("scenario.opened", "info"),
    Played: ("scenario.played", "info"),
    Swept: ("scenario.swept", "info"),
    SweepFailed: ("scenario.sweep_failed", "error"),
}


class LogListener:
    """Writes every event, and every change of a probe's status."""

    def __init__(self) -> None:
        self._log = logger()
        self._last: dict[str, Status] = {}

    def __call__(self, injection: str, event: Event) -> None:
        """Write one event."""
        if isinstance(event, Observed):
            self.looked(event.observation)
            return
        name, level = NAMES[type(event)]
        getattr(self._log, level)(name, injection=injection, **_facts(event))

    def ran(self, run: str, event: RunEvent) -> None:
        """Write one event of a scenario's run."""
        name, level = NAMES[type(event)]
        getattr(self._log, level)(name, run=run, **_facts_of_run(event))

    def looked(self, seen: Observation) -> None:
        """Write a probe's look when its status differs from the one before."""
        if self._last.get(seen.probe) is seen.status:
            return
        self._last[seen.probe] = seen.status
        write = self._log.info if seen.status is Status.OK else self._log.warning
        write(
            "probe.changed",
            probe=seen.probe,
            target=seen.target,
            status=seen.status.value,
            findings=[f"{f.name}: {f.detail}" for f in seen.reading.findings[:5]],
        )


def _facts(event: Event) -> dict[str, Any]:  # noqa: C901, PLR0911  one arm an event
    match event:
        case Proposed(plan=plan):
            names = ("experiment", "fault", "mode", "target", "seed", "origin", "by")
            return {name: getattr(plan, name) for name in names}
        case Refused():
            return {"rule": event.rule, "reason": event.reason}
        case Fired():
            return {"what": event.what}
        case Planned(undo=undo):
            return {"fault": undo.fault, "mode": undo.mode, "victim": dict(undo.victim)}
        case Injected():
            return {"took_s": _span(event.started, event.finished), "error": event.error}
        case Aborted():
            return {"reason": event.reason}
        case Reverted(reversion=reversion):
            took_s = _span(event.started, event.finished)
            return {"outcome": reversion.outcome.value, "detail": reversion.told, "took_s": took_s}
        case Settled():
            return {"by": event.by, "because": event.because}
        case RevertFailed():
            return {"attempt": event.attempt, "error": event.error}
        case Checked():
            broken = sorted({str(v["invariant"]) for v in event.violations})
            facts = {"run": event.run, "baseline": event.baseline, "violated": broken, "masked": event.masked}
            return {**facts, "unknown": [str(u["invariant"]) for u in event.unknown], "settled": event.settled}
        case Judged(judgement=judged):
            healed_by = judged.healed_by.value if judged.healed_by else None
            return {"verdict": judged.verdict.value, "reasons": judged.reasons, "healed_by": healed_by}
        case _:
            return {}


def _facts_of_run(event: RunEvent) -> dict[str, Any]:
    match event:
        case Opened():
            names = ("scenario", "target", "seed", "injection")
            return {"purpose": event.purpose.value, **{name: getattr(event, name) for name in names}}
        case Played(course=course):
            broken = [r.invariant for r in course.violated]
            facts = {"scenario": course.scenario, "target": course.target, "messages": len(course.ledger.sent)}
            return {**facts, "settled": course.settled, "stopped": course.stopped, "violated": broken}
        case Swept(reversion=reversion):
            return {"outcome": reversion.outcome.value, "detail": reversion.detail}
        case SweepFailed():
            return {"attempt": event.attempt, "error": event.error}


def _span(start: Instant, end: Instant) -> float:
    return round(end.mono_s - start.mono_s, 4)
