"""The judging of the matrix, on documents of the agreed shape."""

from dataclasses import replace
from typing import Any

import pytest

from daemon.lab.worker.defects import DEFECTS
from tests.truth.cells import CELLS, Outside
from tests.truth.matrix import CORRECT, Outcome, judge, outcome, table
from tests.truth.outside import DISTURBANCES

BREAKS = {"ack-before-work": ("no-lost-instruction",)}


def document(*invariants: str, passed: bool | None = None) -> dict[str, Any]:
    violations = [{"invariant": name, "evidence": {"detail": f"{name} is broken"}} for name in invariants]
    held = not invariants if passed is None else passed
    return {
        "schema_version": 1,
        "scenarios": [{"name": "basic", "passed": held, "messages": [], "violations": violations, "kpi": {}}],
    }


def read(worker: str, *invariants: str, passed: bool | None = None) -> Outcome:
    return outcome(document(*invariants, passed=passed), worker=worker, cell="basic", seed=1)


def test_a_listed_invariant_is_a_hit_and_silence_of_the_correct_worker_is_right() -> None:
    outcomes = [read("ack-before-work", "no-lost-instruction"), read(CORRECT)]
    assert judge(outcomes, BREAKS).held


@pytest.mark.parametrize("named", [(), ("message-fast",)])
def test_a_defect_that_is_not_named_by_a_listed_invariant_is_a_miss(named: tuple[str, ...]) -> None:
    verdict = judge([read("ack-before-work", *named)], BREAKS)
    assert verdict.misses == ("ack-before-work: no cell names no-lost-instruction",)
    assert not verdict.held


def test_evidence_that_does_not_prove_true_is_worth_no_hit() -> None:
    hit = replace(read("ack-before-work", "no-lost-instruction"), unproved=("no-lost-instruction: it is there",))
    verdict = judge([hit], BREAKS)
    assert verdict.wrong == ("ack-before-work, basic, seed 1: no-lost-instruction: it is there",)
    assert not verdict.held


def test_one_listed_cell_is_enough() -> None:
    assert judge([read("ack-before-work"), read("ack-before-work", "no-lost-instruction")], BREAKS).held


def test_anything_named_with_the_correct_worker_is_a_false_alarm() -> None:
    verdict = judge([read(CORRECT, "right-branch")], BREAKS)
    assert verdict.false_alarms == ("basic, seed 1: right-branch: right-branch is broken",)
    assert not verdict.held


@pytest.mark.parametrize("unclear", [{"scenarios": []}, document(passed=False)])
def test_no_verdict_on_the_correct_worker_is_not_a_success(unclear: dict[str, Any]) -> None:
    verdict = judge([outcome(unclear, worker=CORRECT, cell="basic", seed=1)], BREAKS)
    assert verdict.broken
    assert not verdict.held


def test_a_defect_that_was_not_played_is_no_miss() -> None:
    assert judge([read(CORRECT)], BREAKS).held


def test_the_table_counts_and_marks_what_is_listed() -> None:
    drawn = table([read("ack-before-work", "no-lost-instruction", "message-fast"), read(CORRECT)], BREAKS)
    assert "*no-lost-instruction (1)" in drawn
    assert " message-fast (1)" in drawn
    assert drawn.splitlines()[-1].split() == ["correct", "worker", "basic", "1", "-"]


def test_every_listed_cell_exists_and_every_outside_party_is_known() -> None:
    listed = {cell for planted in DEFECTS.values() for cell in planted.shows}
    assert listed == set(CELLS)
    for cell in CELLS.values():
        if isinstance(cell.disturbance, Outside):
            assert cell.disturbance.name in DISTURBANCES
