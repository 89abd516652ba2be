"""clock-skew on the lab's own worker, which runs under libfaketime when the environment of `lab up` names it."""

import json
import signal
import time  # noqa: TID251 - the clock that the workers do not have
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from daemon.lab.provision import FAKETIME
from tests.e2e.lab.conftest import Bench, laboratory
from tests.waiting import wait_for

LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
HOUR_S = 3600
SLACK_S = 600


@pytest.fixture
def faked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    if LIBRARY is None:
        pytest.skip("libfaketime is not installed")
    monkeypatch.setenv(FAKETIME, str(LIBRARY))
    with laboratory(tmp_path) as bench:
        yield bench


def ahead_s(bench: Bench) -> float:
    """Return how far the latest of the workers' own time stamps is ahead of our clock."""
    pages = bench.aws.logs.get_paginator("filter_log_events").paginate(logGroupName=bench.info.log_group)
    lines = [json.loads(event["message"]) for page in pages for event in page["events"]]
    return max(datetime.fromisoformat(line["time"]).timestamp() for line in lines) - time.time()


def test_the_worker_s_events_bear_a_wrong_time_while_its_clock_is_wrong(faked: Bench) -> None:
    file = faked.info.directory / "faketime"
    assert file.read_text() == "+0\n"
    assert ahead_s(faked) < SLACK_S
    process = faked.chaosd("inject", "clock-skew", "--target", "editor", "--set", "by=1h", "--for", "60s")
    wait_for("the wrong clock", lambda: file.read_text() == "+3600.000\n", 100)
    faked.aws.sqs.send_message(
        QueueUrl=faked.info.input_queue_url, MessageBody="nonsense, for an event of the worker"
    )
    wait_for("an event with the wrong time", lambda: abs(ahead_s(faked) - HOUR_S) < SLACK_S)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=100)
    assert '"proved": true' in out, err
    assert file.read_text() == "+0\n"
