"""Scenarios from the command line on a real lab: its worker passes, planted defects are named from outside."""

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.lab.conftest import Bench, laboratory
from tests.waiting import wait_for


def run(bench: Bench, *words: str) -> tuple[int, dict[str, dict[str, Any]]]:
    code, document = bench.answer("scenario", "run", *words)
    assert document["schema_version"] == 1
    return code, {s["name"]: s for s in document["scenarios"]}


def branches(bench: Bench) -> set[str]:
    listed = subprocess.run(
        ["git", "-C", str(bench.info.remote), "for-each-ref", "--format=%(refname)", "refs/heads"],
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    return set(listed.stdout.split())


def test_the_reference_worker_passes(bench: Bench) -> None:
    code, found = run(bench, "basic", "switching", "interrupt", "poison", "duplicate-delivery")
    assert [(s["name"], s["violations"], s["unknown"]) for s in found.values()] == [
        (name, [], []) for name in found
    ]
    assert code == 0
    assert all(s["passed"] and s["settled"] for s in found.values())
    for message in found["switching"]["messages"]:
        assert 0 < message["pushed"] < 20
        assert message["committed_at"]
        assert message["answer"] == "success"
    assert {m["branch"] for m in found["switching"]["messages"][::2]} == {
        found["switching"]["messages"][0]["branch"]
    }
    assert found["basic"]["kpi"]["corruption"] == {"value": 0.0, "unit": "", "goal": "0", "met": True, "note": ""}
    assert found["basic"]["kpi"]["message, slowest"]["met"] is True
    assert bench.counts(bench.info.input_queue_url) == (0, 0)
    # Answers to what names no command cannot be told from answers to others: those four stay.
    assert bench.counts(bench.info.responses_queue_url) == (4, 0)
    assert bench.counts(bench.info.dead_letter_queue_url) == (0, 0)


def test_an_interrupted_run_takes_its_messages_back(bench: Bench) -> None:
    before = branches(bench)
    process = bench.chaosd("scenario", "run", "sustained")
    wait_for("work on its way", lambda: branches(bench) - before)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=100)
    assert process.returncode == 130, err
    assert '"passed": false' in out
    assert bench.counts(bench.info.input_queue_url) == (0, 0)


@pytest.fixture
def defective(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Bench]:
    with laboratory(tmp_path, defect=request.param, more="") as bench:
        yield bench


@pytest.mark.parametrize("defective", ["not-idempotent"], indirect=True)
def test_work_done_twice_is_named(defective: Bench) -> None:
    code, found = run(defective, "duplicate-delivery")
    violations = found["duplicate-delivery"]["violations"]
    assert code == 1
    assert {v["invariant"] for v in violations} == {"exactly-once", "honest-response"}
    assert any(v["evidence"].get("path", "").startswith("content/session-") for v in violations)


@pytest.mark.parametrize("defective", ["success-on-failed-push"], indirect=True)
def test_success_for_a_push_that_failed_is_named(defective: Bench) -> None:
    crowd = ("--set", "sessions=1", "--set", "messages=16", "--set", "gap=0s", "--set", "settle=5s")
    code, found = run(defective, "concurrent-users", *crowd)
    violations = found["concurrent-users"]["violations"]
    assert code == 1
    assert {"no-lost-instruction", "all-pushed", "honest-response"} <= {v["invariant"] for v in violations}
    (lost, *_) = [v["evidence"] for v in violations if v["invariant"] == "no-lost-instruction"]
    assert lost["command"].startswith("cmd-")
    assert "clones/worker-" in lost["detail"]
