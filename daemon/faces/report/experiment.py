"""One injection with its evidence, as plain data: for the report, and for the status page."""

from typing import Any

from daemon.faces import shapes
from daemon.faces.report.collect import Run


def experiment(run: Run) -> dict[str, Any]:
    """Return the injection as ``show`` prints it, and what a page draws of it besides."""
    found, stored = run.injection, run.stored
    zero = found.injected.started if found.injected else None
    return {
        **shapes.injection(found),
        "stored_verdict": stored.verdict.value if stored else None,
        "differs": run.differs,
        "limit": found.plan.recover_s,
        "reverting_after": _after(zero, found.revert_started),
        "followed_for": run.recovery.lo_s if run.recovery and run.recovery.censored else None,
        "refused_by": found.refused.rule if found.refused else None,
        "parameters": dict(found.plan.parameters),
        "actions": list(found.undo.actions) if found.undo else [],
        "looks": [
            {"after": _after(zero, c.at), "probe": c.probe, "status": c.status.value, "finding": c.finding}
            for c in run.changes
        ],
    }


def _after(zero: Any, at: Any) -> float | None:
    return None if zero is None or at is None else round(at.mono_s - zero.mono_s, shapes.DIGITS)
