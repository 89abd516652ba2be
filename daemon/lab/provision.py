"""Furnish the lab: the remote repository, and the emulator's queues, bucket, log group, cluster and service."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from daemon.lab import model
from daemon.lab.engine import STOP_TIMEOUT_VARIABLE
from daemon.lab.errors import LabError
from daemon.lab.model import Kind, LabInfo

FAKETIME = "LAB_FAKETIME"  # the path of libfaketime, in the environment of `chaosd lab up`: workers run under it
STOP_TIMEOUT_S = 5  # what a task gets between SIGTERM and SIGKILL
GIT_TIMEOUT_S = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Clients:
    """The emulator's API, service by service."""

    sqs: Any
    ecs: Any
    s3: Any
    logs: Any


def clients(endpoint_url: str) -> Clients:
    """Make clients for the emulator, with the lab's own credentials whatever the environment holds."""
    session = boto3.Session(
        aws_access_key_id=model.CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=model.CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        region_name=model.REGION,
    )
    config = Config(connect_timeout=5, read_timeout=30, retries={"total_max_attempts": 3})
    made = {
        name: session.client(name, endpoint_url=endpoint_url, config=config)
        for name in ("sqs", "ecs", "s3", "logs")
    }
    return Clients(**made)


def base_environment() -> dict[str, str]:
    """Return the environment for all children: nothing of the user's AWS or git settings gets in."""
    passed = {name: os.environ[name] for name in ("PATH", "LANG", "TZ", "SYSTEMROOT") if name in os.environ}
    root = Path(__file__).resolve().parents[2]  # so that a checkout works without being installed
    return passed | {
        "PYTHONPATH": str(root),
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",  # or caches would appear beside the sources, outside the lab
        "LC_ALL": "C",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
    }


def create_remote(remote: Path, scratch: Path) -> None:
    """Make the bare remote with one commit on ``main``; an existing one stays as it is. Raises LabError."""
    if (remote / "HEAD").exists():
        return
    seed = scratch / "seed"
    (seed / "content").mkdir(parents=True)
    # Sessions append to their own files. Two tasks may do so at once, and then both lines belong there.
    (seed / ".gitattributes").write_text("content/*.md merge=union\n")
    (seed / "content" / "welcome.md").write_text("welcome\n")
    (seed / "README.md").write_text("The lab's site: one file of edits per session under content/.\n")
    who = ("-c", "user.name=lab", "-c", "user.email=lab@localhost")
    for arguments in (
        ("init", "--quiet", "--bare", "--initial-branch=main", str(remote)),
        ("init", "--quiet", "--initial-branch=main", str(seed)),
        ("-C", str(seed), "add", "--all"),
        ("-C", str(seed), *who, "commit", "--quiet", "--message", "Start the site"),
        ("-C", str(seed), "push", "--quiet", str(remote), "main"),
        ("-C", str(remote), "config", "gc.auto", "0"),  # no background process may outlive the lab
        ("-C", str(remote), "config", "receive.autogc", "false"),
    ):
        _git(arguments)


def _git(arguments: tuple[str, ...]) -> None:
    try:
        done = subprocess.run(
            ("git", *arguments),
            env=base_environment(),
            capture_output=True,
            text=True,
            timeout=GIT_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LabError(f"The lab's remote was not made: {error}. Is git installed and on PATH?") from error
    if done.returncode:
        raise LabError(f"The lab's remote was not made: git {arguments[0]}: {done.stderr.strip()}. Check git.")


def furnish(
    endpoint_url: str,
    directory: Path,
    kind: Kind,
    *,
    remote_port: int = 0,
) -> LabInfo:
    """Create everything in a fresh emulator and start the service with its tasks."""
    aws = clients(endpoint_url)
    info = LabInfo(
        directory=directory,
        tasks=kind.tasks,
        defect=kind.defect,
        build_s=kind.build_s,
        detour=kind.detour,
        remote_port=remote_port,
        endpoint_url=endpoint_url,
        region=model.REGION,
        cluster=model.CLUSTER,
        service=model.SERVICE,
        bucket=model.BUCKET,
        key=model.KEY,
        log_group=model.LOG_GROUP,
        remote=directory / "remote.git",
        clones=directory / "clones",
        **_create_queues(aws.sqs),
    )
    aws.s3.create_bucket(Bucket=info.bucket, CreateBucketConfiguration={"LocationConstraint": model.REGION})
    aws.logs.create_log_group(logGroupName=info.log_group)
    _create_service(aws.ecs, info)
    return info


def _create_queues(sqs: Any) -> dict[str, str]:
    tags = {model.TAG_KEY: model.TAG_VALUE}

    def create(name: str, attributes: Mapping[str, str]) -> str:
        return str(sqs.create_queue(QueueName=name, Attributes=attributes, tags=tags)["QueueUrl"])

    visibility = {"VisibilityTimeout": str(model.VISIBILITY_S)}
    dead_letter = create(model.DEAD_LETTER_QUEUE, {})
    wanted = sqs.get_queue_attributes(QueueUrl=dead_letter, AttributeNames=["QueueArn"])
    arn = wanted["Attributes"]["QueueArn"]
    redrive = f'{{"deadLetterTargetArn":"{arn}","maxReceiveCount":"{model.RECEIVES_MAX}"}}'
    return {
        "dead_letter_queue_url": dead_letter,
        "responses_queue_url": create(model.RESPONSES_QUEUE, {}),
        "interrupt_queue_url": create(model.INTERRUPT_QUEUE, visibility | {"RedrivePolicy": redrive}),
        "input_queue_url": create(model.INPUT_QUEUE, visibility | {"RedrivePolicy": redrive}),
    }


def _create_service(ecs: Any, info: LabInfo) -> None:
    tags = [{"key": model.TAG_KEY, "value": model.TAG_VALUE}]
    ecs.create_cluster(clusterName=info.cluster, tags=tags)
    definition = ecs.register_task_definition(
        family="edit",
        networkMode="host",
        containerDefinitions=[_container(info)],
        tags=tags,
    )
    ecs.create_service(
        cluster=info.cluster,
        serviceName=info.service,
        taskDefinition=definition["taskDefinition"]["taskDefinitionArn"],
        desiredCount=info.tasks,
        tags=tags,
        propagateTags="SERVICE",
    )


def _container(info: LabInfo) -> dict[str, Any]:
    command = [sys.executable, "-m", "daemon.lab.worker", "--lab", str(info.directory)]
    variables = dict(model.CREDENTIALS) | {
        "AWS_DEFAULT_REGION": info.region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "INPUT_QUEUE_URL": info.seen_by_worker(info.input_queue_url),
        "RESPONSES_QUEUE_URL": info.seen_by_worker(info.responses_queue_url),
        "INTERRUPT_QUEUE_URL": info.seen_by_worker(info.interrupt_queue_url),
        "SITE_BUCKET": info.bucket,
        "SITE_KEY": info.key,
        "REMOTE": info.remote_of_worker,
        "SLOTS": str(info.tasks),
        "BUILD_S": str(info.build_s),
        "HOME": str(info.directory / "home"),
        "TMPDIR": str(info.directory / "tmp"),
        STOP_TIMEOUT_VARIABLE: str(STOP_TIMEOUT_S),
        **_faked_clock(info.directory),
    }
    if info.detour.behind:
        # By service: AWS_ENDPOINT_URL itself is the emulator's to set, as for every task it starts.
        variables |= {"AWS_ENDPOINT_URL_SQS": info.detour.behind, "AWS_ENDPOINT_URL_S3": info.detour.behind}
    return {
        "name": "editor",
        "image": "local/edit-worker",
        "versionConsistency": "disabled",
        "essential": True,
        "memory": 128,
        "stopTimeout": STOP_TIMEOUT_S,
        "command": command + (["--defect", info.defect] if info.defect else []),
        "environment": [{"name": name, "value": value} for name, value in variables.items()],
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": info.log_group,
                "awslogs-region": info.region,
                "awslogs-stream-prefix": "edit",
            },
        },
    }


def _faked_clock(directory: Path) -> dict[str, str]:
    """Return what puts the workers under libfaketime, with a file that sets no offset yet; nothing unless asked."""
    library = os.environ.get(FAKETIME, "")
    if not library:
        return {}
    if not Path(library).is_file():
        raise LabError(
            f"The lab was not started: {FAKETIME} names {library}, which is no file. Install libfaketime."
        )
    file = directory / "faketime"
    file.write_text("+0\n")
    # The monotonic clock stays the kernel's: a faked one hangs every timed wait of Python's threads.
    return {
        "LD_PRELOAD": library,
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
