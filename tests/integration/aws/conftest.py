"""A real AWS emulator for the tests of this folder."""

import http.client
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import boto3
import pytest

from daemon.ports.aws import AwsPort
from daemon.ports.clock import SystemClock
from daemon.ports.files import LocalFiles
from tests.waiting import wait_for

REGION = "us-east-1"
ACCOUNT = "000000000000"
READY_S = 30.0
_numbers = count(1)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/_ministack/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run ministack on loopback for the session, its files in a directory of ours; stopped by its handle."""
    port, home = free_port(), Path(tmp_path_factory.mktemp("ministack"))
    said = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "LOG_LEVEL": "WARNING", "HOME": str(home)}
    # Without a container engine ECS tasks are records only, which is all these tests need.
    said |= {"DOCKER_HOST": f"unix://{home}/none.sock", "TMPDIR": str(home)}
    log = (home / "log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "ministack"], cwd=home, env={**os.environ, **said}, stdout=log, stderr=log
    )
    try:
        wait_for("the emulator's answer", lambda: ready(port) or process.poll() is not None, READY_S, 0.05)
        assert process.poll() is None, (home / "log").read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in os.environ if n.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)


@dataclass
class World:
    """The AWS half of a world, on the emulator, and a disk of chaosd's own."""

    aws: AwsPort
    clock: Any
    files: LocalFiles
    private: str

    @property
    def ecs(self) -> Any:
        return self.aws.ecs

    @property
    def sqs(self) -> Any:
        return self.aws.sqs

    @property
    def s3(self) -> Any:
        return self.aws.s3

    @property
    def logs(self) -> Any:
        return self.aws.logs


@pytest.fixture
def world(endpoint: str, tmp_path: Path) -> World:
    return World(AwsPort(REGION, endpoint), SystemClock(), LocalFiles(), str(tmp_path))


@pytest.fixture
def client(endpoint: str) -> Callable[[str], Any]:
    """Return plain boto3 clients: the tests' own eyes and hands, beside the port."""
    return lambda service: boto3.client(service, region_name=REGION, endpoint_url=endpoint)


@pytest.fixture
def queue(client: Callable[[str], Any]) -> Callable[..., tuple[str, str]]:
    """Return a maker of queues with a dead-letter queue: ``(url, dead_url)``."""

    def make(*, fifo: bool = False, receives: int = 3, visibility_s: int = 30) -> tuple[str, str]:
        sqs, name, end = client("sqs"), f"q{next(_numbers)}", ".fifo" if fifo else ""
        kind = {"FifoQueue": "true"} if fifo else {}
        dead = sqs.create_queue(QueueName=f"{name}-dead{end}", Attributes=kind)["QueueUrl"]
        arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}-dead{end}"
        redrive = f'{{"deadLetterTargetArn": "{arn}", "maxReceiveCount": "{receives}"}}'
        more = {"RedrivePolicy": redrive, "VisibilityTimeout": str(visibility_s), **kind}
        url = sqs.create_queue(QueueName=f"{name}{end}", Attributes=more, tags={"chaosd:allow": "true"})["QueueUrl"]
        return url, dead

    return make
