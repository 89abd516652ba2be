"""ECS through boto3."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from daemon.core.cloud import Deployment, Instance, Service, Task
from daemon.core.errors import TargetAbsentError
from daemon.ports.aws.translate import answered, calling

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_ecs.paginator import ListTasksPaginator

DESCRIBE_MOST = 100  # what DescribeTasks takes at once
INSTANCES_MOST = 10  # what UpdateContainerInstancesState takes at once
_MISSING = "MISSING"


class EcsPort:
    """Implements ``seams.Ecs``. Answers that carry ``failures`` are errors, except for tasks that are gone.

    ``once`` is a client that never repeats a call by itself: a deployment asked for twice is two.
    """

    def __init__(self, client: "ECSClient", *, once: "ECSClient") -> None:
        self._client = client
        self._once = once

    def service(self, cluster: str, service: str) -> Service:
        undone = f"the service {service} in cluster {cluster} was not looked at"
        with calling("ecs:DescribeServices", undone):
            answer = self._client.describe_services(cluster=cluster, services=[service], include=["TAGS"])
        if failures := answer.get("failures"):
            reason, detail = failures[0].get("reason", ""), failures[0].get("detail", "")
            raise answered("ecs:DescribeServices", undone, reason, detail)
        found = [one for one in answer["services"] if one.get("status") != "INACTIVE"]
        if not found:
            raise TargetAbsentError(f"{undone}: it is absent or INACTIVE", hint="check ecs.cluster and ecs.service")
        return Service(
            desired=found[0]["desiredCount"],
            running=found[0]["runningCount"],
            pending=found[0]["pendingCount"],
            tasks=self.tasks(cluster, self._listed(cluster, service, undone)),
            tags=_tags(found[0]),
            deployments=tuple(_deployment(one) for one in found[0].get("deployments", [])),
            strategy=found[0].get("schedulingStrategy", "REPLICA"),
            controller=found[0].get("deploymentController", {}).get("type", "ECS"),
            least_percent=found[0].get("deploymentConfiguration", {}).get("minimumHealthyPercent"),
        )

    def tasks(self, cluster: str, ids: Sequence[str]) -> tuple[Task, ...]:
        undone = f"{len(ids)} tasks in cluster {cluster} were not looked at"
        found: list[Task] = []
        for first in range(0, len(ids), DESCRIBE_MOST):
            with calling("ecs:DescribeTasks", undone):
                answer = self._client.describe_tasks(
                    cluster=cluster, tasks=ids[first : first + DESCRIBE_MOST], include=["TAGS"]
                )
            for failure in answer.get("failures", []):
                if failure.get("reason") != _MISSING:
                    reason, detail = failure.get("reason", ""), failure.get("detail", "")
                    raise answered("ecs:DescribeTasks", undone, reason, detail)
            found.extend(_task(one) for one in answer["tasks"])
        return tuple(found)

    def stop_task(self, cluster: str, task: str, reason: str) -> None:
        # Repeating a StopTask whose answer was lost does no harm: a task stops once.
        with calling("ecs:StopTask", f"task {task} was not stopped"):
            self._client.stop_task(cluster=cluster, task=task, reason=reason)

    def scale(self, cluster: str, service: str, desired: int) -> None:
        with calling(
            "ecs:UpdateService", f"the service {service} in cluster {cluster} was not scaled to {desired}"
        ):
            self._client.update_service(cluster=cluster, service=service, desiredCount=desired)

    def redeploy(self, cluster: str, service: str) -> None:
        with calling("ecs:UpdateService", f"the service {service} in cluster {cluster} was not deployed anew"):
            self._once.update_service(cluster=cluster, service=service, forceNewDeployment=True)

    def instances(self, cluster: str, ids: Sequence[str]) -> tuple[Instance, ...]:
        action, undone = "ecs:DescribeContainerInstances", f"{len(ids)} instances in {cluster} were not looked at"
        found: list[Instance] = []
        for some in _by(DESCRIBE_MOST, ids):
            with calling(action, undone):
                answer = self._client.describe_container_instances(cluster=cluster, containerInstances=some)
            for failure in answer.get("failures", []):
                if failure.get("reason") != _MISSING:
                    raise answered(action, undone, failure.get("reason", ""), failure.get("detail", ""))
            found.extend(_instance(one) for one in answer["containerInstances"])
        return tuple(found)

    def set_instances(self, cluster: str, ids: Sequence[str], status: str) -> None:
        action = "ecs:UpdateContainerInstancesState"
        for some in _by(INSTANCES_MOST, ids):
            undone = f"not all of the instances {', '.join(some)} in {cluster} were set to {status}"
            with calling(action, undone):
                answer = self._client.update_container_instances_state(
                    cluster=cluster,
                    containerInstances=some,
                    status=status,  # type: ignore[arg-type]
                )
            if failures := answer.get("failures"):
                raise answered(action, undone, failures[0].get("reason", ""), failures[0].get("detail", ""))

    @cached_property
    def _pages(self) -> "ListTasksPaginator":
        # botocore makes a new class for each paginator, and only the garbage collector can free a class.
        return self._client.get_paginator("list_tasks")

    def _listed(self, cluster: str, service: str, undone: str) -> list[str]:
        with calling("ecs:ListTasks", undone):
            # ListTasks filters by name only; the configuration may hold an ARN.
            name = service.rpartition("/")[2]
            found = self._pages.paginate(cluster=cluster, serviceName=name, desiredStatus="RUNNING")
            return [arn for page in found for arn in page["taskArns"]]


def _task(one: Mapping[str, Any]) -> Task:
    started = one.get("startedAt")
    return Task(
        id=one["taskArn"].rpartition("/")[2],
        arn=one["taskArn"],
        last_status=one.get("lastStatus", ""),
        desired_status=one.get("desiredStatus", ""),
        health=one.get("healthStatus", "UNKNOWN"),
        started_s=started.timestamp() if started is not None else None,
        stop_code=one.get("stopCode"),
        stopped_reason=one.get("stoppedReason"),
        revision=one.get("taskDefinitionArn", "").rpartition("/")[2],
        image=next((box.get("image", "") for box in one.get("containers", [])), ""),
        instance=one.get("containerInstanceArn", "").rpartition("/")[2],
        tags=_tags(one),
    )


def _deployment(one: Mapping[str, Any]) -> Deployment:
    return Deployment(
        id=one.get("id", ""),
        status=one.get("status", ""),
        rollout=one.get("rolloutState", ""),
        reason=one.get("rolloutStateReason", ""),
        failed=one.get("failedTasks", 0),
    )


def _instance(one: Mapping[str, Any]) -> Instance:
    return Instance(
        id=one["containerInstanceArn"].rpartition("/")[2],
        status=one.get("status", ""),
        running=one.get("runningTasksCount", 0),
        pending=one.get("pendingTasksCount", 0),
    )


def _by(most: int, ids: Sequence[str]) -> list[Sequence[str]]:
    return [ids[first : first + most] for first in range(0, len(ids), most)]


def _tags(one: Mapping[str, Any]) -> dict[str, str]:
    return {tag.get("key", ""): tag.get("value", "") for tag in one.get("tags", [])}
