"""A fault with a workload beside it: the order of things, the moment to strike, every way out."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daemon.core.course import Opened, Purpose, SweepFailed
from daemon.core.errors import ConfigError, UnreachableError, UsageError
from daemon.core.events import HealedBy, Injected, Planned, Proposed, State, Verdict
from daemon.core.settings import GuardSetting, WorkloadSetting
from daemon.engine.control import Control, Regime
from daemon.engine.injector import Injector
from tests.engine_kit import request
from tests.workload_kit import URL, Script, Scripted, WorkKit, asked

TWO_AT_ONCE = GuardSetting(max_active=2, max_active_per_target=2)


@pytest.fixture
def kit(tmp_path: Path) -> WorkKit:
    return WorkKit(tmp_path)


def heal(kit: WorkKit) -> None:
    """Let the worker put the lamp on again half a second after it went out."""
    real = kit.lamp.put

    def put(light: str) -> None:
        real(light)
        if light.startswith("dark"):
            kit.turns.at(0.6, lambda: real("good"))

    kit.lamp.put = put  # type: ignore[method-assign]


def verdict(found: Any) -> Verdict:
    answer: Verdict = found.judgement.verdict
    return answer


def loses_in_the_dark(*_: Any) -> bool:
    return str(_[1]).startswith("dark")


def test_the_order_of_things(kit: WorkKit) -> None:
    heal(kit)
    found = kit.control.run(asked(strike_s=1.0))
    assert verdict(found) is Verdict.RECOVERED, found.judgement
    assert kit.names() == [
        "Proposed", "Opened", "Played", "Swept", "Opened", "Planned", "Injected", "Reverted", "Played", "Swept",
        "Checked", "Judged",
    ]  # fmt: skip
    assert kit.purposes() == ["baseline", "experiment"]
    assert found.checked is not None
    assert [r.opened.run for r in kit.store.runs()] == [found.checked.baseline, found.checked.run]
    assert {r.opened.injection for r in kit.store.runs()} == {found.plan.injection}


def test_opened_is_on_disk_before_the_first_message(kit: WorkKit) -> None:
    seen: list[int] = []
    real = kit.plain_sqs.send
    kit.plain_sqs.send = lambda url, batch: (seen.append(len(kit.store.open_run_ids())), real(url, batch))[1]
    kit.control.run(asked())
    assert seen
    assert set(seen) == {1}


def struck_after_s(kit: WorkKit) -> float:
    opened = [e for e in kit.events if isinstance(e, Opened) and e.purpose is Purpose.EXPERIMENT][-1]
    injected = [e for e in kit.events if isinstance(e, Injected)][-1]
    return injected.started.mono_s - opened.at.mono_s


def test_it_strikes_when_it_was_told_to(kit: WorkKit) -> None:
    kit.control.run(asked(strike_s=1.75))
    assert 1.75 <= struck_after_s(kit) <= 2.0


def test_without_a_word_the_moment_is_drawn_from_the_seed_within_the_sending(tmp_path: Path) -> None:
    moments: dict[int, set[float]] = {}
    for round_ in range(2):
        for seed in range(6):
            directory = tmp_path / f"{round_}-{seed}"
            directory.mkdir()
            kit = WorkKit(directory)
            kit.control.run(asked(seed=seed, messages=11))
            moments.setdefault(seed, set()).add(round(struck_after_s(kit), 3))
            kit.store.close()
    assert all(len(found) == 1 for found in moments.values()), "the same seed, the same moment"
    drawn = {moment for found in moments.values() for moment in found}
    assert len(drawn) > 3, "different seeds, different moments"
    assert all(0 <= moment <= 10.25 for moment in drawn)


def test_a_message_lost_under_the_fault_makes_violated_and_is_named(kit: WorkKit) -> None:
    heal(kit)
    kit.script = Script(loses=loses_in_the_dark)
    found = kit.control.run(asked(strike_s=0.9, gap=0.5, messages=5))
    assert verdict(found) is Verdict.VIOLATED, found.judgement
    assert "no-lost-instruction" in {v["invariant"] for v in found.judgement.violations}
    assert found.judgement.reasons[0].startswith("no-lost-instruction: cmd-")


def test_what_is_lost_without_a_fault_is_not_blamed_on_it(kit: WorkKit) -> None:
    heal(kit)
    kit.script = Script(loses=lambda sent, _: sent.sequence == 0)
    found = kit.control.run(asked(strike_s=1.0))
    assert verdict(found) is Verdict.RECOVERED, found.judgement
    assert found.judgement.violations == ()
    assert "not judged: no-lost-instruction, broken without a fault already" in found.judgement.reasons


def test_what_cannot_be_seen_is_no_recovery(kit: WorkKit) -> None:
    heal(kit)
    kit.control.run(asked(strike_s=1.0))
    kit.script.blind = "nobody answers"
    found = kit.control.run(asked(strike_s=1.0))
    assert verdict(found) is Verdict.INCONCLUSIVE
    assert any(
        r.startswith("not known: no-lost-instruction: remote: nobody answers") for r in found.judgement.reasons
    )


def test_a_workload_that_never_comes_to_rest_is_no_recovery(kit: WorkKit) -> None:
    heal(kit)
    kit.control.run(asked(strike_s=1.0, most="20s"))
    kit.script.moving = True
    found = kit.control.run(asked(strike_s=1.0, most="20s"))
    assert verdict(found) is Verdict.INCONCLUSIVE
    assert "the workload was still moving at the longest wait" in found.judgement.reasons


# --- not before the fault is taken back --------------------------------------------------------------------


def test_what_a_fault_does_is_not_taken_for_what_it_left(kit: WorkKit) -> None:
    kit.script = Script(clone=True)  # nobody heals it: dark until our revert, long after the last message
    found = kit.control.run(asked(strike_s=1.0))
    assert kit.names().index("Reverted") < len(kit.names()) - kit.names()[::-1].index("Played") - 1
    assert found.judgement is not None
    assert found.judgement.violations == ()
    assert verdict(found) is Verdict.NOT_RECOVERED
    assert found.judgement.healed_by is HealedBy.REVERT


def test_what_is_still_broken_after_the_revert_is_a_violation(kit: WorkKit) -> None:
    kit.script = Script(clone=True)
    real = kit.lamp.put

    def put(light: str) -> None:
        real(light)
        if light.startswith("dark"):
            kit.turns.at(0.6, lambda: real("dark, by the worker's doing"))

    kit.lamp.put = put  # type: ignore[method-assign]
    found = kit.control.run(asked(strike_s=1.0))
    assert verdict(found) is Verdict.VIOLATED, found.judgement
    assert {v["invariant"] for v in found.judgement.violations} == {"repository-sound"}


def test_a_workload_that_is_being_judged_is_not_struck_any_more(kit: WorkKit) -> None:
    kit.control.run(asked())  # the baseline
    real = Scripted.ledger

    def slow(self: Scripted, sent: Any) -> Any:
        kit.turns.advance(30)
        return real(self, sent)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Scripted, "ledger", slow)
        found = kit.control.run(asked(strike_s=15.0))
    assert verdict(found) is Verdict.INCONCLUSIVE
    assert "was over before the fault was due" in found.judgement.reasons[0]
    assert found.injected is None


# --- the baseline ----------------------------------------------------------------------------------------


def test_one_baseline_serves_for_a_day_and_for_the_same_workload_only(kit: WorkKit) -> None:
    kit.control.run(asked())
    kit.control.run(asked())
    kit.control.run(asked(messages="3"))  # the default, spelt out
    assert kit.purposes() == ["baseline", "experiment", "experiment", "experiment"]
    kit.control.run(asked(messages=4))
    assert kit.purposes()[4:] == ["baseline", "experiment"]
    kit.turns.advance(86401)
    kit.control.run(asked())
    assert kit.purposes()[6:] == ["baseline", "experiment"]


def test_with_no_age_allowed_every_experiment_takes_its_own(tmp_path: Path) -> None:
    kit = WorkKit(tmp_path, baseline_every_s=0.0)
    kit.control.run(asked())
    kit.control.run(asked())
    assert kit.purposes() == ["baseline", "experiment"] * 2


def test_a_baseline_that_does_not_settle_injects_nothing_and_is_taken_again(kit: WorkKit) -> None:
    kit.script.moving = True
    found = kit.control.run(asked(most="20s"))
    assert verdict(found) is Verdict.INCONCLUSIVE
    assert found.undo is None
    assert "still moving at the longest wait" in found.judgement.reasons[0]
    assert kit.lamp.writes == 0
    kit.script.moving = False
    kit.control.run(asked(most="20s"))
    assert kit.purposes() == ["baseline", "baseline", "experiment"]


def test_a_baseline_that_cannot_be_taken_injects_nothing(kit: WorkKit) -> None:
    def broken(*_: Any) -> Any:
        raise UnreachableError("the remote does not answer")

    kit.company._player = replace(kit.theatre.player, witness=broken)
    found = kit.control.run(asked())
    assert verdict(found) is Verdict.INCONCLUSIVE
    assert "the remote does not answer" in found.judgement.reasons[0]
    assert kit.purposes() == []


def test_no_baseline_is_taken_while_another_experiment_runs_on_the_target(kit: WorkKit) -> None:
    kit.injector = Injector(replace(kit.injector._parts, settings=replace(kit.settings, guard=TWO_AT_ONCE)))
    kit.control = Control(
        regime=Regime(kit.injector),
        reverter=kit.reverter,
        journal=kit.journal,
        new_id=iter(("a", "b", "c")).__next__,
    )
    kit.recorder.record("other", Proposed(plan=replace(kit.control.run(asked()).plan, injection="other")))
    assert verdict(kit.control.run(asked())) is not Verdict.INCONCLUSIVE, "the young baseline serves"
    found = kit.control.run(asked(messages=4))
    assert verdict(found) is Verdict.INCONCLUSIVE
    assert "another experiment runs on editor" in found.judgement.reasons[0]
    assert kit.purposes() == ["baseline", "experiment", "experiment"]


# --- every way out ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("after_s", [0.5, 1.0, 7.0, 8.6, 9.0, 9.8, 12.0, 14.6, 15.9])
def test_whenever_it_is_halted_it_is_stopped_undone_and_swept(kit: WorkKit, after_s: float) -> None:
    kit.script.stuck = after_s < 2
    kit.turns.at(after_s, lambda: kit.control.stop_all("halted: enough"))
    found = kit.control.run(asked(strike_s=1.0, messages=8))
    assert verdict(found) in {Verdict.ABORTED, Verdict.INCONCLUSIVE}, found.judgement
    assert any("halted: enough" in reason for reason in found.judgement.reasons)
    assert kit.lamp.light == "good"
    assert kit.plain_sqs.messages(URL) == ()
    assert not any("!" in purpose for purpose in kit.purposes())


@pytest.mark.parametrize("where", ["prepare", "inject"])
def test_when_the_fault_breaks_the_workload_is_stopped_and_swept(kit: WorkKit, where: str) -> None:
    kit.control.run(asked())
    if where == "prepare":
        with pytest.raises(UnreachableError):
            kit.control.run(asked(strike_s=0.0, broken=where, messages=3))
        assert kit.store.recent()[-1].state is State.REFUSED
    else:
        assert verdict(kit.control.run(asked(strike_s=0.0, broken=where))) is Verdict.INCONCLUSIVE
    assert kit.plain_sqs.messages(URL) == ()
    assert kit.purposes() == ["baseline", "experiment", "experiment"]


def test_a_workload_that_breaks_is_said_and_no_recovery(kit: WorkKit) -> None:
    heal(kit)
    kit.control.run(asked(strike_s=0.5))
    real = kit.theatre.player.witness

    def breaks(*arguments: Any) -> Any:
        made = real(*arguments)

        def ledger(_: Any) -> Any:
            raise UnreachableError("the clones went away")

        made.ledger = ledger  # type: ignore[method-assign]
        return made

    kit.company._player = replace(kit.theatre.player, witness=breaks)
    found = kit.control.run(asked(strike_s=0.5))
    assert verdict(found) is Verdict.INCONCLUSIVE
    assert "the workload broke: the clones went away" in found.judgement.reasons
    assert kit.purposes() == ["baseline", "experiment", "experiment"]


def test_a_workload_that_is_over_before_the_fault_is_due_tests_nothing(kit: WorkKit) -> None:
    found = kit.control.run(asked(strike_s=60.0))
    assert verdict(found) is Verdict.INCONCLUSIVE
    assert "was over before the fault was due" in found.judgement.reasons[0]
    assert not [e for e in kit.events if isinstance(e, Planned)]


def test_a_steady_state_that_is_not_ok_sends_nothing(kit: WorkKit) -> None:
    kit.control.run(asked())
    kit.lamp.light = "dark already"
    kit.control.run(asked())
    assert kit.purposes() == ["baseline", "experiment"]


def test_a_sweep_that_fails_stays_open_and_the_next_recover_does_it(kit: WorkKit) -> None:
    kit.script.stuck = True
    kit.turns.at(0.5, lambda: kit.world.cut("sqs"))
    kit.turns.at(0.6, lambda: kit.control.stop_all("enough"))
    kit.control.run(asked())
    assert kit.purposes() == ["baseline!"]
    assert [e.attempt for e in kit.events if isinstance(e, SweepFailed)] == [1, 2, 3]
    kit.world.sqs = kit.plain_sqs
    (run,) = kit.control.recover().runs
    assert not run.outstanding
    assert kit.plain_sqs.messages(URL) == ()
    assert kit.control.recover().runs == ()


# --- what is wrong with the request ----------------------------------------------------------------------


def test_mistakes_are_named_before_anything_is_journalled(kit: WorkKit) -> None:
    plain = request()
    with pytest.raises(UsageError, match="unknown scenario 'bsic'; did you mean 'basic'"):
        kit.control.run(replace(plain, workload=WorkloadSetting(scenario="bsic")))
    with pytest.raises(ConfigError) as error:
        kit.control.run(asked(mesages=3))
    assert any("did you mean 'messages'" in problem for problem in error.value.problems)
    assert kit.events == []
