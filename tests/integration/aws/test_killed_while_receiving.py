"""SIGKILL for a process that receives real messages, at random instants; another one then gives all of it back.

The engine is not in it, so that many kills cost little: those of a whole chaosd are in tests/e2e/lab.
"""

import json
import multiprocessing
import os
import random
import sys
import time  # noqa: TID251 - measures real processes
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from daemon.core.messages import RUN_ATTRIBUTE
from daemon.core.model import Order, Undo
from daemon.core.target import Queue, Target
from daemon.ports.aws import AwsPort
from daemon.ports.clock import SystemClock
from daemon.ports.files import LocalFiles
from faults.sqs import custody
from faults.sqs.duplicate import SqsDuplicate
from faults.sqs.head_of_line import SqsHeadOfLine
from faults.sqs.hold import SqsHold
from tests.integration.aws.conftest import REGION
from tests.integration.aws.test_held_messages import Here
from tests.waiting import wait_for

KILLS = int(os.environ.get("CHAOSD_INSTANTS", "4"))  # a fault; `CHAOSD_INSTANTS=200` for a long run
MESSAGES = 4
HIDDEN_S, ANSWER_S = 2.0, 4.0  # short, so that what has to be waited for is; an answer takes less even here
FORK = multiprocessing.get_context("fork")


def world(endpoint: str, private: Path) -> Here:
    return Here(AwsPort(REGION, endpoint), SystemClock(), LocalFiles(), str(private))


def record(fault: Any, url: str, here: Here, injection: str) -> Undo:
    order = Order(injection=injection, target=Target(name="t", queue=Queue(url=url)), dice=random.Random(1))
    undo: Undo = fault.prepare(order, here)
    data = json.loads(json.dumps(undo.data))
    data["gathering"]["visibility_s"] = HIDDEN_S
    return replace(undo, data=data)


def act(verb: Callable[..., Any], undo: Undo, endpoint: str, private: Path, ready: Any) -> None:
    """Inject or revert as a process of its own would: with clients of its own, and nothing but the record."""
    here = world(endpoint, private)
    here.sqs.facts(undo.victim["queue"])  # what making a client takes is over: no kill is to be spent on it
    ready.set()
    more = (Event(),) if verb.__name__ == "inject" else ()
    verb(undo, here, *more)


def run(verb: Callable[..., Any], undo: Undo, endpoint: str, private: Path, *, kill_after_s: float | None) -> float:
    """Run it in a process, kill that so long after it was ready, and return how long it took from then."""
    ready = FORK.Event()
    process = FORK.Process(target=act, args=(verb, undo, endpoint, private, ready))
    process.start()
    assert ready.wait(60)
    began_s = time.monotonic()
    process.join(kill_after_s if kill_after_s is not None else 60)
    if process.is_alive():
        process.kill()
        process.join()
    assert kill_after_s is not None or process.exitcode == 0
    return time.monotonic() - began_s


@pytest.fixture
def short_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(custody, "ANSWER_S", ANSWER_S)  # in the children as well: they are forked


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("fault", "fifo"),
    [(SqsHold(messages=3), False), (SqsDuplicate(messages=2), False), (SqsHeadOfLine(groups=2), True)],
    ids=lambda value: value.name if hasattr(value, "name") else "",
)
@pytest.mark.usefixtures("short_answers")
def test_whenever_it_is_killed_every_message_is_back_and_nothing_else_there(
    endpoint: str, queue: Any, client: Any, tmp_path: Path, fault: Any, fifo: bool
) -> None:
    url, _ = queue(fifo=fifo, receives=1000)
    for number in range(MESSAGES):
        more = {"MessageGroupId": f"g{number % 2}", "MessageDeduplicationId": f"{number}"} if fifo else {}
        client("sqs").send_message(QueueUrl=url, MessageBody=f"other {number}", **more)
    here, dice, seen = world(endpoint, tmp_path), random.Random(fault.name), Counter[str]()

    def facts() -> tuple[int, int]:
        found = here.sqs.facts(url)
        return found.visible, found.in_flight

    whole = record(fault, url, here, "whole")
    lasts_s = run(fault.inject, whole, endpoint, tmp_path, kill_after_s=60)
    run(fault.revert, whole, endpoint, tmp_path, kill_after_s=None)
    for number in range(KILLS):
        undo = record(fault, url, here, f"inj-{number}")
        run(fault.inject, undo, endpoint, tmp_path, kill_after_s=dice.uniform(0, 1.2 * lasts_s))
        seen["disturbed" if facts() != (MESSAGES, 0) else "as before"] += 1
        if number % 2:  # and whoever takes it back is killed as well
            run(fault.revert, undo, endpoint, tmp_path, kill_after_s=dice.uniform(0, lasts_s))
            seen["reverts killed"] += 1
        run(fault.revert, undo, endpoint, tmp_path, kill_after_s=None)
        wait_for("all messages", lambda: facts() == (MESSAGES, 0), 1)
        assert list(tmp_path.iterdir()) == []
    sys.stdout.write(f"\n{fault.name}: {KILLS} kills, {dict(seen)}\n")
    bodies = [
        one["Body"]
        for one in client("sqs").receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0, MessageAttributeNames=[RUN_ATTRIBUTE]
        )["Messages"]
    ]
    assert set(bodies) <= {f"other {n}" for n in range(MESSAGES)}
    assert seen["disturbed"], "no kill fell into what it was to fall into"
