"""A worker that is disturbed while it has a message in hand."""

import os
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest

from daemon.lab.worker.queues import Queues
from tests.waiting import wait_for


def _begun(bench: Any, message: dict[str, Any]) -> Path:
    """Wait until the worker has begun to edit for ``message``; return its clone."""

    def look() -> Path | None:
        for clone in bench.clones():
            page = clone / "content" / f"{message['sessionId']}.md"
            if page.exists() and message["instruction"] in page.read_text():
                return Path(clone)
        return None

    clone: Path = wait_for("an edit in a work tree", look)
    return clone


def _clean(git: Any, clone: Path) -> bool:
    return not git(clone, "status", "--porcelain") and not git(clone, "stash", "list")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_task_that_ends_at_work_loses_nothing(slow_bench: Any, git: Any, number: signal.Signals) -> None:
    message = slow_bench.message(slow_bench.thread)
    other = slow_bench.message(slow_bench.thread)
    slow_bench.send(message)
    clone = _begun(slow_bench, message)
    (pid,) = slow_bench.pids().values()
    os.kill(pid, number)
    slow_bench.send(other)
    wait_for("the process gone", lambda: not psutil.pid_exists(pid), timeout_s=2.0)
    for sent in (other, message):  # after SIGKILL, the other is first: the message must become visible again
        assert slow_bench.answer_to(sent["commandId"])["status"] == "success"
        assert slow_bench.effects(sent["instruction"]) == {f"thread-{sent['chatThreadId']}": 1}
        assert not git(clone, "stash", "list")
    slow_bench.wait_until_drained()
    assert _clean(git, clone)


def test_a_task_stopped_through_the_api_hands_its_message_back_at_once(slow_bench: Any) -> None:
    message = slow_bench.message(slow_bench.thread)
    slow_bench.send(message)
    _begun(slow_bench, message)
    (arn,) = slow_bench.pids()
    slow_bench.aws.ecs.stop_task(cluster=slow_bench.info.cluster, task=arn)
    # Well within the visibility timeout of 10 s: it was handed back, it did not expire.
    assert slow_bench.answer_to(message["commandId"], timeout_s=7.0)["status"] == "success"
    assert slow_bench.effects(message["instruction"]) == {f"thread-{message['chatThreadId']}": 1}


def test_an_interrupting_message_goes_first_and_the_work_goes_on(slow_bench: Any, git: Any) -> None:
    message, urgent = (slow_bench.message(slow_bench.thread) for _ in range(2))
    slow_bench.send(message)
    clone = _begun(slow_bench, message)
    (clone / "notes.txt").write_text("untracked, and nobody's to commit\n")
    slow_bench.send(urgent, slow_bench.info.interrupt_queue_url)
    slow_bench.answer_to(urgent["commandId"])
    slow_bench.answer_to(message["commandId"])
    order = [answer["commandId"] for answer in slow_bench.answers]
    assert order.index(urgent["commandId"]) < order.index(message["commandId"])
    for sent in (message, urgent):
        assert slow_bench.effects(sent["instruction"]) == {f"thread-{sent['chatThreadId']}": 1}
    assert slow_bench.effects("nobody's to commit") == {}
    assert (clone / "notes.txt").exists()
    (clone / "notes.txt").unlink()
    assert _clean(git, clone)


def test_a_long_work_keeps_its_message_invisible(bench: Any) -> None:
    url = bench.aws.sqs.create_queue(QueueName="long-work")["QueueUrl"]
    queues = Queues(sqs=bench.aws.sqs, responses_url=url, visibility_s=1)
    bench.send("work", url)
    message = queues.receive(url, wait_s=1)
    assert message is not None
    with queues.keeping(message):
        assert queues.receive(url, wait_s=2) is None
    assert queues.receive(url, wait_s=3) is not None


def test_a_stale_lock_is_removed_and_the_work_goes_on(bench: Any) -> None:
    locks = [clone / ".git" / "index.lock" for clone in bench.clones()]
    for lock in locks:
        lock.touch()
    message = bench.message(bench.thread)
    bench.send(message)
    assert bench.answer_to(message["commandId"])["status"] == "success"
    wait_for("no locks", lambda: not any(lock.exists() for lock in locks))


@pytest.mark.parametrize("broken", ["HEAD", "index", "object", "folder"])
def test_a_broken_clone_heals_and_the_next_message_gets_through(bench: Any, git: Any, broken: str) -> None:
    for clone in bench.clones():
        _break(clone, broken)
    message = bench.message(bench.thread)
    bench.send(message)
    assert bench.answer_to(message["commandId"])["status"] == "success"
    assert bench.effects(message["instruction"]) == {f"thread-{message['chatThreadId']}": 1}
    for clone in bench.clones():
        wait_for("a sound clone", lambda c=clone: "error" not in git(c, "fsck", "--full", check=False))
        wait_for("a usable clone", lambda c=clone: git(c, "rev-parse", "HEAD", check=False))


def _break(clone: Path, what: str) -> None:
    folder = clone / ".git"
    if what == "HEAD":
        (folder / "HEAD").write_text("garbage\n")
    elif what == "index":
        (folder / "index").write_bytes((folder / "index").read_bytes()[:20])
    elif what == "object":
        victim = min((folder / "objects").glob("[0-9a-f][0-9a-f]/*"))
        victim.chmod(0o644)
        victim.write_bytes(victim.read_bytes()[:5])
    else:
        folder.rename(clone.parent.parent / "tmp" / f"gone-{clone.name}")
