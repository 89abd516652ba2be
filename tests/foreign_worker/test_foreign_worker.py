"""A worker that is not ours is judged by configuration alone: right when it is right, and named when it is not."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from daemon.lab import lab
from daemon.lab.model import LabInfo
from daemon.lab.provision import clients

CHAOSD = str(Path(sys.executable).parent / "chaosd")
WORKER = Path(__file__).with_name("worker.py")
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
CONFIG = """\
version: 1
aws: {{region: {region}, endpoint_url: "{endpoint}"}}
targets:
  foreign:
    queue: {{url: "{queue}", responses: "{responses}"}}
    repository: {{worktree: "{clone}", remote: "{remote}", branch: "edits/{{chatThreadId}}", mainline: trunk}}
    deployment: {{bucket: foreign-site, key: live.txt}}
    limits: {{message: 20s, branch_switch: 5s, recover: 60s}}
guard:
  allow: {{repositories: ["{clone}"], queues: ["*:foreign-*"]}}
"""


@pytest.fixture(scope="module")
def info(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabInfo]:
    directory = tmp_path_factory.mktemp("foreign") / "lab"
    made = lab.up(directory, tasks=1)  # for its emulator; its own worker has its own queues
    yield made
    lab.down(directory)


def git(*arguments: str) -> None:
    subprocess.run(("git", "-c", "user.name=t", "-c", "user.email=t@localhost", *arguments), check=True, timeout=30)


@contextmanager
def working(info: LabInfo, directory: Path, *flags: str) -> Iterator[Path]:
    """Hold the foreign worker at work, and yield the configuration for it."""
    remote, clone, seed = directory / "remote.git", directory / "clone", directory / "seed"
    git("init", "--quiet", "--bare", "--initial-branch=trunk", str(remote))
    git("init", "--quiet", "--initial-branch=trunk", str(seed))
    git("-C", str(seed), "commit", "--quiet", "--allow-empty", "--message", "Begin")
    git("-C", str(seed), "push", "--quiet", str(remote), "trunk")
    git("clone", "--quiet", str(remote), str(clone))
    aws = clients(info.endpoint_url)
    queues = [aws.sqs.create_queue(QueueName=f"foreign-{name}-{len(flags)}")["QueueUrl"] for name in ("in", "out")]
    region = {"LocationConstraint": info.region}
    if "foreign-site" not in {b["Name"] for b in aws.s3.list_buckets()["Buckets"]}:
        aws.s3.create_bucket(Bucket="foreign-site", CreateBucketConfiguration=region)
    for client in (aws.sqs, aws.ecs, aws.s3, aws.logs):
        client.close()
    config = directory / "chaosd.yaml"
    config.write_text(
        CONFIG.format(
            region=info.region,
            endpoint=info.endpoint_url,
            queue=queues[0],
            responses=queues[1],
            clone=clone,
            remote=remote,
        )
    )
    endpoint = {"AWS_DEFAULT_REGION": info.region, "AWS_ENDPOINT_URL": info.endpoint_url}
    process = subprocess.Popen(
        (sys.executable, str(WORKER), *queues, str(remote), str(clone), "foreign-site", *flags),
        env={**os.environ, **CREDENTIALS, **endpoint},
    )
    try:
        yield config
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def judged(config: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    state = str(config.parent / "state")
    done = subprocess.run(
        (CHAOSD, "-c", str(config), "--state-dir", state, "-o", "json", "scenario", "run", *arguments),
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, **CREDENTIALS},
        check=False,
    )
    assert done.stdout, done.stderr
    (scenario,) = json.loads(done.stdout)["scenarios"]
    return done.returncode, scenario


def test_a_foreign_worker_that_works_is_found_to_work(info: LabInfo, tmp_path: Path) -> None:
    with working(info, tmp_path) as config:
        code, scenario = judged(config, "switching", "--seed", "1", "--set", "gap=300ms")
    assert scenario["violations"] == []
    assert scenario["passed"] is True, scenario
    assert code == 0


def test_a_foreign_worker_that_drops_a_message_is_found_to_lose_and_to_lie(info: LabInfo, tmp_path: Path) -> None:
    with working(info, tmp_path, "--careless") as config:
        code, scenario = judged(config, "basic", "--seed", "1", "--set", "gap=300ms", "--set", "most=30s")
    assert {"no-lost-instruction", "honest-response"} <= {v["invariant"] for v in scenario["violations"]}
    assert scenario["passed"] is False
    assert code == 1
