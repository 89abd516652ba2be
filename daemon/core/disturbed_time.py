"""For how long an injection disturbed its target: from injecting until it was taken back and healed. Pure."""

from daemon.core.events import Injection
from daemon.core.model import Instant, Outcome


def since(injection: Injection, since_s: float, now: Instant) -> float:
    """Return the seconds disturbed after ``since_s`` (epoch); what is not over counts at least as planned.

    Lengths come from the monotonic clock where both ends lie on it: a wall clock that was set makes no time.
    """
    start_s, length_s = _span(injection, now)
    return max(0.0, length_s - max(0.0, since_s - start_s))


def _span(injection: Injection, now: Instant) -> tuple[float, float]:
    plan, injected = injection.plan, injection.injected
    start = injected.started if injected is not None else plan.planned_at
    start_s = start.wall_s
    if injection.judgement is not None and injection.undo is None:
        return start_s, 0.0  # refused, or not steady before: nothing was touched
    if injection.reverted is None:
        return start_s, max(plan.duration_s, now.mono_s - start.mono_s, now.wall_s - start_s)
    over = injection.reverted.finished
    if injected is None and injection.reverted.reversion.outcome is Outcome.UNTOUCHED:
        return start_s, 0.0
    # Who died while it struck, or could not write that down, has disturbed all the same.
    there_s = over.mono_s - start.mono_s
    if there_s < 0:  # taken back after a reboot: another monotonic clock
        there_s = max(plan.duration_s, over.wall_s - start_s)
    return start_s, max(there_s, _unwell_s(injection, now.mono_s - start.mono_s))


def _unwell_s(injection: Injection, passed_s: float) -> float:
    """Return how long after the injection the target was unwell, as far as anybody looked."""
    judged = injection.judgement
    if judged is None:
        return passed_s
    if judged.recovery is not None:
        return judged.recovery.hi_s
    return injection.plan.recover_s if judged.censored else 0.0
