"""The four families against real tasks, real queues, real clones."""

import json
import os
import signal
import subprocess
import time  # noqa: TID251 - the process table's clock
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from daemon.core.messages import token, tokens
from tests.e2e.lab.conftest import Bench
from tests.waiting import wait_for

FAST_S = 0.25


def epoch(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def started_s(pid: int) -> float:
    """When the kernel says the process began, epoch seconds: btime has a grain of a second."""
    ticks = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19])
    ago_s = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return time.time() - ago_s


def exists(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_a_stopped_task_s_process_is_gone_and_the_measured_recovery_agrees_with_the_process_table(
    bench: Bench,
) -> None:
    before = bench.pids()
    code, answer = bench.answer("inject", "ecs-task-stop", "--target", "editor", "--mode", "oldest", "--for", "20s")
    after = bench.pids()
    (victim,) = answer["injection"]["victim"]["tasks"]
    (stopped,) = [arn for arn in before if arn.endswith(victim)]
    (new,) = set(after) - set(before)
    assert not exists(before[stopped][0])
    assert exists(after[new][0])
    assert code == 0, answer
    assert answer["verdict"] == "recovered"
    assert answer["recovery"]["healed_by"] == "worker"
    truth_s = started_s(after[new][0]) - epoch(answer["injection"]["injected_at"])
    lo_s, hi_s = answer["recovery"]["after"]
    assert lo_s - FAST_S <= truth_s <= hi_s + FAST_S, (lo_s, truth_s, hi_s)
    described = bench.aws.ecs.describe_tasks(cluster=bench.info.cluster, tasks=[stopped])["tasks"]
    assert answer["injection"]["id"] in described[0]["stoppedReason"]


def effects(bench: Bench, run: str) -> list[str]:
    """Return the run's tokens that stand in the files of the remote's branches, one for each time."""
    git = ("git", "-C", str(bench.info.remote))
    names = subprocess.run(
        (*git, "for-each-ref", "--format=%(refname)", "refs/heads"), capture_output=True, text=True, check=True
    ).stdout.split()
    found = subprocess.run((*git, "grep", "-h", "-F", "[c-", *names), capture_output=True, text=True, check=False)
    mine = {token(run, n) for n in range(2000)}
    return [t for t in tokens(found.stdout) if t in mine]


def burst(bench: Bench, messages: int, patience_s: float) -> float:
    """Send a burst at 200/s, see every message handled once, and return how long the sending took, seconds."""
    # Recovered means drained here: else the revert would sweep what the workers have not handled yet.
    text = bench.config.read_text().replace("visible <= 100", "visible == 0 and in_flight == 0")
    # A thousand messages keep two workers busy for longer than the lab's usual time to recover.
    (bench.directory / "drained.yaml").write_text(text.replace("recover: 60s", "recover: 10m"))
    bench = replace(bench, config=bench.directory / "drained.yaml")
    code, answer = bench.answer(
        "inject",
        "sqs-burst",
        "--target",
        "editor",
        "--mode",
        "sustained",
        "--for",
        "10m",
        "--set",
        f"messages={messages}",
        "--set",
        "rate=200/s",
        "--set",
        "sessions=4",
        timeout_s=patience_s + 60,
    )
    assert answer["undo"]["proved"] is True, answer
    assert code == 0, answer
    wait_for("the queue is drained", lambda: bench.counts(bench.info.input_queue_url) == (0, 0), patience_s)
    assert bench.counts(bench.info.dead_letter_queue_url) == (0, 0)
    handled = effects(bench, answer["injection"]["id"])
    assert sorted(handled) == sorted({token(answer["injection"]["id"], n) for n in range(messages)})
    return float(answer["injection"]["injecting_took"])


def test_every_message_of_a_burst_is_accounted_for(bench: Bench) -> None:
    burst(bench, 60, 90)


@pytest.mark.torture
@pytest.mark.timeout(900)
def test_a_burst_of_a_thousand_keeps_its_rate_and_every_message_is_accounted_for(bench: Bench) -> None:
    took_s = burst(bench, 1000, 400)
    assert abs(took_s / (1000 / 200) - 1) <= 0.05, took_s


def test_an_aborted_burst_leaves_no_marked_and_every_unmarked_message(bench: Bench) -> None:
    queue = bench.aws.sqs.create_queue(QueueName="edit-lonely")["QueueUrl"]
    bench.aws.sqs.tag_queue(QueueUrl=queue, Tags={"chaosd:allow": "true"})
    config = bench.directory / "lonely.yaml"
    text = bench.config.read_text().replace(bench.info.input_queue_url, queue)
    config.write_text(text.replace("steady_state: {editor: [tasks, backlog, repository]}", "steady_state: {}"))
    mine = [f"mine {n}" for n in range(7)]
    for body in mine:
        bench.aws.sqs.send_message(QueueUrl=queue, MessageBody=body)
    bench.config, kept = config, bench.config
    try:
        process = bench.chaosd(
            "inject",
            "sqs-burst",
            "--target",
            "editor",
            "--mode",
            "sustained",
            "--set",
            "messages=2000",
            "--set",
            "rate=100/s",
            state="lonely",
        )
        wait_for("marked messages arrive", lambda: bench.counts(queue)[0] > 60)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        bench.config = kept
    assert process.returncode == 128 + signal.SIGINT, err
    assert json.loads(out)["verdict"] == "aborted"
    left: list[str] = []
    while found := bench.aws.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
        left += [m["Body"] for m in found]
        for m in found:
            bench.aws.sqs.delete_message(QueueUrl=queue, ReceiptHandle=m["ReceiptHandle"])
    assert sorted(left) == mine


def test_an_interrupting_message_is_handled_beside_the_work_it_interrupts(bench: Bench) -> None:
    code, answer = bench.answer(
        "inject", "interrupt-message", "--target", "editor", "--for", "5s", "--set", "wait_for_work=1s"
    )
    assert code == 0, answer
    assert answer["undo"]["proved"] is True
    wait_for("the queue is drained", lambda: bench.counts(bench.info.input_queue_url) == (0, 0))


def test_a_terminated_worker_comes_back(bench: Bench) -> None:
    code, answer = bench.answer(
        "inject", "interrupt-signal", "--target", "editor", "--mode", "sigterm", "--for", "10s"
    )
    assert code == 0, answer
    assert answer["verdict"] in {"recovered", "no-impact"}
    wait_for("two workers run", lambda: sum(exists(p) for p, _ in bench.pids().values()) == 2)


def test_a_corrupted_clone_is_healed_by_the_worker_when_there_is_work(bench: Bench) -> None:
    clone = next(Path(bench.info.clones).iterdir())
    process = bench.chaosd(
        "inject", "git-lock", "--target", "editor", "--mode", "index-lock", "--for", "40s", "--seed", "1"
    )
    wait_for("a lock is there", lambda: any(clone.parent.glob("*/.git/index.lock")) or process.poll() is not None)
    body = {
        "sessionId": "session-x-1",
        "commandId": "cmd-x",
        "chatThreadId": "x",
        "clientId": "c",
        "instruction": "work",
        "userId": "u",
        "timestamp": 1,
    }
    for number in range(12):  # enough work that both workers get some
        text = json.dumps({**body, "commandId": f"cmd-x{number}"})
        bench.aws.sqs.send_message(QueueUrl=bench.info.input_queue_url, MessageBody=text)
    out, err = process.communicate(timeout=100)
    answer = json.loads(out)
    assert answer["undo"]["superseded"] is True, (answer, err)
    # A worker that is quicker than every look leaves nobody who saw it broken, and then well.
    assert answer["recovery"]["healed_by"] == ("worker" if answer["impact"]["seen"] else None)
    assert os.path.lexists(clone / ".git/index.lock") is False
