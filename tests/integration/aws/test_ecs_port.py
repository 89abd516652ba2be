"""The ECS calls that change a service, or its instances: what is asked, and what the answers become.

The emulator has services, and no container instances: those calls are tried against answers in the service's own
shapes, checked by botocore's model of it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from daemon.core.cloud import Instance
from daemon.core.errors import ChaosdError, RefusedError, TargetAbsentError, UnreachableError
from daemon.ports.aws.ecs import EcsPort
from tests.integration.aws.conftest import REGION, World
from tests.waiting import wait_for

HOST = f"arn:aws:ecs:{REGION}:000000000000:container-instance/cluster/"


@contextmanager
def stubbed() -> Iterator[tuple[EcsPort, Stubber]]:
    """Give a port on a client that answers what it was told, and checks what it is asked."""
    client = boto3.client("ecs", region_name=REGION)
    with Stubber(client) as stub:
        yield EcsPort(client, once=client), stub
        stub.assert_no_pending_responses()


def test_instances_are_described_a_hundred_at_a_time_and_the_unknown_left_out() -> None:
    ids = [f"{n:032x}" for n in range(130)]
    with stubbed() as (port, stub):
        for some in (ids[:100], ids[100:]):
            told = [
                {
                    "containerInstanceArn": HOST + one,
                    "status": "ACTIVE",
                    "runningTasksCount": 2,
                    "pendingTasksCount": 1,
                }
                for one in some[1:]
            ]
            missing = [{"arn": HOST + some[0], "reason": "MISSING"}]
            stub.add_response(
                "describe_container_instances",
                {"containerInstances": told, "failures": missing},
                {"cluster": "cluster", "containerInstances": some},
            )
        found = port.instances("cluster", ids)
    assert len(found) == 128
    assert found[0] == Instance(id=ids[1], status="ACTIVE", running=2, pending=1)


def test_another_failure_in_a_good_answer_is_an_error() -> None:
    with stubbed() as (port, stub):
        failure = {"arn": HOST + "a", "reason": "AccessDeniedException"}
        stub.add_response("describe_container_instances", {"containerInstances": [], "failures": [failure]})
        with pytest.raises(RefusedError, match="1 instances in cluster were not looked at"):
            port.instances("cluster", ["a"])


def test_states_are_set_ten_at_a_time() -> None:
    ids = [f"{n:032x}" for n in range(12)]
    with stubbed() as (port, stub):
        for some in (ids[:10], ids[10:]):
            stub.add_response(
                "update_container_instances_state",
                {"containerInstances": [], "failures": []},
                {"cluster": "cluster", "containerInstances": some, "status": "DRAINING"},
            )
        port.set_instances("cluster", ids, "DRAINING")


@pytest.mark.parametrize(("reason", "kind"), [("MISSING", TargetAbsentError), ("INACTIVE", ChaosdError)])
def test_an_instance_whose_state_was_not_set_is_an_error(reason: str, kind: type[ChaosdError]) -> None:
    with stubbed() as (port, stub):
        answer = {"containerInstances": [], "failures": [{"arn": HOST + "a", "reason": reason}]}
        stub.add_response("update_container_instances_state", answer)
        with pytest.raises(kind, match="not all of the instances a in cluster were set to ACTIVE"):
            port.set_instances("cluster", ["a"], "ACTIVE")


def test_a_task_knows_its_instance_and_a_service_how_it_is_deployed() -> None:
    with stubbed() as (port, stub):
        stub.add_response(
            "describe_services",
            {
                "services": [
                    {
                        "status": "ACTIVE",
                        "desiredCount": 1,
                        "runningCount": 1,
                        "pendingCount": 0,
                        "schedulingStrategy": "DAEMON",
                        "deploymentController": {"type": "CODE_DEPLOY"},
                        "deploymentConfiguration": {"minimumHealthyPercent": 50, "maximumPercent": 200},
                        "deployments": [
                            {
                                "id": "ecs-svc/1",
                                "status": "PRIMARY",
                                "rolloutState": "FAILED",
                                "rolloutStateReason": "circuit breaker",
                                "failedTasks": 4,
                            }
                        ],
                    }
                ]
            },
        )
        stub.add_response("list_tasks", {"taskArns": ["arn:task/cluster/t"]})
        stub.add_response(
            "describe_tasks",
            {"tasks": [{"taskArn": "arn:task/cluster/t", "containerInstanceArn": HOST + "h"}]},
        )
        found = port.service("cluster", "s")
    assert found.tasks[0].instance == "h"
    assert (found.strategy, found.controller, found.least_percent) == ("DAEMON", "CODE_DEPLOY", 50)
    (one,) = found.deployments
    assert (one.id, one.status, one.rollout, one.failed) == ("ecs-svc/1", "PRIMARY", "FAILED", 4)
    assert one.reason == "circuit breaker"


def test_a_deployment_without_an_answer_is_not_asked_for_again() -> None:
    asked: list[str] = []

    class Silent:
        def update_service(self, **given: Any) -> None:
            asked.append(str(given))
            raise ClientError({"Error": {"Code": "ServerException", "Message": "?"}}, "UpdateService")

    class Never:
        def update_service(self, **_: Any) -> None:
            pytest.fail("asked by the client that repeats")

    port = EcsPort(Never(), once=Silent())  # type: ignore[arg-type]
    with pytest.raises(UnreachableError, match="was not deployed anew"):
        port.redeploy("cluster", "s")
    assert len(asked) == 1


# --- on the emulator


@pytest.fixture
def service(client: Callable[[str], Any]) -> Iterator[tuple[str, str]]:
    ecs, name = client("ecs"), "changing"
    ecs.create_cluster(clusterName="cluster")
    boxes = [{"name": "w", "image": "w", "memory": 64, "essential": True}]
    ecs.register_task_definition(family="worker", containerDefinitions=boxes)
    ecs.create_service(cluster="cluster", serviceName=name, taskDefinition="worker", desiredCount=3)
    yield "cluster", name
    ecs.delete_service(cluster="cluster", service=name, force=True)


def test_a_service_is_scaled_and_deployed_anew(world: World, service: tuple[str, str]) -> None:
    world.ecs.scale(*service, 1)
    wait_for("one task", lambda: len(world.ecs.service(*service).tasks) == 1)
    assert world.ecs.service(*service).desired == 1
    world.ecs.scale(*service, 3)
    wait_for("three tasks", lambda: len(world.ecs.service(*service).tasks) == 3)
    before = {one.id for one in world.ecs.service(*service).deployments}
    assert len(before) == 1
    world.ecs.redeploy(*service)
    new = {one.id for one in world.ecs.service(*service).deployments} - before
    assert len(new) == 1
    by_arn = f"arn:aws:ecs:{REGION}:000000000000:service/cluster/{service[1]}"
    assert world.ecs.service("cluster", by_arn).desired == 3


def test_what_is_not_there_is_neither_scaled_nor_deployed(world: World, service: tuple[str, str]) -> None:
    for call in (lambda: world.ecs.scale("cluster", "none", 1), lambda: world.ecs.redeploy("cluster", "none")):
        with pytest.raises(TargetAbsentError, match="service none in cluster cluster was not"):
            call()
    assert world.ecs.service(*service).desired == 3
