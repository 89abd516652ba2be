"""Faults with a workload beside them on a real lab: what is lost is named, what was broken before is not blamed."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daemon.core.messages import RUN_ATTRIBUTE
from daemon.ports.journal import Journal
from tests.e2e.lab.conftest import Bench, laboratory
from tests.waiting import wait_for


@pytest.fixture
def busy(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Bench]:
    """Two workers with the defect asked for, each as slow as the build asked for."""
    defect, build_s = request.param
    with laboratory(tmp_path, defect=defect, build_s=build_s) as bench:
        yield bench


def runs(bench: Bench) -> list[tuple[str, str]]:
    journal = Journal(bench.directory / "state" / "journal.sqlite", clock_s=lambda: 0.0, readonly=True)
    found = [(r.opened.purpose.value, "open" if r.outstanding else "swept") for r in journal.runs()]
    journal.close()
    return found


def broken(answer: dict[str, Any]) -> set[str]:
    return {v["invariant"] for v in answer["violations"]}


BASIC = ("--target", "editor", "--scenario", "basic", "--scenario-set", "gap=500ms")


def test_a_correct_worker_loses_nothing_when_a_task_is_stopped(bench: Bench) -> None:
    stop = ("inject", "ecs-task-stop", "--mode", "oldest", "--for", "20s", *BASIC)
    code, answer = bench.answer(*stop)
    assert (code, answer["verdict"], answer["violations"]) == (0, "recovered", []), answer
    assert answer["workload"]["settled"] is True
    again, second = bench.answer(*stop)
    assert again == 0, second
    assert second["workload"]["baseline"] == answer["workload"]["baseline"]
    assert runs(bench) == [("baseline", "swept"), ("experiment", "swept"), ("experiment", "swept")]
    assert bench.counts(bench.info.input_queue_url) == (0, 0)


@pytest.mark.torture  # by default `chaosd ci` is shown the same worker, in test_ci
@pytest.mark.parametrize("busy", [("drop-on-sigterm", 4.0)], indirect=True)
def test_a_message_lost_by_an_interrupted_worker_makes_violated_and_is_named(busy: Bench) -> None:
    crowd = ("--scenario-set", "messages=3", "--strike", "2s")  # both are in the middle of a build then
    code, answer = busy.answer("inject", "interrupt-signal", "--mode", "sigterm", "--for", "20s", *BASIC, *crowd)
    assert (code, answer["verdict"]) == (1, "violated"), answer
    (lost, *_) = [v["evidence"] for v in answer["violations"] if v["invariant"] == "no-lost-instruction"]
    assert lost["command"].startswith("cmd-")
    assert "no-lost-instruction" in answer["reasons"][0]


@pytest.mark.torture
@pytest.mark.parametrize("busy", [("deploy-before-commit", 1.0)], indirect=True)
def test_what_is_broken_without_a_fault_is_the_baseline_s_and_not_the_fault_s(busy: Bench) -> None:
    code, answer = busy.answer("inject", "ecs-task-stop", "--for", "20s", *BASIC)
    assert "deployment-fresh" in answer["workload"]["masked"], answer
    assert "deployment-fresh" not in broken(answer)
    assert answer["verdict"] == "recovered", answer
    assert "not judged: deployment-fresh, broken without a fault already" in answer["reasons"]
    assert code == 0


def test_what_kill_9_leaves_of_a_run_recover_removes_and_nothing_else(bench: Bench) -> None:
    queue = bench.aws.sqs.create_queue(QueueName="edit-killed")["QueueUrl"]
    text = bench.config.read_text().replace(bench.info.input_queue_url, queue)
    config = bench.directory / "killed.yaml"
    config.write_text(text)
    mine = [f"mine {n}" for n in range(7)]
    for body in mine:
        bench.aws.sqs.send_message(QueueUrl=queue, MessageBody=body)
    bench.config, kept = config, bench.config
    try:
        process = bench.chaosd("scenario", "run", "sustained", "--set", "gap=100ms", state="killed")
        wait_for("messages of the run arrive", lambda: bench.counts(queue)[0] > 12)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=20)
        _, status = bench.answer("status", state="killed")
        assert [r["state"] for r in status["runs"]] == ["open"]
        code, answer = bench.answer("recover", state="killed")
        again, second = bench.answer("recover", state="killed")
    finally:
        bench.config = kept
    assert (code, answer["remaining"]) == (0, 0), answer
    (run,) = answer["runs"]
    assert run["state"] == "swept"
    assert sum(run["proof"]["removed"].values()) > 5
    assert (again, second["runs"]) == (0, [])
    left: list[dict[str, Any]] = []
    while found := bench.aws.sqs.receive_message(
        QueueUrl=queue, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
    ).get("Messages"):
        left += found
        for m in found:
            bench.aws.sqs.delete_message(QueueUrl=queue, ReceiptHandle=m["ReceiptHandle"])
    assert sorted(m["Body"] for m in left) == mine
    assert not any(RUN_ATTRIBUTE in m.get("MessageAttributes", {}) for m in left)


def test_recover_leaves_the_run_of_a_living_process_alone(bench: Bench) -> None:
    queue = bench.aws.sqs.create_queue(QueueName="edit-alive")["QueueUrl"]
    config = bench.directory / "alive.yaml"
    config.write_text(bench.config.read_text().replace(bench.info.input_queue_url, queue))
    bench.config, kept = config, bench.config
    try:
        process: subprocess.Popen[str] = bench.chaosd("scenario", "run", "sustained", state="alive")
        wait_for("messages of the run arrive", lambda: bench.counts(queue)[0] > 1)
        code, answer = bench.answer("recover", state="alive")
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        assert (code, answer["runs"]) == (0, [])
    finally:
        bench.config = kept
    assert bench.counts(queue) == (0, 0)
