"""The JSON people and programs get, one shape a thing, versioned. Durations in seconds, times RFC 3339 UTC."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from daemon.core.events import Injection, State, Verdict
from daemon.core.model import Bracket, Instant, Observation, Undo
from daemon.core.parameters import describe
from daemon.core.seams import Fault, Probe
from daemon.core.settings import AboutEvery, Cron, Every, ExperimentSetting

if TYPE_CHECKING:
    from daemon.core.course import ScenarioRun

SCHEMA_VERSION = 1
DIGITS = 3
# A day short of datetime's own ends, so that every zone can show it.
EARLIEST_S = datetime(1, 1, 2, tzinfo=UTC).timestamp()
LATEST_S = datetime(9999, 12, 30, tzinfo=UTC).timestamp()

EXIT_OF: Mapping[Verdict, int] = {
    Verdict.RECOVERED: 0,
    Verdict.NO_IMPACT: 0,
    Verdict.NOT_RECOVERED: 1,
    Verdict.VIOLATED: 1,
    Verdict.INCONCLUSIVE: 1,
    Verdict.NOT_TRIGGERED: 5,
    Verdict.ABORTED: 3,
    Verdict.UNDO_FAILED: 4,
    Verdict.REFUSED: 77,
}


def document(**content: Any) -> dict[str, Any]:
    """Return a top-level document with its schema version first."""
    return {"schema_version": SCHEMA_VERSION, **content}


def injection(found: Injection) -> dict[str, Any]:
    """Return one injection with its verdict, as ``inject`` and ``show`` print it."""
    judged = found.judgement
    return {
        "injection": _head(found),
        "verdict": judged.verdict.value if judged else None,
        "reasons": list(judged.reasons) if judged else [],
        "impact": {
            "seen": bool(judged and judged.impact_seen),
            "after": bracket(judged.impact) if judged else None,
        },
        "recovery": {
            "after": bracket(judged.recovery) if judged else None,
            "censored": bool(judged and judged.censored),
            "healed_by": judged.healed_by.value if judged and judged.healed_by else None,
        },
        "undo": _undo(found),
        "violations": [dict(v) for v in judged.violations] if judged else [],
        "workload": _workload(found),
        "trigger": _trigger(found),
    }


def _head(found: Injection) -> dict[str, Any]:
    plan, reverted = found.plan, found.reverted
    return {
        "id": plan.injection,
        "experiment": plan.experiment,
        "fault": plan.fault,
        "mode": found.undo.mode if found.undo else plan.mode,
        "target": plan.target,
        "seed": plan.seed,
        "state": found.state.value,
        "planned_at": when(plan.planned_at),
        "for": plan.duration_s,
        "recover": plan.recover_s,
        "injected_at": when(found.injected.started) if found.injected else None,
        "injecting_took": _took(found),
        "reverted_at": when(reverted.finished) if reverted else None,
        "origin": plan.origin,
        "by": plan.by,
        "workload": plan.workload.scenario if plan.workload else None,
        "when": str(plan.when) if plan.when else None,
        "victim": dict(found.undo.victim) if found.undo else {},
    }


def _workload(found: Injection) -> dict[str, Any] | None:
    """Return what was played beside the fault and how it was judged; None for a fault alone."""
    setting, checked = found.plan.workload, found.checked
    if setting is None:
        return None
    return {
        "scenario": setting.scenario,
        "set": dict(setting.parameters),
        "strike": setting.strike_s,
        "run": checked.run if checked else None,
        "baseline": checked.baseline if checked else None,
        "masked": list(checked.masked) if checked else [],
        "unknown": [dict(u) for u in checked.unknown] if checked else [],
        "settled": checked.settled if checked else None,
    }


def _trigger(found: Injection) -> dict[str, Any] | None:
    """Return which event was waited for and how soon the fault followed; None for a fault that waits for none."""
    moment, armed, fired = found.plan.when, found.armed, found.fired
    if moment is None:
        return None
    struck = fired is not None and found.injected is not None
    return {
        "event": moment.event,
        "matching": moment.matching or None,
        "within": moment.within_s,
        "armed_at": when(armed.at) if armed else None,
        "fired_at": when(fired.at) if fired else None,
        "what": fired.what if fired else None,
        "struck_after": round(found.injected.started.mono_s - fired.at.mono_s, 4) if struck else None,  # type: ignore[union-attr]
    }


def _undo(found: Injection) -> dict[str, Any]:
    reverted = found.reverted
    undone = reverted is not None and found.state in {State.REVERTED, State.SUPERSEDED}
    doubt = reverted.reversion.doubt if reverted else ""
    return {
        "proved": undone and not doubt,
        "doubt": doubt,
        "superseded": found.state is State.SUPERSEDED,
        "detail": reverted.reversion.detail if reverted else (found.last_error or ""),
        "proof": dict(reverted.reversion.proof) if reverted else {},
        "deadline_at": stamp(found.deadline.wall_s) if found.deadline else None,
        "settled": _settled(found),
    }


def _settled(found: Injection) -> dict[str, str] | None:
    if found.settled is None:
        return None
    return {"at": when(found.settled.at), "by": found.settled.by, "because": found.settled.because}


def _took(found: Injection) -> float | None:
    if found.injected is None:
        return None
    return round(found.injected.finished.mono_s - found.injected.started.mono_s, DIGITS)


def preview(request_fault: str, target: str, seed: int | None, undo: Undo) -> dict[str, Any]:
    """Return what a dry run resolved: the victim and, in sentences, what would be done."""
    return {
        "dry_run": True,
        "injection": {
            "fault": request_fault,
            "mode": undo.mode,
            "target": target,
            "seed": seed,
            "victim": dict(undo.victim),
        },
        "actions": list(undo.actions),
    }


def observation(seen: Observation) -> dict[str, Any]:
    """Return one look of a probe."""
    return {
        "probe": seen.probe,
        "target": seen.target,
        "status": seen.status.value,
        "at": when(seen.answered),
        "took": round(seen.answered.mono_s - seen.asked.mono_s, DIGITS),
        "measures": dict(seen.reading.measures),
        "findings": [{"name": f.name, "detail": f.detail} for f in seen.reading.findings],
    }


def fault(kind: type[Fault]) -> dict[str, Any]:
    """Return a fault's entry of ``faults list``."""
    return {
        "name": kind.name,
        "summary": kind.summary,
        "modes": [{"name": m.name, "summary": m.summary, "silent": m.silent, **m.notes} for m in kind.modes],
        "parameters": describe(kind),
    }


def probe(kind: type[Probe]) -> dict[str, Any]:
    """Return a probe's entry of ``probes list``."""
    return {
        "name": kind.name,
        "summary": kind.summary,
        "measures": dict(kind.measures),
        "parameters": describe(kind),
    }


def experiment(setting: ExperimentSetting, at_s: float | None) -> dict[str, Any]:
    """Return a configured experiment and when it is due next."""
    match setting.trigger:
        case Cron(expression=expression, timezone=zone):
            schedule: dict[str, Any] = {"cron": expression, "timezone": zone}
        case Every(seconds=seconds):
            schedule = {"every": seconds}
        case AboutEvery(seconds=seconds):
            schedule = {"about_every": seconds}
    return {
        "name": setting.name,
        "fault": setting.fault,
        "target": setting.target,
        "set": dict(setting.parameters),
        "schedule": schedule,
        "for": setting.duration_s,
        "timeout": setting.timeout_s,
        "workload": setting.workload.scenario if setting.workload else None,
        "when": str(setting.when) if setting.when else None,
        "next_at": None if at_s is None else stamp(at_s),
    }


def injections(found: Sequence[Injection]) -> list[dict[str, Any]]:
    """Return several injections in the given order."""
    return [injection(i) for i in found]


def scenario_runs(found: "Sequence[ScenarioRun]") -> list[dict[str, Any]]:
    """Return runs of scenarios as ``recover`` and ``status`` name them: what each may have left in the queues."""
    return [
        {
            "run": one.opened.run,
            "purpose": one.opened.purpose.value,
            "scenario": one.opened.scenario,
            "target": one.opened.target,
            "opened_at": when(one.opened.at),
            "injection": one.opened.injection,
            "state": "swept" if one.swept else "sweep-failed" if one.failures else "open",
            "detail": one.swept.reversion.detail if one.swept else one.last_error or "",
            "proof": dict(one.swept.reversion.proof) if one.swept else {},
        }
        for one in found
    ]


def bracket(span: Bracket | None) -> list[float] | None:
    """Return ``[lo, hi]`` in seconds after the injection, or None."""
    return None if span is None else [round(span.lo_s, DIGITS), round(span.hi_s, DIGITS)]


def when(instant: Instant) -> str:
    """Return an instant as RFC 3339 UTC with milliseconds."""
    return stamp(instant.wall_s)


def stamp(epoch_s: float) -> str:
    """Return epoch seconds as RFC 3339 UTC with milliseconds; never raises, as a journal may hold any number.

    What is too far off to have a date gets the nearest one that is: one odd record must not hide the others.
    """
    dated = datetime.fromtimestamp(min(LATEST_S, max(EARLIEST_S, epoch_s)), UTC)
    return dated.isoformat(timespec="milliseconds").replace("+00:00", "Z")
