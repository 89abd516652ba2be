"""The service: its tasks are real processes, and they come back."""

import os
import signal
from typing import Any

import psutil

from tests.waiting import wait_for


def _task(bench: Any, arn: str) -> dict[str, Any]:
    found: dict[str, Any] = bench.aws.ecs.describe_tasks(cluster=bench.info.cluster, tasks=[arn])["tasks"][0]
    return found


def _replaced(bench: Any, arn: str) -> bool:
    listed = bench.aws.ecs.list_tasks(cluster=bench.info.cluster, serviceName=bench.info.service)["taskArns"]
    running = [a for a in listed if _task(bench, a)["lastStatus"] == "RUNNING"]
    return arn not in listed and len(running) == 2 == len(bench.pids())


def test_a_stopped_task_ends_its_process_and_another_takes_over_its_clone(bench: Any) -> None:
    clones = bench.clones()
    arn, pid = next(iter(bench.pids().items()))
    bench.aws.ecs.stop_task(cluster=bench.info.cluster, task=arn, reason="test")
    wait_for("the process gone", lambda: not psutil.pid_exists(pid))
    wait_for("a replacement", lambda: _replaced(bench, arn))
    stopped = _task(bench, arn)
    assert (stopped["lastStatus"], stopped["stopCode"]) == ("STOPPED", "UserInitiated")
    assert stopped["stoppedReason"] == "test"
    message = bench.message(bench.thread)
    bench.send(message)
    assert bench.answer_to(message["commandId"])["status"] == "success"
    assert bench.clones() == clones


def test_a_killed_process_is_an_exited_task_with_its_real_exit_code(bench: Any) -> None:
    arn, pid = next(iter(bench.pids().items()))
    os.kill(pid, signal.SIGKILL)
    wait_for("a replacement", lambda: _replaced(bench, arn))
    stopped = _task(bench, arn)
    assert stopped["stopCode"] == "EssentialContainerExited"
    assert stopped["containers"][0]["exitCode"] == 128 + signal.SIGKILL


def test_a_process_that_ignores_sigterm_is_killed_after_the_stop_timeout(bench: Any) -> None:
    arn, pid = next(iter(bench.pids().items()))
    os.kill(pid, signal.SIGSTOP)  # a stopped process keeps SIGTERM pending for ever
    bench.aws.ecs.stop_task(cluster=bench.info.cluster, task=arn)
    wait_for("the process gone", lambda: not psutil.pid_exists(pid))
    wait_for("a replacement", lambda: _replaced(bench, arn))


def test_scaling_the_service_starts_and_stops_processes(bench: Any) -> None:
    service = {"cluster": bench.info.cluster, "service": bench.info.service}
    bench.aws.ecs.update_service(**service, desiredCount=0)
    wait_for("no processes", lambda: not bench.pids())
    bench.aws.ecs.update_service(**service, desiredCount=2)
    wait_for("two processes", lambda: len(bench.pids()) == 2)


def test_the_service_and_its_queue_carry_the_tag_that_allows_experiments(bench: Any) -> None:
    sqs, ecs = bench.aws.sqs, bench.aws.ecs
    assert sqs.list_queue_tags(QueueUrl=bench.info.input_queue_url)["Tags"] == {"chaosd:allow": "true"}
    found = ecs.describe_services(cluster=bench.info.cluster, services=[bench.info.service], include=["TAGS"])
    assert {"key": "chaosd:allow", "value": "true"} in found["services"][0]["tags"]
