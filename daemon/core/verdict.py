"""The verdict: a pure function of one injection's stored history, so old runs can be judged again.

Severity: what held < what is unknown < what deviated. An unanswered question never becomes a pass.
"""

from collections.abc import Sequence
from typing import TypeAlias

from daemon.core.events import Checked, HealedBy, Injection, Judgement, Observed, Settled, State, Verdict
from daemon.core.model import Bracket, Outcome, Phase, Status
from daemon.core.recovery import Edges, edges

GOOD = frozenset({Verdict.RECOVERED, Verdict.NO_IMPACT})
UNTOUCHED = frozenset({Verdict.REFUSED, Verdict.NOT_TRIGGERED})  # nothing was injected: nothing was tried
FINAL = frozenset({Verdict.UNDO_FAILED, Verdict.ABORTED})
CHANGED_UNSEEN = "no probe was seen failing, and somebody else changed it before it was taken back"
STILL_THERE = "steady around it: what chaosd had changed was still there when chaosd took it back"


def judge(injection: Injection) -> Judgement:
    """Return the verdict with its reasons. Pure; the same history gives the same judgement."""
    if injection.compacted is not None and injection.judgement is not None:
        return injection.judgement  # without its looks the same question would get another answer
    if injection.refused is not None:
        return Judgement(verdict=Verdict.REFUSED, reasons=(injection.refused.reason,))
    if injection.undo is None and _waited_in_vain(injection):
        reason = f"nothing was injected: no {injection.plan.when} within {_within(injection)}"
        return Judgement(verdict=Verdict.NOT_TRIGGERED, reasons=(reason,))
    if injection.undo is None:
        return Judgement(verdict=Verdict.INCONCLUSIVE, reasons=_why_not_injected(injection))
    found = _edges(injection)
    verdict, reasons, healed_by = _decide(injection, found)
    verdict, reasons = _with_messages(injection, verdict, reasons)
    return Judgement(
        verdict=verdict,
        reasons=reasons,
        impact_seen=found is not None and found.impact is not None,
        impact=found.impact if found else None,
        recovery=found.recovered if found else None,
        censored=bool(found and found.impact and not found.recovered),
        healed_by=healed_by,
        violations=injection.checked.violations if injection.checked else (),
    )


def _waited_in_vain(injection: Injection) -> bool:
    return injection.armed is not None and injection.fired is None and injection.aborted is None


def _within(injection: Injection) -> str:
    return f"{injection.plan.when.within_s:g} s" if injection.plan.when else "its time"


def _with_messages(
    injection: Injection, verdict: Verdict, reasons: tuple[str, ...]
) -> tuple[Verdict, tuple[str, ...]]:
    """Return the verdict with what became of the workload's messages: deviated before unknown before held."""
    if injection.plan.workload is None or verdict in FINAL:
        return verdict, reasons
    checked = injection.checked
    if checked is None:
        return _doubted(verdict), (*reasons, "nothing is known of the workload's messages: it was never judged")
    masked = tuple(f"not judged: {name}, broken without a fault already" for name in checked.masked)
    if checked.violations:
        return Verdict.VIOLATED, (*_broken(checked), *reasons, *masked)
    doubts = _doubts(checked)
    return (_doubted(verdict) if doubts else verdict), (*doubts, *reasons, *masked)


def _doubted(verdict: Verdict) -> Verdict:
    return Verdict.INCONCLUSIVE if verdict in GOOD else verdict


def _broken(checked: Checked) -> tuple[str, ...]:
    first: dict[str, str] = {}
    for one in checked.violations:
        first.setdefault(str(one["invariant"]), str(one["evidence"].get("detail", "")))
    return tuple(f"{name}: {detail}" for name, detail in first.items())


def _doubts(checked: Checked) -> tuple[str, ...]:
    doubts = [f"not known: {one['invariant']}: {one['reason']}" for one in checked.unknown]
    if checked.broke:
        doubts.append(f"the workload broke: {checked.broke}")
    if not checked.settled:
        doubts.append("the workload was still moving at the longest wait")
    return tuple(doubts)


def _why_not_injected(injection: Injection) -> tuple[str, ...]:
    if injection.aborted:
        return (f"nothing was injected: {injection.aborted.reason}",)
    bad = {
        o.observation.probe: o.observation
        for o in injection.observed
        if o.phase is Phase.BEFORE and o.observation.status is not Status.OK
    }
    names = ", ".join(f"{n} is {o.status}{_because(o.reading.findings)}" for n, o in sorted(bad.items()))
    return (f"nothing was injected: the steady state was not ok before ({names or 'no probe answered'})",)


def _because(findings: tuple[object, ...]) -> str:
    first = next(iter(findings), None)
    return f" [{getattr(first, 'name', first)}: {getattr(first, 'detail', '')}]" if first else ""


def _edges(injection: Injection) -> Edges | None:
    injected = injection.injected
    if injected is None or not injection.plan.steady:
        return None
    series = {
        name: tuple(o.observation for o in _samples(injection.observed, name)) for name in injection.plan.steady
    }
    return edges(series, injected_s=injected.started.mono_s, stable_s=injection.plan.stable_s)


Decision: TypeAlias = tuple[Verdict, tuple[str, ...], HealedBy | None]


def _decide(injection: Injection, found: Edges | None) -> Decision:  # noqa: PLR0911  one line a verdict
    if injection.settled is not None:
        return Verdict.UNDO_FAILED, _settled(injection, injection.settled), None
    if injection.state is State.REVERT_FAILED or injection.outstanding:
        why = injection.last_error or "the revert was never finished"
        return Verdict.UNDO_FAILED, (f"the fault could not be taken back: {why}",), None
    if injection.aborted:
        return Verdict.ABORTED, (f"aborted and undone: {injection.aborted.reason}",), None
    if injection.injected is None or injection.injected.error:
        return Verdict.INCONCLUSIVE, (_cut_short(injection),), None
    if found is None:
        return Verdict.INCONCLUSIVE, ("no steady-state probe is configured, so nothing was measured",), None
    if found.impact is None:
        return _without_impact(injection, found)
    if found.recovered is None:
        return _unhealed(injection, found)
    return _healed(injection, found, found.recovered)


def _settled(injection: Injection, settled: Settled) -> tuple[str, ...]:
    """Settling closes the case; what could not be taken back stays what it was."""
    why = f"the fault could not be taken back: {injection.last_error or 'no reason is on record'}"
    return why, f"settled by {settled.by}: {settled.because}"


def _cut_short(injection: Injection) -> str:
    """Say why it did not strike as it should have, and whether it struck at all: its undo knows."""
    error = injection.injected.error if injection.injected else "chaosd ended while injecting"
    reverted = injection.reverted
    if reverted is not None and reverted.reversion.outcome is Outcome.UNTOUCHED:
        return f"the injection had no effect: {error}"
    return f"the injection broke and was undone: {error}"


def _without_impact(injection: Injection, found: Edges) -> Decision:
    if found.blind:
        return Verdict.INCONCLUSIVE, (f"never answered during the fault: {', '.join(found.blind)}",), None
    if found.doubtful:
        names = ", ".join(found.doubtful)
        return Verdict.INCONCLUSIVE, (f"no failure seen, but not every look was answered: {names}",), None
    if injection.reverted is not None and injection.reverted.reversion.by_worker:
        return Verdict.NO_IMPACT, (CHANGED_UNSEEN,), None  # no probe saw it broken, so none saw it repaired
    if idle := _idle(injection):
        return Verdict.INCONCLUSIVE, (f"no failure was seen, which says nothing of this fault: {idle}",), None
    return Verdict.NO_IMPACT, ("the steady state held: no probe was seen failing",), None


def _unhealed(injection: Injection, found: Edges) -> Decision:
    limit = f"{injection.plan.recover_s:g} s"
    if found.blind:
        return Verdict.INCONCLUSIVE, (f"impact seen, then no answer from {', '.join(found.blind)}",), None
    return Verdict.NOT_RECOVERED, (f"not steady again within {limit} after the fault (right-censored)",), None


def _healed(injection: Injection, found: Edges, recovered: Bracket) -> Decision:
    by = healed_by(injection, found)
    span = f"{recovered.lo_s:.2f}-{recovered.hi_s:.2f} s"
    if by is HealedBy.REVERT:
        return Verdict.NOT_RECOVERED, (f"healthy only after our revert ({span}): the worker did not heal it",), by
    if recovered.hi_s > injection.plan.recover_s:
        return (
            Verdict.NOT_RECOVERED,
            (f"recovered after {span}, beyond the target's limit of {injection.plan.recover_s:g} s",),
            by,
        )
    if idle := _idle(injection):
        return Verdict.INCONCLUSIVE, (f"well again after {span}, which says nothing of this fault: {idle}",), None
    reasons = (f"recovered by itself after {span}",)
    return Verdict.RECOVERED, reasons + ((STILL_THERE,) if _taken_back_by_us(injection) else ()), by


def _idle(injection: Injection) -> str:
    """Say why the fault was not in force, or met nothing; empty when it was there and was met."""
    reverted = injection.reverted
    if reverted is None or not reverted.reversion.idle:
        return ""
    return reverted.reversion.detail or "it met nothing"


def _taken_back_by_us(injection: Injection) -> bool:
    reverted, undo = injection.reverted, injection.undo
    found = reverted.reversion if reverted is not None else None
    restored = found is not None and (found.outcome is Outcome.RESTORED or found.partly)
    return restored and undo is not None and undo.restores


def healed_by(injection: Injection, found: Edges) -> HealedBy | None:
    """Tell who healed it: our revert gets the blame unless the evidence says the worker was first."""
    undo, reverted = injection.undo, injection.reverted
    if found.recovered_mono_s is None or undo is None:
        return None
    if not undo.restores:
        return HealedBy.WORKER
    if reverted is not None and reverted.reversion.by_worker:
        return HealedBy.WORKER
    started = injection.revert_started
    if started is None or found.recovered_mono_s < started.mono_s:
        return HealedBy.WORKER
    return HealedBy.REVERT


def _samples(observed: Sequence[Observed], probe: str) -> tuple[Observed, ...]:
    """Return one probe's observations in the order in which they were asked."""
    return tuple(sorted((o for o in observed if o.observation.probe == probe), key=_asked))


def _asked(observed: Observed) -> float:
    return observed.observation.asked.mono_s
