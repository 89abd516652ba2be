"""Scale an ECS service in, and out again."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from daemon.core.calls import Call, On, calls
from daemon.core.cloud import Service
from daemon.core.errors import RefusedError, TargetAbsentError, UndoFailedError, UntouchedError
from daemon.core.model import Mode, Order, Outcome, Resource, Reversion, Undo
from daemon.core.parameters import parameter
from daemon.core.seams import Flag, World
from daemon.core.target import EcsService
from faults.ecs.service import (
    SETTLE_S,
    deleted,
    fits,
    free,
    healthy,
    named,
    standing,
    target_service,
    until,
    whole,
)

UNDONE = "the service was not scaled"
MODES = (Mode("in", "lower the desired count; ECS picks the tasks it stops"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class EcsScale:
    """Lowers a service's desired count with ``ecs:UpdateService``, and raises it again to what it was.

    Compare and restore: only while the desired count still is the one set here. What an autoscaler or an operator
    made of it meanwhile stays. A task under scale-in protection is spared by autoscalers, not by this.
    """

    name: ClassVar[str] = "ecs-scale"
    summary: ClassVar[str] = "Lowers the desired count of the target's ECS service and raises it again"
    modes: ClassVar[tuple[Mode, ...]] = MODES
    touches: ClassVar[Resource] = Resource.ECS
    calls: ClassVar[tuple[Call, ...]] = calls(On.SERVICE, "ecs.service", "ecs.scale")

    mode: str = parameter("in", "which way", choices=tuple(m.name for m in MODES))
    tasks: int = parameter(1, "how many tasks are to stay", least=0, most=10_000)
    own_task: bool = parameter(False, "may scale a service in whose tasks chaosd itself runs")

    def prepare(self, order: Order, world: World) -> Undo:
        ecs = target_service(order, UNDONE)
        service, where = world.ecs.service(ecs.cluster, ecs.service), named(ecs)
        self._check(service, order, where)
        free(service, order, world, where, UNDONE, allowed=self.own_task)
        return Undo(
            fault=self.name,
            mode=self.mode,
            victim={
                "cluster": ecs.cluster,
                "service": ecs.service,
                "desired": service.desired,
                "count": service.desired - self.tasks,
            },
            actions=(
                f"set the desired count of {where} from {service.desired} to {self.tasks} with ecs:UpdateService",
                f"afterwards set it to {service.desired} again if it still is {self.tasks}, and wait for the tasks",
            ),
            data={
                "cluster": ecs.cluster,
                "service": ecs.service,
                "before": service.desired,
                "during": self.tasks,
                "ran": tuple(sorted(task.id for task in service.tasks)),
            },
            wait_s=order.target.limits.recover_s,
        )

    @classmethod
    def inject(cls, undo: Undo, world: World, stop: Flag) -> None:
        data: Any = undo.data
        if stop.is_set():
            return
        desired = world.ecs.service(data["cluster"], data["service"]).desired
        if desired != data["before"]:
            raise UntouchedError(
                f"{UNDONE}: {data['cluster']}/{data['service']} wants {desired} tasks, no longer {data['before']}",
                rule="drift",
                hint="somebody scaled it between planning and injecting: inject again",
            )
        world.ecs.scale(data["cluster"], data["service"], data["during"])

    @classmethod
    def revert(cls, undo: Undo, world: World) -> Reversion:
        """Restore the count and wait for the tasks; raises UndoFailedError when they do not come in ``wait_s``."""
        data: Any = undo.data
        ecs = EcsService(cluster=data["cluster"], service=data["service"])
        try:
            return _restored(ecs, data, undo.wait_s, world)
        except TargetAbsentError as error:
            return deleted(error)

    def _check(self, service: Service, order: Order, where: str) -> None:
        if service.strategy != "REPLICA":
            raise RefusedError(
                f"{UNDONE}: {where} runs one task on every instance ({service.strategy}) and has no desired count",
                rule="no-desired-count",
                hint="use ecs-drain or ecs-task-stop",
            )
        if self.tasks >= service.desired:
            raise RefusedError(
                f"{UNDONE}: {where} wants {service.desired} tasks, which is not more than {self.tasks}",
                rule="nothing-to-scale",
                hint=f"set tasks to less than {service.desired}",
            )
        fits(service.desired - self.tasks, standing(service), order, where, UNDONE)


def _restored(ecs: EcsService, data: Mapping[str, Any], wait_s: float, world: World) -> Reversion:
    before, during = data["before"], data["during"]
    found = world.ecs.service(ecs.cluster, ecs.service)
    if found.desired == before:
        # What was set a moment ago may not show yet.
        world.clock.wait(None, SETTLE_S)
        found = world.ecs.service(ecs.cluster, ecs.service)
    if found.desired not in (before, during):
        proof = {"desired_before": before, "desired_during": during, "desired": found.desired}
        detail = f"somebody scaled the service to {found.desired} meanwhile: left alone"
        return Reversion(outcome=Outcome.SUPERSEDED, proof=proof, detail=detail)
    if found.desired == before and set(data["ran"]) <= {task.id for task in found.tasks}:
        return Reversion(outcome=Outcome.UNTOUCHED, detail=f"it wants {before} tasks, and the same ones run")
    ours = found.desired == during
    if ours:
        world.ecs.scale(ecs.cluster, ecs.service, before)
    back, seen = until(world, ecs, wait_s, lambda service: whole(service) and service.desired != during)
    if not back or seen is None:
        raise _not_back(ecs, wait_s, before, seen)
    proof = {
        "desired_before": before,
        "desired_during": during,
        "desired": seen.desired,
        "running": len(healthy(seen.tasks)),
        "fresh": sorted({task.id for task in seen.tasks} - set(data["ran"])),
    }
    detail = "" if ours else "the desired count was back already"
    return Reversion(outcome=Outcome.RESTORED, proof=proof, detail=detail)


def _not_back(ecs: EcsService, wait_s: float, before: int, seen: Service | None) -> UndoFailedError:
    state = "ECS does not answer" if seen is None else f"{len(healthy(seen.tasks))} of {seen.desired} tasks run"
    return UndoFailedError(
        f"the service {named(ecs)} is not back at {before} tasks after {wait_s:g} s: {state}",
        hint="look at the service's events, then run `chaosd recover`",
    )
