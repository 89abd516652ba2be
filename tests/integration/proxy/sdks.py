"""Workers of two SDKs behind the real proxy before a real emulator: what each saw, and how often it asked."""

import itertools
import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from daemon.lab.emulator import Emulator, EmulatorSettings, free_port
from daemon.lab.model import CREDENTIALS, REGION
from daemon.lab.processes import ProcessTable
from daemon.lab.provision import base_environment
from daemon.ports.clock import SystemClock
from tests import proxies
from tests.fakes import FakeWorld

NODE = Path(__file__).parent / "node"
OWN_TIMEOUT_S = 0.5  # of a worker that does not wait for ever
ANSWER_S = 60.0
BUCKET = "pages"
_KEYS = {name.lower(): value for name, value in CREDENTIALS.items()}
_numbers = itertools.count(1)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What an application saw of one call: an SDK's answer, or the name of its error; and the requests sent."""

    answer: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    tries: int = 0


Ask = Callable[[str, str, Mapping[str, Any]], Seen]


class Boto:
    """boto3 with one of its retry modes; its pauses between tries are left out."""

    def __init__(self, proxy: str, mode: str, *, timeout_s: float) -> None:
        self._tries = itertools.count()
        self._clients = {name: self._client(name, proxy, mode, timeout_s) for name in ("sqs", "s3")}

    def _client(self, name: str, proxy: str, mode: str, timeout_s: float) -> Any:
        config = Config(retries={"mode": mode}, read_timeout=timeout_s, connect_timeout=5)
        client = boto3.Session(**_KEYS, region_name=REGION).client(name, endpoint_url=proxy, config=config)
        client.meta.events.register("before-send", self._count)
        return client

    def _count(self, **_: object) -> None:
        next(self._tries)  # what is returned here would be taken for the answer

    def ask(self, service: str, operation: str, request: Mapping[str, Any]) -> Seen:
        self._tries = itertools.count()
        client = self._clients[service]
        method = client.meta.method_to_api_mapping
        name = next(python for python, api in method.items() if api == operation)
        answer: dict[str, Any] = {}
        error = ""
        # Not the module's own `sleep`: everybody's would be gone.
        with mock.patch("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None)):
            try:
                answer = getattr(client, name)(**request)
                if "Body" in answer:
                    answer["Body"] = answer["Body"].read().decode()
            except ClientError as refused:
                error = str(refused.response["Error"]["Code"])
            except (BotoCoreError, HTTPClientError) as failed:
                error = type(failed).__name__
        return Seen(answer=answer, error=error, tries=next(self._tries))


class Node:
    """The worker of ``node/worker.mjs``, one process."""

    def __init__(self, proxy: str, *, timeout_s: float | None) -> None:
        where = {"AWS_ENDPOINT_URL_SQS": proxy, "AWS_ENDPOINT_URL_S3": proxy, "AWS_REGION": REGION}
        own = {"CHAOSD_TEST_REQUEST_TIMEOUT_MS": str(int(timeout_s * 1000))} if timeout_s else {}
        self._process = subprocess.Popen(
            ["node", str(NODE / "worker.mjs")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"PATH": os.environ["PATH"], "AWS_EC2_METADATA_DISABLED": "true", **CREDENTIALS, **where, **own},
        )

    def ask(self, service: str, operation: str, request: Mapping[str, Any]) -> Seen:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"service": service, "operation": operation, "input": request}) + "\n")
        self._process.stdin.flush()
        guard = threading.Timer(ANSWER_S, self._process.kill)
        guard.start()
        line = self._process.stdout.readline()
        guard.cancel()
        assert line, f"the Node worker ended, or gave no answer to {operation} within {ANSWER_S:g} s"
        said = json.loads(line)
        error = said.get("error", {})
        name = error.get("name", "")
        # Errors of the socket are plain `Error`s with a code of Node's.
        told = error.get("code") if name == "Error" and error.get("code") else name
        return Seen(answer=said.get("answer", {}), error=told or "", tries=said["tries"])

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


@dataclass(kw_only=True)
class Bench:
    """A running proxy before a running emulator, and the workers behind it."""

    proxy: str
    upstream: str
    world: FakeWorld
    askers: Mapping[str, Ask]
    impatient: Mapping[str, Ask]
    patient_node: Node
    sqs: Any
    s3: Any

    def queue(self, *bodies: str) -> str:
        """Make a queue of its own with messages in it; return its name."""
        name = f"jobs-{next(_numbers)}"
        url = self.sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "60"})["QueueUrl"]
        for body in bodies:
            self.sqs.send_message(QueueUrl=url, MessageBody=body)
        return name

    def behind(self, queue: str) -> str:
        """Return a queue's URL as a worker behind the proxy has it."""
        return f"{self.proxy}/000000000000/{queue}"

    def direct(self, queue: str) -> str:
        return str(self.sqs.get_queue_url(QueueName=queue)["QueueUrl"])

    def held(self, queue: str) -> int:
        """Return how many messages the emulator holds, in flight too."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=self.direct(queue), AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)


@contextmanager
def bench(directory: Path) -> Iterator[Bench]:
    """Hold emulator, proxy and workers while the block runs; all files below ``directory``."""
    with ExitStack() as around:
        upstream = around.enter_context(_emulator(directory))
        listen, state = f"127.0.0.1:{free_port()}", directory / "state"
        around.enter_context(proxies.running(state, "--listen", listen, "--upstream", upstream))
        proxy = f"http://{listen}"
        session = boto3.Session(**_KEYS, region_name=REGION)
        sqs, s3 = session.client("sqs", endpoint_url=upstream), session.client("s3", endpoint_url=upstream)
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        world = FakeWorld(str(directory), clock=SystemClock())
        world.proxy = proxies.of(state)  # type: ignore[assignment]
        patient, impatient = Node(proxy, timeout_s=None), Node(proxy, timeout_s=OWN_TIMEOUT_S)
        around.callback(patient.close)
        around.callback(impatient.close)
        yield Bench(
            proxy=proxy,
            upstream=upstream,
            world=world,
            sqs=sqs,
            s3=s3,
            patient_node=patient,
            askers=_askers(proxy, patient, timeout_s=60),
            impatient=_askers(proxy, impatient, timeout_s=OWN_TIMEOUT_S),
        )


def _askers(proxy: str, node: Node, *, timeout_s: float) -> dict[str, Ask]:
    return {
        "legacy": Boto(proxy, "legacy", timeout_s=timeout_s).ask,
        "standard": Boto(proxy, "standard", timeout_s=timeout_s).ask,
        "node": node.ask,
    }


@contextmanager
def _emulator(directory: Path) -> Iterator[str]:
    settings = EmulatorSettings(
        directory=directory / "emulator",
        port=free_port(),
        engine_socket=directory / "none.sock",  # no task is ever started
        region=REGION,
        environment=base_environment(),
    )
    emulator = Emulator(settings, ProcessTable(directory / "processes"))
    emulator.start(threading.Event())
    try:
        yield settings.endpoint_url
    finally:
        emulator.stop(5.0)
