"""The log: one line an event, named ``subject.past_participle``; for people on a terminal, JSON elsewhere."""

import logging
import sys
from typing import Any

import structlog

from daemon.core.events import (
    Aborted,
    Event,
    Injected,
    Judged,
    Planned,
    Proposed,
    Refused,
    Reverted,
    RevertFailed,
)
from daemon.core.model import Observation, Status


def configure(*, level: str = "info") -> None:
    """Send everything to standard error, our own events and those of libraries alike. Idempotent."""
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.dict_tracebacks,
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


def logger() -> Any:
    """Return chaosd's logger."""
    return structlog.get_logger("chaosd")


class LogListener:
    """Writes every event, and every change of a probe's status."""

    def __init__(self) -> None:
        self._log = logger()
        self._last: dict[str, Status] = {}

    def __call__(self, injection: str, event: Event) -> None:
        """Write one event."""
        log = self._log.bind(injection=injection)
        match event:
            case Proposed(plan=plan):
                log.info(
                    "experiment.proposed",
                    experiment=plan.experiment,
                    fault=plan.fault,
                    target=plan.target,
                    mode=plan.mode,
                    seed=plan.seed,
                    origin=plan.origin,
                    by=plan.by,
                )
            case Refused():
                log.warning("experiment.refused", rule=event.rule, reason=event.reason)
            case Planned(undo=undo):
                log.info("injection.planned", fault=undo.fault, mode=undo.mode, victim=dict(undo.victim))
            case Injected():
                log.info(
                    "fault.injected", took_s=_span(event.started.mono_s, event.finished.mono_s), error=event.error
                )
            case Aborted():
                log.warning("experiment.aborted", reason=event.reason)
            case Reverted(reversion=reversion):
                log.info(
                    "fault.reverted",
                    outcome=reversion.outcome.value,
                    detail=reversion.detail,
                    took_s=_span(event.started.mono_s, event.finished.mono_s),
                )
            case RevertFailed():
                log.error("fault.revert_failed", attempt=event.attempt, error=event.error)
            case Judged(judgement=judged):
                log.info(
                    "experiment.judged",
                    verdict=judged.verdict.value,
                    reasons=judged.reasons,
                    healed_by=judged.healed_by and judged.healed_by.value,
                )
            case _:
                self.looked(event.observation)

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


def _span(start_s: float, end_s: float) -> float:
    return round(end_s - start_s, 4)
