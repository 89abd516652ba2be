"""The AWS port against a real emulator: what it returns, and what its errors say."""

import socket
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from threading import Barrier, Thread
from typing import Any

import pytest

from daemon.core.cloud import Message
from daemon.core.errors import ChaosdError, ConfigError, RefusedError, TargetAbsentError, UnreachableError
from daemon.ports.aws import AwsPort
from daemon.ports.aws.translate import answered
from tests.integration.aws.conftest import ACCOUNT, REGION, World

CODES = [
    ("AccessDeniedException", 400, "iam"),
    ("com.amazonaws.sqs#AccessDenied", 403, "iam"),
    ("403", 403, "iam"),
    ("ExpiredTokenException", 400, "iam"),
    ("UnrecognizedClientException", 400, "iam"),
    ("InvalidClientTokenId", 403, "iam"),
    ("ThrottlingException", 400, "unreachable"),
    ("RequestThrottled", 403, "unreachable"),
    ("SlowDown", 503, "unreachable"),
    ("Whatever", 500, "unreachable"),
    ("Whatever", 429, "unreachable"),
    ("AWS.SimpleQueueService.NonExistentQueue", 400, "absent"),
    ("QueueDoesNotExist", 400, "absent"),
    ("ClusterNotFoundException", 400, "absent"),
    ("ServiceNotFoundException", 400, "absent"),
    ("NoSuchBucket", 404, "absent"),
    ("ResourceNotFoundException", 400, "absent"),
    ("MISSING", 0, "absent"),
    ("InvalidParameterException", 400, "other"),
    ("InvalidMessageContents", 400, "other"),
]


@pytest.mark.parametrize(("code", "status", "kind"), CODES)
def test_each_answer_becomes_the_right_error_and_says_first_what_was_not_done(
    code: str, status: int, kind: str
) -> None:
    error = answered("sqs:SendMessage", "nothing was sent", code, "because", status)
    assert error.message.startswith("nothing was sent: sqs:SendMessage answered ")
    assert code in error.message
    match kind:
        case "absent":
            assert isinstance(error, TargetAbsentError)
        case "other":
            assert type(error) is ChaosdError
        case rule:
            assert isinstance(error, RefusedError)
            assert error.rule == rule
            assert isinstance(error, UnreachableError) == (rule == "unreachable")


def test_a_denied_call_names_the_missing_action() -> None:
    assert "allow ecs:StopTask" in answered("ecs:StopTask", "x", "AccessDeniedException", "").hint


def test_importing_the_port_does_not_import_boto3() -> None:
    code = "import sys, daemon.ports.aws; sys.exit('boto3' in sys.modules or 'botocore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_credentials_nothing_is_called(
    endpoint: str, queue: Callable[..., tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, _ = queue()
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(RefusedError, match="no usable AWS credentials for sqs:GetQueueAttributes") as caught:
        AwsPort(REGION, endpoint).sqs.facts(url)
    assert caught.value.rule == "iam"
    assert "AWS_PROFILE" in caught.value.hint
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "half")
    with pytest.raises(RefusedError, match="no usable AWS credentials"):
        AwsPort(REGION, endpoint).sqs.facts(url)


def test_an_endpoint_where_nobody_listens_is_unreachable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and not listening
        port = AwsPort(REGION, f"http://127.0.0.1:{taken.getsockname()[1]}")
        for call in (
            lambda: port.sqs.facts("http://127.0.0.1/1/q"),
            lambda: port.ecs.service("c", "s"),
        ):
            with pytest.raises(UnreachableError, match="was not"):
                call()


def test_settings_that_cannot_work_are_a_config_error() -> None:
    with pytest.raises(ConfigError, match="specify a region"):
        _ = AwsPort(None, "http://127.0.0.1:1").sqs
    with pytest.raises(ConfigError, match="no-url"):
        _ = AwsPort(REGION, "no-url").ecs


def test_threads_share_one_client(endpoint: str) -> None:
    port, seen, gate = AwsPort(REGION, endpoint), [], Barrier(8)

    def ask() -> None:
        gate.wait()
        seen.append(port.sqs)

    threads = [Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(one) for one in seen}) == 1


# --- SQS


def test_queue_facts_name_the_dead_letter_queue(world: World, queue: Callable[..., tuple[str, str]]) -> None:
    url, dead = queue(receives=4, visibility_s=7)
    facts = world.sqs.facts(url)
    assert (facts.dead_letter_url, facts.max_receives, facts.visibility_s, facts.fifo) == (dead, 4, 7.0, False)
    assert world.sqs.facts(queue(fifo=True)[0]).fifo
    assert world.sqs.facts(dead).max_receives is None
    assert world.sqs.tags(url) == {"chaosd:allow": "true"}


def test_a_message_makes_the_round_trip_with_its_attributes(world: World, queue: Any) -> None:
    url, _ = queue()
    assert world.sqs.send(url, [Message(body="é", attributes={"k": "v"})]) == (None,)
    assert world.sqs.facts(url).visible == 1
    (got,) = world.sqs.receive(url)
    assert (got.body, dict(got.attributes), got.receives) == ("é", {"k": "v"}, 1)
    assert world.sqs.facts(url).in_flight == 1
    world.sqs.release(url, [got.handle])
    (again,) = world.sqs.receive(url)
    assert again.receives == 2
    assert world.sqs.delete(url, [again.handle]) == (None,)
    world.sqs.release(url, [again.handle])  # gone already: that is no error
    assert world.sqs.facts(url).in_flight == 0


def test_more_than_ten_are_deleted_and_released_in_batches(world: World, queue: Any) -> None:
    url, _ = queue()
    for _ in range(3):
        world.sqs.send(url, [Message(body="x", attributes={})] * 10)
    handles = [m.handle for _ in range(3) for m in world.sqs.receive(url)]
    world.sqs.release(url, handles)
    assert world.sqs.facts(url).visible == 30
    handles = [m.handle for _ in range(3) for m in world.sqs.receive(url)]
    assert world.sqs.delete(url, handles) == (None,) * 30
    assert world.sqs.facts(url).in_flight == 0


def test_a_refused_entry_is_told_apart_from_those_that_were_taken(world: World, queue: Any) -> None:
    url, _ = queue(fifo=True)
    well = Message(body="well", attributes={}, group="g", deduplication="d1")
    codes = world.sqs.send(url, [well, Message(body="no group", attributes={}), well])
    assert codes[0] is None
    assert codes[1] is not None
    assert world.sqs.facts(url).visible == 1


def test_a_missing_queue_is_absent_for_every_call(world: World, queue: Any) -> None:
    missing = queue()[0] + "-missing"
    for call in (
        lambda: world.sqs.facts(missing),
        lambda: world.sqs.tags(missing),
        lambda: world.sqs.send(missing, [Message(body="x", attributes={})]),
        lambda: world.sqs.receive(missing),
        lambda: world.sqs.delete(missing, ["h"]),
        lambda: world.sqs.release(missing, ["h"]),
    ):
        with pytest.raises(TargetAbsentError, match="-missing"):
            call()


# --- ECS


_names = count(1)


@pytest.fixture
def service(client: Callable[[str], Any]) -> tuple[str, str]:
    ecs, name = client("ecs"), f"service{next(_names)}"
    ecs.create_cluster(clusterName="cluster")
    ecs.register_task_definition(
        family="worker", containerDefinitions=[{"name": "w", "image": "w", "memory": 64, "essential": True}]
    )
    ecs.create_service(
        cluster="cluster", serviceName=name, taskDefinition="worker", desiredCount=3,
        tags=[{"key": "chaosd:allow", "value": "true"}],
    )  # fmt: skip
    return "cluster", name


def test_a_service_is_told_with_its_tasks_and_tags(
    world: World, service: tuple[str, str], client: Callable[[str], Any]
) -> None:
    found = world.ecs.service(*service)
    assert found.desired == 3
    assert found.tags == {"chaosd:allow": "true"}
    assert len({t.id for t in found.tasks}) == 3
    assert all(t.desired_status == "RUNNING" and t.arn.endswith(t.id) for t in found.tasks)
    client("ecs").tag_resource(resourceArn=found.tasks[1].arn, tags=[{"key": "keep", "value": "yes"}])
    tags = {t.id: t.tags for t in world.ecs.service(*service).tasks}
    assert tags == {found.tasks[0].id: {}, found.tasks[1].id: {"keep": "yes"}, found.tasks[2].id: {}}
    by_arn = f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/cluster/{service[1]}"
    assert {t.id for t in world.ecs.service("cluster", by_arn).tasks} == {t.id for t in found.tasks}
    world.ecs.stop_task("cluster", found.tasks[0].id, "chaosd inj-1 test")
    (stopped,) = world.ecs.tasks("cluster", [found.tasks[0].id, "0" * 32])
    assert (stopped.desired_status, stopped.stopped_reason) == ("STOPPED", "chaosd inj-1 test")
    assert len(world.ecs.service(*service).tasks) == 2


def test_what_ecs_does_not_know_is_absent(world: World, service: tuple[str, str]) -> None:
    with pytest.raises(TargetAbsentError, match="cluster nowhere"):
        world.ecs.service("nowhere", service[1])
    with pytest.raises(TargetAbsentError, match="service nothing in cluster cluster was not looked at"):
        world.ecs.service(service[0], "nothing")
    with pytest.raises(TargetAbsentError, match="was not stopped"):
        world.ecs.stop_task("cluster", "0" * 32, "x")


def test_failures_inside_a_good_answer_are_errors_except_for_tasks_that_are_gone() -> None:
    from daemon.ports.aws.ecs import EcsPort  # noqa: PLC0415

    class Failing:
        reason = "MISSING"

        def describe_services(self, **_: Any) -> dict[str, Any]:
            return {"services": [{"status": "ACTIVE"}], "failures": [{"arn": "a", "reason": self.reason}]}

        def describe_tasks(self, **_: Any) -> dict[str, Any]:
            return {"tasks": [], "failures": [{"arn": "a", "reason": self.reason}]}

    client = Failing()
    port = EcsPort(client, once=client)  # type: ignore[arg-type]
    with pytest.raises(TargetAbsentError, match="MISSING"):
        port.service("c", "s")
    assert port.tasks("c", ["a"]) == ()
    client.reason = "AccessDeniedException"
    for call in (lambda: port.service("c", "s"), lambda: port.tasks("c", ["a"])):
        with pytest.raises(RefusedError, match="AccessDenied"):
            call()


def test_one_paginator_serves_every_look() -> None:
    from daemon.ports.aws.ecs import EcsPort  # noqa: PLC0415

    class Counting:
        made = 0

        def describe_services(self, **_: Any) -> dict[str, Any]:
            return {"services": [{"status": "ACTIVE", "desiredCount": 1, "runningCount": 0, "pendingCount": 1}]}

        def get_paginator(self, _: str) -> "Counting":
            self.made += 1
            return self

        def paginate(self, **_: Any) -> list[dict[str, Any]]:
            return [{"taskArns": []}]

    client = Counting()
    port = EcsPort(client, once=client)  # type: ignore[arg-type]
    assert [port.service("c", "s").tasks for _ in range(3)] == [(), (), ()]
    assert client.made == 1


# --- S3


def test_an_object_is_told_and_a_missing_one_is_none_but_a_missing_bucket_absent(
    world: World, client: Callable[[str], Any]
) -> None:
    s3 = client("s3")
    s3.create_bucket(Bucket="site")
    s3.put_object(Bucket="site", Key="index.html", Body=b"hello", Metadata={"Commit": "abc"})
    head = world.s3.head("site", "index.html")
    assert (head.size, dict(head.metadata)) == (5, {"commit": "abc"})
    assert abs(head.modified_s - datetime.now(UTC).timestamp()) < 60  # noqa: TID251  a real clock beside a real one
    assert world.s3.get("site", "index.html") == b"hello"
    assert world.s3.head("site", "nothing") is None
    assert world.s3.get("site", "nothing") is None
    with pytest.raises(TargetAbsentError, match="no-bucket"):
        world.s3.head("no-bucket", "index.html")
    with pytest.raises(TargetAbsentError, match="no-bucket"):
        world.s3.get("no-bucket", "index.html")


# --- logs


def test_log_events_come_from_the_window_and_by_the_pattern(world: World, client: Callable[[str], Any]) -> None:
    logs, now_s = client("logs"), world.clock.instant().wall_s
    logs.create_log_group(logGroupName="/g")
    logs.create_log_stream(logGroupName="/g", logStreamName="s")
    lines = [("an old ERROR", 300.0), ("an ERROR", 20.0), ("fine", 10.0)]
    logs.put_log_events(
        logGroupName="/g", logStreamName="s",
        logEvents=[{"timestamp": int((now_s - ago) * 1000), "message": text} for text, ago in lines],
    )  # fmt: skip
    found = world.logs.events("/g", since_s=now_s - 90, until_s=now_s, pattern="?ERROR ?Error ?error")
    assert [(e.message, e.stream) for e in found] == [("an ERROR", "s")]
    assert found[0].at_s == pytest.approx(now_s - 20, abs=0.01)
    with pytest.raises(TargetAbsentError):
        world.logs.events("/none", since_s=now_s - 90, until_s=now_s)


def test_an_empty_page_with_a_token_is_not_the_end_and_there_is_a_limit() -> None:
    from daemon.ports.aws.logs import EVENTS_MOST, LogsPort  # noqa: PLC0415

    class Pages:
        asked = 0

        def filter_log_events(self, **_: Any) -> dict[str, Any]:
            self.asked += 1
            if self.asked == 1:
                return {"events": [], "nextToken": "more"}
            many = [{"eventId": f"{self.asked}/{n}", "timestamp": 1, "message": "x"} for n in range(4000)]
            return {"events": many, "nextToken": "more"}

    found = LogsPort(Pages()).events("/g", since_s=0, until_s=1)  # type: ignore[arg-type]
    assert len(found) == EVENTS_MOST
