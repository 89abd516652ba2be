"""sqs-burst: what a message costs its sender, and whether a rate is kept."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random
from threading import Event
from unittest.mock import patch

import boto3

from daemon.core.model import Order, Undo
from daemon.core.settings import Aws
from daemon.core.target import Queue, Target
from daemon.ports.world import LocalWorld
from faults.sqs.burst import SqsBurst
from faults.sqs.mix import Mix
from tests.benchmarks.harness import (
    CREDENTIALS,
    Bench,
    MeasurementError,
    Row,
    Samples,
    at_least,
    at_most,
    cpu_used_ms,
    in_turns,
)

MESSAGES, ROUNDS, BATCH = 1000, 7, 10
RATE, PACED_ROUNDS = 200.0, 2
REGION = CREDENTIALS["AWS_REGION"]


@dataclass(frozen=True, slots=True)
class Null:
    """The null server and a world that believes it is AWS."""

    endpoint: str
    world: LocalWorld

    @property
    def url(self) -> str:
        return f"{self.endpoint}/000000000000/bench"

    def arrivals(self) -> list[float]:
        """Return when the messages since the last call came, in seconds."""
        with urllib.request.urlopen(f"{self.endpoint}/arrivals", timeout=10) as answer:
            found: list[float] = json.load(answer)
        return found

    def prepared(self, mode: str, rate: float) -> Undo:
        target = Target(name="null", queue=Queue(url=self.url))
        fault = SqsBurst(mode=mode, messages=MESSAGES, rate=rate)
        return fault.prepare(Order(injection="bench", target=target, dice=Random(1)), self.world)


def efficiency(bench: Bench) -> list[Row]:
    """Messages per CPU second of a spike, against a plain boto3 loop that sends the very same messages."""
    with _null(bench) as null:
        undo = null.prepared("spike", 0)
        plain = _plain(null, undo)
        found = in_turns(
            bench.rounds(ROUNDS),
            {
                "ours": lambda: _per_cpu_s(null, lambda: SqsBurst.inject(undo, null.world, Event())),
                "theirs": lambda: _per_cpu_s(null, plain),
            },
        )
    return [
        Row(
            what="sqs-burst, messages per CPU second",
            chaosd=Samples("1/CPU-s", tuple(found["ours"])),
            yardstick="boto3 send_message_batch",
            theirs=Samples("1/CPU-s", tuple(found["theirs"])),
            limit=at_least(5),
            note="the target is that of a later issue; chaosd composes its messages, the loop has them ready",
        )
    ]


def pace(bench: Bench) -> list[Row]:
    """The error of the rate at which 1,000 messages arrive that should come at 200 a second."""
    errors, cpu_ms = [], []
    with _null(bench) as null:
        undo = null.prepared("sustained", RATE)
        for number in range(bench.rounds(PACED_ROUNDS)):
            bench.say(f"{MESSAGES} messages at {RATE:g}/s, round {number + 1}")
            began_ms = cpu_used_ms()
            SqsBurst.inject(undo, null.world, Event())
            cpu_ms.append(cpu_used_ms() - began_ms)
            errors.append(abs(_rate(null.arrivals()) / RATE - 1) * 100)
    return [
        Row(
            what=f"sqs-burst, {MESSAGES:,} at {RATE:g}/s",
            chaosd=Samples("% off", tuple(errors)),
            limit=at_most(5),
            note=f"{sum(cpu_ms) / len(cpu_ms):.0f} ms CPU in {MESSAGES / RATE:g} s; timed by the server",
        )
    ]


def _rate(arrivals: list[float]) -> float:
    """Return the rate between the first and the last batch: the last one's own time is not in it."""
    if len(arrivals) != MESSAGES:
        raise MeasurementError(f"{len(arrivals)} of {MESSAGES} messages arrived")
    times = sorted(arrivals)
    last = sum(at == times[-1] for at in times)
    return (MESSAGES - last) / (times[-1] - times[0])


def _per_cpu_s(null: Null, send: Callable[[], None]) -> float:
    began_ms = cpu_used_ms()
    send()
    used_s = (cpu_used_ms() - began_ms) / 1000
    if (came := len(null.arrivals())) != MESSAGES:
        raise MeasurementError(f"{came} of {MESSAGES} messages arrived")
    return MESSAGES / used_s


def _plain(null: Null, undo: Undo) -> Callable[[], None]:
    """Return what one would write by hand: one client, one loop, entries made beforehand."""
    client = boto3.client("sqs", endpoint_url=null.endpoint, region_name=REGION)
    messages = iter([message for _, message in Mix.of(dict(undo.data["mix"])).timed()])
    batches = []
    while some := list(islice(messages, BATCH)):
        batches.append(
            [
                {
                    "Id": str(n),
                    "MessageBody": m.body,
                    "MessageAttributes": {
                        k: {"DataType": "String", "StringValue": v} for k, v in m.attributes.items()
                    },
                }
                for n, m in enumerate(some)
            ]
        )

    def send() -> None:
        for entries in batches:
            if client.send_message_batch(QueueUrl=null.url, Entries=entries).get("Failed"):
                raise MeasurementError("the null server refused a message")

    return send


@contextmanager
def _null(bench: Bench) -> Iterator[Null]:
    # In a process of its own: its CPU is not the client's, and it does not compete for the interpreter's lock.
    server = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("null_sqs.py"))],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        env=bench.environment(),
    )
    assert server.stdout is not None
    try:
        endpoint = f"http://127.0.0.1:{server.stdout.readline().strip()}"
        with patch.dict(os.environ, CREDENTIALS):
            yield Null(endpoint, LocalWorld(aws=Aws(region=REGION, endpoint_url=endpoint), private=bench.scratch))
    finally:
        server.kill()
        server.wait()
        server.stdout.close()
