"""The JSON of scenarios and of their runs (DESIGN §6). Stage times are seconds after sending; null is not seen."""

from typing import Any

from daemon.core.checking import violation
from daemon.core.course import Course
from daemon.core.invariants import INVARIANTS
from daemon.core.kpi import Kpi
from daemon.core.ledger import Kind, Ledger, Sent, Stages
from daemon.core.model import Instant
from daemon.core.parameters import describe
from daemon.core.scenario import Parameters, Scenario
from daemon.faces.shapes import DIGITS, stamp, when

__all__ = ["course", "scenario", "violation"]


def scenario(one: Scenario) -> dict[str, Any]:
    """Return a scenario's entry of ``scenario list``."""
    parameters = describe(Parameters)
    for name, value in one.defaults.items():
        parameters[name]["default"] = value
    return {"name": one.name, "summary": one.summary, "expects": list(one.expects), "parameters": parameters}


def course(one: Course) -> dict[str, Any]:
    """Return one run of a scenario."""
    return {
        "name": one.scenario,
        "target": one.target,
        "run": one.ledger.run,
        "seed": one.seed,
        "began_at": when(one.began),
        "took": round(one.ended.mono_s - one.began.mono_s, DIGITS),
        "passed": one.passed,
        "settled": one.settled,
        "stopped": one.stopped or None,
        "expects": list(one.expects),
        "messages": [_message(s, one.ledger) for s in one.ledger.sent],
        "violations": [violation(r, e) for r in one.violated for e in r.evidence],
        "unknown": [{"invariant": r.invariant, "reason": r.reason} for r in one.unknown],
        "invariants": [
            {
                "name": r.invariant,
                "summary": INVARIANTS[r.invariant].summary,
                "standing": r.standing.value,
                "reason": r.reason,
            }
            for r in one.results
        ],
        "not_checked": [{"invariant": name, "reason": why} for name, why in one.not_checked.items()],
        "unseen": [{"part": part.value, "reason": why} for part, why in one.ledger.blind.items()],
        "kpi": {k.name: _kpi(k) for k in one.kpis},
    }


def _kpi(one: Kpi) -> dict[str, Any]:
    value = None if one.value is None else round(one.value, DIGITS)
    return {"value": value, "unit": one.unit, "goal": one.goal, "met": one.met, "note": one.note}


def _message(one: Sent, ledger: Ledger) -> dict[str, Any]:
    # A second delivery has no way of its own: what it led to is seen at the first.
    stages = Stages() if one.kind is Kind.DUPLICATE else ledger.stages.get(one.token, Stages())
    said = [a.said for a in ledger.answers if a.token == one.token]
    return {
        "token": one.token,
        "command": one.command,
        "session": one.session,
        "thread": one.thread,
        "branch": one.branch,
        "kind": one.kind.value,
        "effect": one.effect.value,
        "sent_at": when(one.at),
        "refused": one.refused,
        "received": None,  # no queue tells who has received what
        "committed_at": None if stages.committed_s is None else stamp(stages.committed_s),
        "commit": stages.commit,
        "pushed": _after(stages.pushed, one),
        "deployed": _after(stages.deployed, one),
        "answered": _after(stages.answered, one),
        "answer": said[-1] if said else None,
    }


def _after(reached: Instant | None, one: Sent) -> float | None:
    return None if reached is None else round(reached.mono_s - one.at.mono_s, DIGITS)
