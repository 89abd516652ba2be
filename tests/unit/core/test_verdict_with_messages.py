"""The verdict of an experiment with a workload: deviated before unknown before held."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.checking import checked, unfit
from daemon.core.course import Course
from daemon.core.events import (
    Aborted,
    Checked,
    HealedBy,
    Injected,
    Injection,
    Observed,
    Plan,
    Reverted,
    State,
    Verdict,
)
from daemon.core.evidence import Evidence, Standing
from daemon.core.invariants import INVARIANTS, Result
from daemon.core.ledger import Ledger
from daemon.core.model import Instant, Observation, Outcome, Phase, Reading, Reversion, Status, Undo
from daemon.core.settings import WorkloadSetting
from daemon.core.verdict import GOOD, STILL_THERE, judge
from daemon.faces.shapes import EXIT_OF


def at(seconds: float) -> Instant:
    return Instant(seconds, 1_750_000_000.0 + seconds)


def look(seconds: float, status: Status) -> Any:

    seen = Observation(
        probe="p", target="t", asked=at(seconds), answered=at(seconds), reading=Reading(status=status)
    )
    return Observed(phase=Phase.DURING, observation=seen)


def injection(*, healed: bool = True, workload: bool = True, **changes: Any) -> Injection:
    """Return an injection at second 10 that was felt at 11, and healed by the worker at 13 or never."""
    plan = Plan(
        injection="i", experiment=None, fault="f", mode="", target="t", seed=1, parameters={}, duration_s=5,
        recover_s=20, stable_s=1, steady=("p",), planned_at=at(0), origin="cli", by="me",
        workload=WorkloadSetting(scenario="basic") if workload else None,
    )  # fmt: skip
    statuses = [Status.OK] * 10 + [Status.FAILING] * 3 + [Status.OK if healed else Status.FAILING] * 30
    plain = Injection(
        plan=plan,
        state=State.SUPERSEDED,
        undo=Undo(fault="f", mode="", victim={}, actions=(), data={}),
        injected=Injected(started=at(10), finished=at(10)),
        reverted=Reverted(started=at(15), finished=at(15), reversion=Reversion(outcome=Outcome.SUPERSEDED)),
        revert_started=at(15),
        observed=tuple(look(n, status) for n, status in enumerate(statuses)),
    )
    return replace(plain, **changes)


LOST = {"invariant": "no-lost-instruction", "evidence": {"detail": "cmd-1: is on no branch", "see": "git log"}}
DARK = {"invariant": "all-pushed", "reason": "clones: gone"}


def seen(**changes: Any) -> Checked:
    return replace(Checked(at=at(40), run="r", baseline="b"), **changes)


@pytest.mark.parametrize(
    ("healed", "known", "verdict"),
    [
        (True, seen(), Verdict.RECOVERED),
        (True, seen(violations=(LOST,)), Verdict.VIOLATED),
        (True, seen(unknown=(DARK,)), Verdict.INCONCLUSIVE),
        (True, seen(masked=("exactly-once",)), Verdict.RECOVERED),
        (True, seen(settled=False), Verdict.INCONCLUSIVE),
        (True, seen(broke="gone"), Verdict.INCONCLUSIVE),
        (True, seen(settled=False, violations=(LOST,), unknown=(DARK,)), Verdict.VIOLATED),
        (True, None, Verdict.INCONCLUSIVE),
        (False, seen(), Verdict.NOT_RECOVERED),
        (False, seen(unknown=(DARK,)), Verdict.NOT_RECOVERED),
        (False, seen(violations=(LOST,)), Verdict.VIOLATED),
    ],
)
def test_the_table(healed: bool, known: Checked | None, verdict: Verdict) -> None:
    judged = judge(injection(healed=healed, checked=known))
    assert judged.verdict is verdict, judged.reasons


def test_a_fault_that_could_not_be_taken_back_comes_first_then_an_abort() -> None:
    broken = seen(violations=(LOST,))
    failed = injection(state=State.REVERT_FAILED, reverted=None, last_error="no", checked=broken)
    assert judge(failed).verdict is Verdict.UNDO_FAILED
    assert judge(failed).violations == (LOST,)
    assert judge(injection(aborted=Aborted(at=at(20), reason="halt"), checked=broken)).verdict is Verdict.ABORTED


def test_the_reasons_name_the_invariant_with_its_first_evidence_and_what_was_not_judged() -> None:
    judged = judge(injection(checked=seen(violations=(LOST, LOST), masked=("exactly-once",))))
    assert judged.reasons[0] == "no-lost-instruction: cmd-1: is on no branch"
    assert len([r for r in judged.reasons if r.startswith("no-lost-instruction")]) == 1
    assert judged.reasons[-1] == "not judged: exactly-once, broken without a fault already"
    assert judged.violations == (LOST, LOST)


def test_violated_is_exit_code_1_and_without_a_workload_nothing_changes() -> None:
    assert EXIT_OF[Verdict.VIOLATED] == 1
    assert judge(injection(workload=False)).verdict is Verdict.RECOVERED


# --- from courses to what is kept ------------------------------------------------------------------------


def course(standings: dict[str, Standing], *, settled: bool = True) -> Course:
    results = tuple(
        Result(
            invariant=name,
            standing=standing,
            reason=f"{name} {standing}",
            evidence=(Evidence(what=f"{name}-broken", detail="d"),) if standing is Standing.VIOLATED else (),
        )
        for name, standing in standings.items()
    )
    return Course(
        scenario="basic", target="t", seed=1, began=at(0), ended=at(1), ledger=Ledger(run="r", sent=()),
        results=results, settled=settled,
    )  # fmt: skip


STANDINGS = st.fixed_dictionaries({name: st.sampled_from(list(Standing)) for name in INVARIANTS})
SAFETY = [name for name, one in INVARIANTS.items() if not one.objective]


@given(before=STANDINGS, under=STANDINGS, settled=st.booleans())
def test_never_good_while_a_safety_property_is_violated_or_unknown_and_not_masked(
    before: dict[str, Standing], under: dict[str, Standing], settled: bool
) -> None:
    kept = checked(course(under, settled=settled), course(before), at=at(40), baseline_run="b")
    judged = judge(injection(checked=kept))
    fresh = [n for n in SAFETY if before[n] is not Standing.VIOLATED]
    if any(under[n] is Standing.VIOLATED for n in fresh):
        assert judged.verdict is Verdict.VIOLATED
    elif any(under[n] is Standing.UNKNOWN for n in fresh) or not settled:
        assert judged.verdict is Verdict.INCONCLUSIVE
    else:
        assert judged.verdict in GOOD, "what is masked, or only slow, leaves the verdict alone"
    assert not set(kept.masked) & {str(v["invariant"]) for v in (*kept.violations, *kept.unknown)}
    assert set(kept.masked) <= {n for n in SAFETY if before[n] is Standing.VIOLATED}
    assert not {n for n, one in INVARIANTS.items() if one.objective} & {
        str(v["invariant"]) for v in kept.violations
    }


def test_another_kind_of_evidence_than_the_baseline_s_is_blamed_on_the_fault() -> None:
    one = course({"right-branch": Standing.VIOLATED})
    other = replace(one.results[0], evidence=(Evidence(what="other", detail="new"),), reason="new")
    kept = checked(replace(one, results=(other,)), one, at=at(40), baseline_run="b")
    assert [v["evidence"]["what"] for v in kept.violations] == ["other"]


def test_a_baseline_that_was_stopped_or_never_settled_is_unfit() -> None:
    good = course({"right-branch": Standing.HELD})
    assert unfit(good) == ""
    assert unfit(replace(good, settled=False)) == "it was still moving at the longest wait"
    assert unfit(replace(good, stopped="stopped before it was judged")) == "stopped before it was judged"
    assert unfit(replace(good, results=())) == "nothing was judged"


def test_what_was_still_there_when_we_took_it_back_is_not_told_as_a_repair() -> None:
    ours = Reverted(started=at(15), finished=at(15), reversion=Reversion(outcome=Outcome.RESTORED))
    told = judge(injection(checked=seen(), reverted=ours, state=State.REVERTED))
    assert (told.verdict, told.reasons[1:]) == (Verdict.RECOVERED, (STILL_THERE,))
    assert STILL_THERE not in judge(injection(checked=seen())).reasons


@pytest.mark.parametrize(("idle", "verdict"), [(False, Verdict.NO_IMPACT), (True, Verdict.INCONCLUSIVE)])
def test_a_fault_that_met_nothing_says_nothing_of_the_worker(idle: bool, verdict: Verdict) -> None:
    reversion = Reversion(outcome=Outcome.RESTORED, detail="no call came", idle=idle)
    reverted = Reverted(started=at(15), finished=at(15), reversion=reversion)
    steady = tuple(look(n, Status.OK) for n in range(43))
    found = judge(injection(workload=False, reverted=reverted, observed=steady, state=State.REVERTED))
    assert found.verdict is verdict
    assert ("no call came" in found.reasons[0]) is idle


@pytest.mark.parametrize(("idle", "verdict"), [(False, Verdict.RECOVERED), (True, Verdict.INCONCLUSIVE)])
def test_who_is_well_again_after_a_fault_that_was_not_in_force_has_not_recovered_from_it(
    idle: bool, verdict: Verdict
) -> None:
    reversion = Reversion(outcome=Outcome.RESTORED, detail="gone already", idle=idle)
    reverted = Reverted(started=at(15), finished=at(15), reversion=reversion)
    found = judge(injection(workload=False, reverted=reverted, state=State.REVERTED))
    assert found.verdict is verdict
    assert ("gone already" in found.reasons[0]) is idle


def test_what_somebody_else_changed_and_no_probe_saw_broken_is_not_called_repaired() -> None:
    steady = tuple(look(n, Status.OK) for n in range(43))
    found = judge(injection(workload=False, observed=steady))
    assert (found.verdict, found.healed_by) == (Verdict.NO_IMPACT, None)
    assert found.reasons == ("no probe was seen failing, and somebody else changed it before it was taken back",)


@pytest.mark.parametrize(
    ("started_s", "partly", "verdict"),
    [(12, False, Verdict.RECOVERED), (12, True, Verdict.NOT_RECOVERED), (15, True, Verdict.RECOVERED)],
)
def test_who_took_some_of_it_back_was_no_worker(started_s: float, partly: bool, verdict: Verdict) -> None:
    """Well again at 13: after an undo that began at 12 it is the worker's doing only when we took nothing back."""
    reversion = Reversion(outcome=Outcome.SUPERSEDED, partly=partly)
    reverted = Reverted(started=at(started_s), finished=at(started_s), reversion=reversion)
    found = judge(injection(workload=False, revert_started=at(started_s), reverted=reverted))
    assert found.verdict is verdict
    assert (found.healed_by is HealedBy.REVERT) is (verdict is Verdict.NOT_RECOVERED)
