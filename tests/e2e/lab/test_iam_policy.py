"""The generated policy, enforced: a run in the lab gets all it asks for, and nothing else gets through."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from daemon.lab.model import TAG_KEY, TAG_VALUE
from daemon.lab.provision import clients
from tests.e2e.lab.conftest import CHAOSD, Bench
from tests.iam import ACCOUNT, Enforcer, Request, enforcing

EXPERIMENTS = """
sampling: {stable_for: 500ms}
experiments:
  - {name: stop, fault: ecs-task-stop, target: editor, every: 9h}
  - {name: burst, fault: sqs-burst, target: editor, every: 9h}
"""
QUEUES_AND_SERVICE = """
sampling: {stable_for: 500ms}
experiments:
  - {name: scale, fault: ecs-scale, target: editor, every: 9h}
  - {name: redeploy, fault: ecs-redeploy, target: editor, every: 9h}
  - {name: drain, fault: ecs-drain, target: editor, every: 9h}
  - {name: hold, fault: sqs-hold, target: editor, every: 9h}
  - {name: duplicate, fault: sqs-duplicate, target: editor, every: 9h}
  - {name: poison, fault: sqs-poison, target: editor, every: 9h}
  - {name: reorder, fault: sqs-reorder, target: editor, every: 9h}
"""
TAGS = {TAG_KEY: TAG_VALUE}
pytestmark = pytest.mark.timeout(900)  # a run is five commands, one after the other, on a machine that may be busy
PATIENCE_S = 300.0


def answered(here: Bench, *words: str, state: str = "iam") -> tuple[int, dict[str, Any]]:
    return here.answer(*words, state=state, timeout_s=PATIENCE_S)


def generated(bench: Bench, *words: str) -> dict[str, Any]:
    """Return the policy of the lab's configuration, as a user gets it."""
    command = [CHAOSD, "-c", str(bench.config), "iam-policy", "--account", ACCOUNT, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "nothing to be known besides"
    return dict(json.loads(done.stdout))


@pytest.fixture(scope="module")
def policy(bench: Bench) -> dict[str, Any]:
    bench.config.write_text(bench.info.config_yaml() + EXPERIMENTS)
    return generated(bench, "--with", "scenario", "--with", "monitor")


@pytest.fixture
def gate(bench: Bench, policy: dict[str, Any]) -> Iterator[Enforcer]:
    with enforcing(policy, bench.info.endpoint_url, TAGS) as enforcer:
        yield enforcer


def through(bench: Bench, gate: Enforcer, state: str) -> Bench:
    """Return the bench whose chaosd reaches AWS by the gate alone."""
    config = bench.directory / f"{state}.yaml"
    config.write_text(bench.config.read_text().replace(f"{bench.info.endpoint_url}\n", f"{gate.address}\n"))
    text = config.read_text().replace(f'"{bench.info.endpoint_url}"', f'"{gate.address}"')
    config.write_text(text)
    assert gate.address in text
    return Bench(info=bench.info, aws=bench.aws, directory=bench.directory, config=config)


def test_every_call_of_a_run_is_allowed(bench: Bench, gate: Enforcer) -> None:
    here = through(bench, gate, "through")
    told = answered(here, "probe")[1]
    assert "denied" not in json.dumps(told).lower(), told
    code, told = answered(here, "inject", "ecs-task-stop", "--target", "editor", "--for", "1s")
    assert (code, told["injection"]["state"]) == (0, "reverted"), told
    words = ("--set", "messages=60", "--set", "rate=200/s", "--for", "1s")  # more than two tasks do in a second
    code, told = answered(here, "inject", "sqs-burst", "--target", "editor", *words)
    assert told["injection"]["state"] == "reverted", told
    code, told = answered(here, "scenario", "run", "basic", "--set", "messages=2")
    assert code == 0, told
    assert answered(here, "monitor")[0] == 0
    assert gate.denied == set()
    assert gate.actions() == {
        *("ecs:DescribeServices", "ecs:ListTasks", "ecs:DescribeTasks", "ecs:StopTask"),
        *("sqs:GetQueueAttributes", "sqs:ListQueueTags", "sqs:SendMessage", "sqs:ReceiveMessage"),
        *("sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "s3:GetObject", "s3:ListBucket"),
        "logs:FilterLogEvents",
    } - unused(gate)
    print(sorted(f"{one.action} {one.resource}" for one in gate.passed))  # noqa: T201  for the report, with -s


@pytest.mark.torture
def test_every_call_of_the_faults_of_queue_and_service_is_allowed(bench: Bench) -> None:
    queue = bench.aws.sqs.create_queue(QueueName="edit-waiting", tags=TAGS)["QueueUrl"]
    for number in range(3):
        bench.aws.sqs.send_message(QueueUrl=queue, MessageBody=f"other {number}")
    steady = "steady_state: {editor: [tasks, backlog, repository]}"
    text = bench.info.config_yaml().replace(bench.info.input_queue_url, queue).replace(steady, "steady_state: {}")
    asked = bench.directory / "asked.yaml"
    asked.write_text(text + QUEUES_AND_SERVICE)
    here = Bench(info=bench.info, aws=bench.aws, directory=bench.directory, config=asked)
    with enforcing(generated(here), bench.info.endpoint_url, TAGS) as gate:
        here = through(here, gate, "asked-through")
        for fault, more in (
            ("ecs-scale", ()),
            ("ecs-redeploy", ()),
            ("sqs-hold", ("--set", "messages=2")),
            ("sqs-duplicate", ()),
            ("sqs-poison", ()),
            ("sqs-reorder", ("--set", "messages=2", "--set", "gap=0s")),
        ):
            _, told = answered(here, "inject", fault, "--target", "editor", "--for", "1s", *more, state="asked")
            assert told["injection"]["state"] == "reverted", told
        # The emulator has no container instances: it gets as far as looking at them.
        code, told = answered(here, "inject", "ecs-drain", "--target", "editor", "--for", "1s", state="asked")
        assert (code, told["error"]["rule"]) == (77, "no-instance"), told
    assert gate.denied == set()
    assert {"ecs:UpdateService", "ecs:DescribeContainerInstances", "sqs:ChangeMessageVisibility"} <= gate.actions()
    assert bench.counts(queue) == (3, 0)
    bench.aws.sqs.delete_queue(QueueUrl=queue)


def test_a_service_without_the_tag_is_neither_scaled_nor_deployed_and_instances_are_drained_in_their_cluster_only(
    bench: Bench,
) -> None:
    asked = bench.directory / "tagged.yaml"
    asked.write_text(bench.info.config_yaml() + QUEUES_AND_SERVICE)
    gate = Enforcer(generated(Bench(info=bench.info, aws=bench.aws, directory=bench.directory, config=asked)))
    at = f"arn:aws:ecs:us-west-2:{ACCOUNT}"
    service, cluster = f"{at}:service/edit-cluster/edit-service", ("ecs:cluster", f"{at}:cluster/edit-cluster")
    update, drain = "ecs:UpdateService", "ecs:UpdateContainerInstancesState"
    assert gate.admit([Request(update, service, (cluster, ("aws:ResourceTag/chaosd:allow", "true")))]) is None
    assert gate.admit([Request(update, service, (cluster,))]) is not None
    assert gate.admit([Request(drain, f"{at}:container-instance/edit-cluster/1", (cluster,))]) is None
    elsewhere = ("ecs:cluster", f"{at}:cluster/production")
    assert gate.admit([Request(drain, f"{at}:container-instance/production/1", (elsewhere,))]) is not None


def unused(gate: Enforcer) -> set[str]:
    """Return what a run needs only now and then.

    Releasing what others sent, tags where a rule asks for them, whether a page is missing while none is deployed.
    """
    return {"sqs:ChangeMessageVisibility", "sqs:ListQueueTags", "s3:ListBucket"} - gate.actions()


def test_what_the_configuration_does_not_name_is_denied(bench: Bench, gate: Enforcer) -> None:
    aws, info = clients(gate.address), bench.info
    (task, *_) = bench.pids()
    attempts = {
        "purge": lambda: aws.sqs.purge_queue(QueueUrl=info.input_queue_url),
        "delete queue": lambda: aws.sqs.delete_queue(QueueUrl=info.input_queue_url),
        "set attributes": lambda: aws.sqs.set_queue_attributes(
            QueueUrl=info.input_queue_url, Attributes={"VisibilityTimeout": "1"}
        ),
        "send answers": lambda: aws.sqs.send_message(QueueUrl=info.responses_queue_url, MessageBody="x"),
        "send to dead letters": lambda: aws.sqs.send_message(QueueUrl=info.dead_letter_queue_url, MessageBody="x"),
        "stop elsewhere": lambda: aws.ecs.stop_task(cluster="production", task=task),
        "look elsewhere": lambda: aws.ecs.describe_services(cluster="production", services=[info.service]),
        "list elsewhere": lambda: aws.ecs.list_tasks(cluster="production"),
        "other service": lambda: aws.ecs.describe_services(cluster=info.cluster, services=["other"]),
        "scale": lambda: aws.ecs.update_service(cluster=info.cluster, service=info.service, desiredCount=0),
        "delete service": lambda: aws.ecs.delete_service(cluster=info.cluster, service=info.service, force=True),
        "delete bucket": lambda: aws.s3.delete_bucket(Bucket=info.bucket),
        "write object": lambda: aws.s3.put_object(Bucket=info.bucket, Key=info.key, Body=b"x"),
        "other object": lambda: aws.s3.get_object(Bucket=info.bucket, Key="secrets"),
        "other bucket": lambda: aws.s3.head_bucket(Bucket="other"),
        "other logs": lambda: aws.logs.filter_log_events(logGroupName="/other"),
    }
    for name, attempt in attempts.items():
        with pytest.raises(ClientError, match=r"AccessDenied|403"):
            attempt()
        assert gate.passed == set(), name
    assert len(gate.denied) == len(attempts)
    assert bench.counts(info.input_queue_url)[0] >= 0, "it is still there"


def test_a_role_that_may_not_stop_tasks_is_told_so_and_nothing_is_stopped(
    bench: Bench, policy: dict[str, Any], tmp_path: Path
) -> None:
    less = json.loads(json.dumps(policy).replace('"ecs:StopTask"', '"ecs:StopNothing"'))
    before = bench.pids()
    with enforcing(less, bench.info.endpoint_url, TAGS) as gate:
        here = through(bench, gate, "less")
        told = answered(here, "inject", "ecs-task-stop", "--target", "editor", "--for", "1s", state=tmp_path.name)[
            1
        ]
    assert {one.action for one in gate.denied} == {"ecs:StopTask"}
    assert "ecs:StopTask" in json.dumps(told)
    assert bench.pids() == before


def test_a_task_without_the_tag_is_denied_by_name(policy: dict[str, Any]) -> None:
    task = f"arn:aws:ecs:us-west-2:{ACCOUNT}:task/edit-cluster/1"
    cluster = ("ecs:cluster", f"arn:aws:ecs:us-west-2:{ACCOUNT}:cluster/edit-cluster")
    gate = Enforcer(policy)
    assert gate.admit([Request("ecs:StopTask", task, (cluster, ("aws:ResourceTag/chaosd:allow", "true")))]) is None
    assert (
        gate.admit([Request("ecs:StopTask", task, (cluster, ("aws:ResourceTag/chaosd:allow", "no")))]) is not None
    )
    assert gate.admit([Request("ecs:StopTask", task, (cluster,))]) is not None
