"""What is the user's stays as it is, what is ours goes away; what is skipped or not built never passes."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daemon import wiring
from daemon.core.errors import TargetAbsentError
from daemon.core.gitcases import Act, Outcome, Skipped, Step, Unbuilt
from daemon.core.gittable import GIT_SCENARIOS
from daemon.engine.gitcases.player import Player, Worker
from tests.integration.git.shed import build, commit, git, picture, write

CHAOSD = str(Path(sys.executable).parent / "chaosd")
Field = Any  # of the conftest


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A user's repository, with unfinished work, a stash, and a branch ahead of its remote."""
    (tmp_path / "user").mkdir()
    clone = build(tmp_path / "user")
    write(clone, "src/app.js", "stashed\n")
    git(clone, "stash", "push", "-q")
    write(clone, "src/app.js", "edited\n")
    write(clone, "new.txt", "untracked\n")
    return clone


def chaosd(directory: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    (directory / "tmp").mkdir(exist_ok=True)
    return subprocess.run(
        [CHAOSD, "scenario", "git", *words],
        cwd=directory,
        env={"PATH": os.environ["PATH"], "HOME": str(directory), "TMPDIR": str(directory / "tmp"), **more},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def test_the_users_repository_is_only_read_and_the_sandbox_goes_away(tmp_path: Path, repository: Path) -> None:
    before = picture(repository), picture(repository.parent / "remote.git")
    words = ("git-switch", "--repository", str(repository), "--worker", "lab", "--seed", "7", "-o", "json")
    done = chaosd(tmp_path, *words)
    assert (picture(repository), picture(repository.parent / "remote.git")) == before
    assert list((tmp_path / "tmp").iterdir()) == []
    assert done.returncode == 0, done.stdout + done.stderr
    (result,) = json.loads(done.stdout)["scenarios"]
    assert (result["name"], result["case"], result["passed"], result["skipped"]) == (
        "git-switch",
        "A-B-A",
        True,
        None,
    )
    assert (result["seed"], result["sandbox"]) == (7, None)
    assert {c["standing"] for c in result["checks"]} == {"held"}
    assert [run["exit_code"] for m in result["messages"] for run in m["runs"]] == [0, 0]
    assert result["kpi"]["stash recovery"] == {
        "value": 100.0,
        "unit": "%",
        "goal": "100 %",
        "met": True,
        "note": "2 of 2 pieces",
    }


def test_evidence_can_be_followed_in_a_sandbox_that_was_kept(tmp_path: Path) -> None:
    careless = str(Path(__file__).parent / "careless.sh")
    done = chaosd(tmp_path, "--set", "case=UU", "--worker", careless, "--keep", "-o", "json")
    assert done.returncode == 1
    (result,) = json.loads(done.stdout)["scenarios"]
    assert Path(result["sandbox"]).is_dir()
    seen = [e["see"] for c in result["checks"] for e in c["evidence"]]
    assert seen
    for words in seen:
        shown = subprocess.run(words.split(), capture_output=True, text=True, timeout=30, check=False)
        assert shown.stderr == "", words


def test_a_stop_removes_the_sandbox_and_ends_the_worker(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    mark = tmp_path / "worker.pid"
    script = tmp_path / "worker.sh"
    script.write_text(f"#!/bin/sh\necho $$ >{mark}.new; mv {mark}.new {mark}; sleep 100\n")
    script.chmod(0o700)
    command = subprocess.Popen(
        [CHAOSD, "scenario", "git", "git-conflict", "--worker", str(script)],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TMPDIR": str(tmp_path / "tmp")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    watch = f"while [ ! -f {mark} ]; do sleep 0.05; done"
    subprocess.run(["sh", "-c", watch], timeout=60, check=True)
    command.send_signal(signal.SIGTERM)
    assert command.wait(timeout=60) == 143
    assert list((tmp_path / "tmp").iterdir()) == []
    state = Path(f"/proc/{mark.read_text().strip()}/stat")
    assert not state.exists() or state.read_text().split(") ")[1][0] == "Z"


# --- skipped, unbuilt --------------------------------------------------------------------------------------


def test_without_a_worker_everything_is_skipped(tmp_path: Path) -> None:
    done = chaosd(tmp_path, "all", "-o", "json")
    assert done.returncode == 5
    results = json.loads(done.stdout)["scenarios"]
    assert len(results) == sum(len(s.cases) for s in GIT_SCENARIOS.values())
    assert all(r["outcome"] == "skipped" and not r["passed"] and "--worker" in r["skipped"] for r in results)
    assert "skipped" in chaosd(tmp_path, "git-stash").stdout


def test_a_case_that_the_repository_rules_out_is_skipped(tmp_path: Path, field_on: Callable[..., Field]) -> None:
    (tmp_path / "user").mkdir()
    clone = build(tmp_path / "user")
    git(clone, "checkout", "-q", "main")
    commit(clone, "ignore", _gitignore="new-*.md\n", _gitattributes="*.md merge=union\n")
    field = field_on(tmp_path / "sandbox", clone)
    ignored, merged = field.play("git-switch A-B-A", "true"), field.play("git-conflict UU", "true")
    assert isinstance(ignored, Skipped)
    assert ".gitignore hides" in ignored.reason
    assert isinstance(merged, Skipped)
    assert "without a conflict" in merged.reason


def test_a_situation_that_is_not_there_is_unknown_and_no_worker_is_started(field: Field, tmp_path: Path) -> None:
    mark = tmp_path / "started"
    steps = (Step(Act.EARLIER), Step(Act.UNFINISHED, 2), Step(Act.MESSAGE))
    scenario = replace(GIT_SCENARIOS["git-switch"], cases={"nowhere": steps})
    player = Player(
        world=field.world,
        ground=field.ground,
        root=str(field.root),
        worker=Worker(arguments=("touch", str(mark)), timeout_s=10),
        witness=_nobody,
    )
    result = player.run(scenario, "nowhere", 7)
    assert isinstance(result, Unbuilt)
    assert "the clone stands on" in result.reason
    assert result.outcome is Outcome.UNKNOWN
    assert not mark.exists()


def _nobody(*_: object) -> Any:
    class Nobody:
        def begin(self) -> None:
            return

    return Nobody()


def test_a_worker_that_does_not_end_is_stopped_and_fails(field: Field) -> None:
    player = Player(
        world=field.world,
        ground=field.ground,
        root=str(field.root),
        worker=Worker(arguments=("sleep", "100"), timeout_s=0.2),
        witness=wiring.git_witness,
    )
    result = player.run(GIT_SCENARIOS["git-recovery"], "index-lock", 7)
    assert [run.code for look in result.looks for run in look.runs] == [None, None, None]
    assert result.outcome is Outcome.FAILED


# --- mistakes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("git-swich",), 2, "unknown git scenario 'git-swich'; did you mean 'git-switch'?"),
        (("--set", "case=UX"), 2, "unknown case 'UX'"),
        (("--set", "cas=UU"), 2, "unknown parameter 'cas'"),
        (("--worker", "no-such-program x"), 2, "no-such-program is no program"),
        (("--worker", "''"), 2, "is no program"),
        (("--worker", "true", "--repository", "nowhere"), 5, "nowhere is no directory"),
        (("--worker", "true", "--repository", "."), 5, "cannot be cloned"),
        (("--worker", "true", "--branch", "thread-{nothing}"), 2, "lack a field of the branch template"),
    ],
)
def test_a_mistake_is_named_and_nothing_is_left(
    tmp_path: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    done = chaosd(tmp_path, *words)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_mainline_that_is_not_there_is_named(tmp_path: Path, field_on: Callable[..., Field]) -> None:
    (tmp_path / "empty").mkdir()
    git(tmp_path / "empty", "init", "-q", "--bare", str(tmp_path / "empty"))
    with pytest.raises(TargetAbsentError, match="has no branch main"):
        field_on(tmp_path / "sandbox", tmp_path / "empty")
