"""What becomes of a message in the lab."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.waiting import wait_for


def test_a_message_becomes_a_commit_a_deployment_and_an_answer_and_is_deleted(bench: Any, git: Any) -> None:
    message = bench.message(bench.thread)
    branch = f"thread-{message['chatThreadId']}"
    bench.send(message)
    answer = bench.answer_to(message["commandId"])
    assert answer["status"] == "success"
    assert bench.effects(message["instruction"]) == {branch: 1}
    assert git(bench.info.remote, "rev-parse", branch).strip() == answer["commit"]
    assert git(bench.info.remote, "rev-parse", f"{branch}~1") == git(bench.info.remote, "rev-parse", "main")
    page = bench.aws.s3.get_object(Bucket=bench.info.bucket, Key=bench.info.key)
    assert page["Metadata"] == {"commit": answer["commit"], "branch": branch}
    assert message["instruction"] in page["Body"].read().decode()
    bench.wait_until_drained()


def test_a_message_delivered_twice_has_its_effect_once(bench: Any, git: Any) -> None:
    messages = [bench.message(bench.thread) for _ in range(4)]
    for message in messages:
        bench.send(message)
        bench.send(message)  # two workers: many of these pairs are worked on at the same time
    for message in messages:
        assert bench.answer_to(message["commandId"])["status"] == "success"
    bench.wait_until_drained()
    for message in messages:
        assert bench.effects(message["instruction"]) == {f"thread-{message['chatThreadId']}": 1}
        assert (
            git(bench.info.remote, "rev-list", "--count", f"main..thread-{message['chatThreadId']}").strip() == "1"
        )
    # And once more when it is long done.
    bench.send(messages[0])
    bench.wait_until_drained()
    assert bench.effects(messages[0]["instruction"]) == {f"thread-{messages[0]['chatThreadId']}": 1}


def test_many_messages_of_one_thread_all_arrive_although_two_workers_push(bench: Any) -> None:
    thread = bench.thread
    messages = [bench.message(thread, sessionId=f"session-{thread}-{n % 2}") for n in range(12)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(bench.send, messages))
    for message in messages:
        assert bench.answer_to(message["commandId"])["status"] == "success"
    for message in messages:
        assert bench.effects(message["instruction"]) == {f"thread-{thread}": 1}


def test_threads_do_not_mix(bench: Any, git: Any) -> None:
    threads = [bench.thread for _ in range(3)]
    messages = [bench.message(thread) for thread in threads * 3]
    for message in messages:
        bench.send(message)
    for message in messages:
        bench.answer_to(message["commandId"])
        assert bench.effects(message["instruction"]) == {f"thread-{message['chatThreadId']}": 1}
    for thread in threads:
        assert git(bench.info.remote, "rev-list", "--count", f"main..thread-{thread}").strip() == "3"


@pytest.mark.parametrize(
    "body",
    [
        "no JSON at all",
        "[1, 2]",
        json.dumps({"sessionId": "../../etc", "chatThreadId": "thread-x", "instruction": "x"}),
        json.dumps({"sessionId": "session-x-1", "chatThreadId": "a..b", "instruction": "x"}),
        json.dumps({"sessionId": "session-x-1", "chatThreadId": "thread-x", "instruction": "x" * 100_000}),
    ],
    ids=["text", "array", "path", "branch", "oversize"],
)
def test_a_message_nobody_can_work_on_is_refused_and_ends_in_the_dead_letter_queue(bench: Any, body: str) -> None:
    marked = body if not body.startswith("{") else json.dumps(json.loads(body) | {"commandId": f"p{len(body)}"})
    before = sum(bench.counts(bench.info.dead_letter_queue_url))
    bench.send(marked)
    wait_for("one more dead letter", lambda: sum(bench.counts(bench.info.dead_letter_queue_url)) == before + 1)
    if body.startswith("{"):
        answer = bench.answer_to(f"p{len(body)}")
        assert answer["status"] == "failure"
        assert answer["reason"]
    good = bench.message(bench.thread)
    bench.send(good)
    assert bench.answer_to(good["commandId"])["status"] == "success"


def test_what_the_worker_logs_reaches_the_log_group(bench: Any) -> None:
    message = bench.message(bench.thread)
    bench.send(message)
    bench.answer_to(message["commandId"])

    def logged() -> bool:
        found = bench.aws.logs.filter_log_events(
            logGroupName=bench.info.log_group, filterPattern=f'"{message["commandId"]}"'
        )["events"]
        return any(json.loads(e["message"])["event"] == "command.done" for e in found)

    wait_for("command.done in the log group", logged)
