"""The right workers pass every case, and every wrong one fails where the table says, with the check named."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from daemon.core.gitcases import Judged, Outcome
from daemon.core.gittable import GIT_SCENARIOS
from daemon.core.ledger import Place
from tests.integration.gitcases.conftest import HERE, LAB

CASES = [f"{s.name} {case}" for s in GIT_SCENARIOS.values() for case in s.cases]
Broken = Callable[[Any], set[str]]
Field = Any  # of the conftest


def told(result: Any) -> str:
    """Return what a failing test should show."""
    checks = "\n".join(f"{c.name}: {c.standing}, {c.detail}" for c in getattr(result, "checks", ()))
    runs = "\n".join(f"{r.code}: {r.out} {r.err}" for look in getattr(result, "looks", ()) for r in look.runs)
    return f"{result.case.name}: {getattr(result, 'reason', '')}\n{checks}\n{runs}"


@pytest.mark.parametrize("case", CASES)
def test_the_reference_worker_passes(field: Field, case: str) -> None:
    result = field.play(case)
    assert result.outcome is Outcome.PASSED, told(result)
    figures = {k.name: k for k in result.kpis}
    assert figures["corruption"].value == 0
    assert figures["stash recovery"].value in (100.0, None)


#: Which case shows which of the lab worker's defects, and by which check. docs/scenarios.md has the same table.
DEFECTS = [
    ("stash-without-untracked", "git-switch A-B-A", "right-branch"),
    ("stash-pop-on-wrong-branch", "git-stash A-B-C-A-B-C", "foreign-stash-kept"),
    ("reset-hard-on-recovery", "git-recovery index-missing", "nothing-lost"),
    ("branch-from-current-head", "git-switch A-B-A", "right-branch"),
    ("detached-head-commits", "git-switch A-B-A", "message-published"),
    ("add-all-with-conflict-markers", "git-conflict UU", "no-conflict-markers"),
    ("force-push", "git-conflict UU", "history-kept"),
    ("keep-stale-lock", "git-recovery index-lock", "repository-sound"),
    ("reclone-loses-unpushed", "git-recovery object-corrupt", "nothing-lost"),
]


@pytest.mark.parametrize(("defect", "case", "check"), DEFECTS, ids=[d for d, _, _ in DEFECTS])
def test_a_planted_defect_is_caught_by_name(
    field: Field, broken: Broken, defect: str, case: str, check: str
) -> None:
    result = field.play(case, *LAB, "--defect", defect)
    assert result.outcome is Outcome.FAILED, told(result)
    assert check in broken(result), told(result)
    assert all(e.detail and e.see for c in result.checks for e in c.evidence)


@pytest.mark.parametrize(
    "case",
    [
        "git-switch A-B-A",
        "git-conflict UU",
        "git-conflict AA",
        "git-conflict DU",
        "git-recovery index-lock",
        "git-recovery detached-head",
        "git-recovery rebase",
        "git-recovery index-missing",
    ],
)
def test_a_foreign_worker_passes_by_configuration_alone(field: Field, case: str) -> None:
    result = field.play(case, str(HERE / "careful.sh"))
    assert result.outcome is Outcome.PASSED, told(result)


def test_the_careless_worker_loses_the_unfinished_work_of_others(field: Field, broken: Broken) -> None:
    result = field.play("git-switch A-B-A", str(HERE / "careless.sh"))
    assert {"nothing-lost", "right-branch", "work-recovered"} <= broken(result), told(result)
    assert isinstance(result, Judged)
    (lost,) = [c for c in result.checks if c.name == "nothing-lost"]
    assert "tracked edit" in lost.evidence[0].detail
    (wrong,) = [c for c in result.checks if c.name == "right-branch"]
    assert wrong.evidence[0].branch
    assert wrong.evidence[0].commit


def test_the_careless_worker_overwrites_what_another_has_pushed(field: Field, broken: Broken) -> None:
    result = field.play("git-conflict UU", str(HERE / "careless.sh"))
    assert "history-kept" in broken(result), told(result)
    assert isinstance(result, Judged)
    (look,) = result.looks
    pushed = look.pieces[1].sent.token
    assert {s.place for s in look.ledger.sightings if s.token == pushed} <= {Place.DANGLING}


def test_a_worker_that_lies_is_caught(field: Field, broken: Broken) -> None:
    result = field.play("git-conflict DU", "true")
    assert {"message-published", "honest-exit", "repository-sound"} <= broken(result), told(result)


def test_a_worker_that_gives_up_is_started_three_times_and_fails(field: Field, broken: Broken) -> None:
    result = field.play("git-switch A-B-A", "false")
    assert isinstance(result, Judged)
    assert [run.code for look in result.looks for run in look.runs] == [1, 1, 1]
    assert "message-published" in broken(result)
    assert result.outcome is Outcome.FAILED


def test_the_worker_gets_the_message_and_knows_where_it_stands(field: Field, tmp_path: Path) -> None:
    script = tmp_path / "worker.sh"
    script.write_text(
        '#!/bin/sh\npwd; env | grep ^CHAOSD | sort; cat | cmp - "$CHAOSD_MESSAGE_FILE" && echo same\n'
    )
    script.chmod(0o700)
    result = field.play("git-conflict AA", str(script))
    assert isinstance(result, Judged)
    clone, *words, same = result.looks[0].runs[0].out.splitlines()
    names = dict(word.split("=", 1) for word in words)
    assert clone == names["CHAOSD_WORKTREE"]
    assert names["CHAOSD_BRANCH"] == result.looks[0].message.branch
    assert Path(names["CHAOSD_REMOTE"]).is_dir()
    assert same == "same"
