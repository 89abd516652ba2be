"""ECS through boto3."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from daemon.core.cloud import Service, Task
from daemon.core.errors import TargetAbsentError
from daemon.ports.aws.translate import answered, calling

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient

DESCRIBE_MOST = 100  # what DescribeTasks takes at once
_MISSING = "MISSING"


class EcsPort:
    """Implements ``seams.Ecs``. Answers that carry ``failures`` are errors, except for tasks that are gone."""

    def __init__(self, client: "ECSClient") -> None:
        self._client = client
        # botocore makes a new class for each paginator, and classes are garbage only the collector can free.
        self._pages = client.get_paginator("list_tasks")

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
        tags=_tags(one),
    )


def _tags(one: Mapping[str, Any]) -> dict[str, str]:
    return {tag.get("key", ""): tag.get("value", "") for tag in one.get("tags", [])}
