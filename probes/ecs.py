"""The tasks of the target's ECS service, against what it should run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from daemon.core.calls import Call, On, calls
from daemon.core.cloud import Service, Task
from daemon.core.errors import TargetAbsentError
from daemon.core.model import Finding, Reading, Status
from daemon.core.parameters import parameter
from daemon.core.seams import World
from daemon.core.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class EcsService:
    """Compares the tasks that run with those that should; failing when one is missing or unhealthy.

    A task runs when both its statuses are RUNNING and it is ``min_age`` old. Ages are by this host's clock.
    """

    name: ClassVar[str] = "ecs-service"
    summary: ClassVar[str] = "Desired, running and healthy tasks of the target's ECS service"
    calls: ClassVar[tuple[Call, ...]] = calls(On.SERVICE, "ecs.service")
    measures: ClassVar[Mapping[str, str]] = {
        "desired": "tasks the service should run",
        "running": "tasks that run",
        "healthy": "tasks that run and are not unhealthy",
        "pending": "tasks that are starting, or too young to count",
        "oldest_age_seconds": "age of the oldest running task",
        "newest_age_seconds": "age of the newest running task",
    }

    min_age: float = parameter(0.0, "how old a task must be to count as running", unit="s")

    def observe(self, target: Target, world: World) -> Reading:
        if target.ecs is None:
            raise TargetAbsentError(
                f"no tasks were counted: the target {target.name} names no ECS service",
                hint="set targets.<name>.ecs to {cluster: ..., service: ...}",
            )
        service = world.ecs.service(target.ecs.cluster, target.ecs.service)
        return self._read(service, world.clock.instant().wall_s)

    def _read(self, service: Service, now_s: float) -> Reading:
        started = tuple(task for task in service.tasks if task.last_status == task.desired_status == "RUNNING")
        running = tuple(task for task in started if _age_s(task, now_s) >= self.min_age)
        unhealthy = tuple(task for task in running if task.health == "UNHEALTHY")
        ages = [_age_s(task, now_s) for task in running]
        measures: dict[str, float] = {
            "desired": service.desired,
            "running": len(running),
            "healthy": len(running) - len(unhealthy),
            "pending": len(service.tasks) - len(running),
        }
        if ages:
            measures |= {"oldest_age_seconds": max(ages), "newest_age_seconds": min(ages)}
        findings = _findings(service.desired, running, unhealthy)
        return Reading(status=Status.FAILING if findings else Status.OK, measures=measures, findings=findings)


def _findings(desired: int, running: Sequence[Task], unhealthy: Sequence[Task]) -> tuple[Finding, ...]:
    found = [Finding("task-unhealthy", task.id) for task in unhealthy]
    if len(running) < desired:
        ids = ", ".join(sorted(task.id for task in running)) or "none"
        found.insert(0, Finding("task-missing", f"{len(running)} of {desired} run: {ids}"))
    return tuple(found)


def _age_s(task: Task, now_s: float) -> float:
    # A task whose start ECS has not told yet has just started.
    return max(0.0, now_s - task.started_s) if task.started_s is not None else 0.0
