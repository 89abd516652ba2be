"""What recovery statistics are made of: one time to recovery a run, in a bracket or beyond an instant.

Only the records stand here; the estimates over them need a library and are made by ``daemon.faces.report``.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from daemon.core.events import HealedBy, Injection, Judgement, Verdict
from daemon.core.model import Status

COUNTED = frozenset({Verdict.RECOVERED, Verdict.NOT_RECOVERED, Verdict.VIOLATED})


@dataclass(frozen=True, slots=True)
class RecoveryTime:
    """Seconds from the injection to the recovery: between ``lo_s`` and ``hi_s``, or somewhere beyond ``lo_s``.

    ``hi_s`` None is right-censored: the run was followed to ``lo_s`` and had not recovered by itself then.
    """

    lo_s: float
    hi_s: float | None

    @property
    def censored(self) -> bool:
        return self.hi_s is None

    @property
    def middle_s(self) -> float:
        """The least biased single number of a bracket; where the following ended when censored."""
        return self.lo_s if self.hi_s is None else (self.lo_s + self.hi_s) / 2


def recovery_time(injection: Injection, judged: Judgement) -> RecoveryTime | None:
    """Return what one run tells about recovery, or None without an impact: there was nothing to recover from.

    Pure. Only a recovery that the worker made itself is one; whatever ended the following before that (our
    revert, an abort, the end of patience) censors it at the last moment at which it was known to be unwell.
    """
    injected = injection.injected
    if injected is None or not judged.impact_seen:
        return None
    if judged.recovery and judged.healed_by is HealedBy.WORKER and judged.verdict in COUNTED:
        return RecoveryTime(judged.recovery.lo_s, judged.recovery.hi_s)
    end_s = min(_unwell(injection), *_interfered(injection), float("inf"))
    return RecoveryTime(max(0.0, end_s - injected.started.mono_s), None)


def _unwell(injection: Injection) -> float:
    """Return the asking of the last failing look at a steady-state probe."""
    looks = (o.observation for o in injection.observed if o.observation.probe in injection.plan.steady)
    return max((o.asked.mono_s for o in looks if o.status is Status.FAILING), default=0.0)


def _interfered(injection: Injection) -> Iterator[float]:
    """Yield when somebody else than the worker began to heal: after that its own time is not to be seen."""
    if injection.aborted is not None:
        yield injection.aborted.at.mono_s
    reverted, undo = injection.reverted, injection.undo
    ours = reverted is None or not reverted.reversion.by_worker
    if injection.revert_started is not None and undo is not None and undo.restores and ours:
        yield injection.revert_started.mono_s
