"""Deploy an ECS service anew, as it is: every task is replaced while there is work."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any, ClassVar

from daemon.core.calls import Call, On, calls
from daemon.core.cloud import Deployment, Service
from daemon.core.errors import RefusedError, TargetAbsentError, UndoFailedError
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

UNDONE = "nothing was deployed"
MODES = (Mode("force", "start a new deployment of the same task definition"),)
PRIMARY, IN_PROGRESS, FAILED = "PRIMARY", "IN_PROGRESS", "FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class EcsRedeploy:
    """Starts a deployment with ``forceNewDeployment``: the tasks are replaced by ones of the same revision.

    A deployment cannot be taken back: revert waits until it has ended and the service is whole, and says whether
    ECS completed it, or its circuit breaker failed it and rolled back. It never starts another one.
    """

    name: ClassVar[str] = "ecs-redeploy"
    summary: ClassVar[str] = "Starts a new deployment of the target's ECS service as it is"
    modes: ClassVar[tuple[Mode, ...]] = MODES
    touches: ClassVar[Resource] = Resource.ECS
    calls: ClassVar[tuple[Call, ...]] = calls(On.SERVICE, "ecs.service", "ecs.redeploy")

    mode: str = parameter("force", "what is deployed", choices=tuple(m.name for m in MODES))
    own_task: bool = parameter(False, "may replace the task that chaosd itself runs in")

    def prepare(self, order: Order, world: World) -> Undo:
        ecs = target_service(order, UNDONE)
        service, where = world.ecs.service(ecs.cluster, ecs.service), named(ecs)
        down = _check(service, order, where)
        free(service, order, world, where, UNDONE, allowed=self.own_task)
        tasks = tuple(sorted(task.id for task in service.tasks))
        return Undo(
            fault=self.name,
            mode=self.mode,
            victim={"cluster": ecs.cluster, "service": ecs.service, "replaced": tasks, "count": down},
            actions=(
                f"start a new deployment of {where} with ecs:UpdateService: all {len(tasks)} tasks are replaced",
                f"wait up to {order.target.limits.recover_s:g} s for its end: a deployment cannot be taken back",
            ),
            data={
                "cluster": ecs.cluster,
                "service": ecs.service,
                "deployments": tuple(sorted(one.id for one in service.deployments)),
                "ran": tasks,
            },
            wait_s=order.target.limits.recover_s,
            restores=False,
        )

    @classmethod
    def inject(cls, undo: Undo, world: World, stop: Flag) -> None:
        data: Any = undo.data
        if stop.is_set():
            return
        found = world.ecs.service(data["cluster"], data["service"])
        if _new(found, data):
            raise RefusedError(
                f"{UNDONE}: somebody has deployed {data['cluster']}/{data['service']} since it was planned",
                rule="drift",
                hint="wait until that deployment has ended, then inject again",
            )
        world.ecs.redeploy(data["cluster"], data["service"])

    @classmethod
    def revert(cls, undo: Undo, world: World) -> Reversion:
        """Wait for the deployment's end; raises UndoFailedError when it failed for good or goes on too long."""
        data: Any = undo.data
        ecs = EcsService(cluster=data["cluster"], service=data["service"])
        try:
            return _ended(ecs, data, undo.wait_s, world)
        except TargetAbsentError as error:
            return deleted(error)


def _check(service: Service, order: Order, where: str) -> int:
    """Return how many tasks ECS may have fewer of while it deploys; raises RefusedError when that is too many."""
    if not healthy(service.tasks):
        raise TargetAbsentError(f"{UNDONE}: {where} has no healthy running task")
    if service.controller != "ECS":
        raise RefusedError(
            f"{UNDONE}: {where} is deployed by {service.controller}, not by ECS itself",
            rule="deployment-controller",
            hint="start a deployment there",
        )
    if len(service.deployments) > 1 or any(one.rollout == IN_PROGRESS for one in service.deployments):
        raise RefusedError(
            f"{UNDONE}: a deployment of {where} is under way", rule="deploying", hint="wait until it has ended"
        )
    # During a deployment ECS may run as few as this share of the desired count, rounded up.
    least = 100.0 if service.least_percent is None else service.least_percent
    down = max(0, service.desired - ceil(service.desired * least / 100))
    if down:
        fits(down, standing(service), order, where, UNDONE)
    return down


def _new(service: Service, data: Mapping[str, Any]) -> tuple[Deployment, ...]:
    return tuple(one for one in service.deployments if one.id not in data["deployments"])


def _over(service: Service, data: Mapping[str, Any]) -> bool:
    """Tell whether the deployment in force is none of before and has ended, whether well or not."""
    first = next((one for one in service.deployments if one.status == PRIMARY), None)
    if first is None or first.rollout == IN_PROGRESS:
        return False
    if first.rollout == FAILED:
        return True
    rolled_back = any(one.rollout == FAILED for one in _new(service, data))
    return whole(service) and (rolled_back or first.id not in data["deployments"])


def _ended(ecs: EcsService, data: Mapping[str, Any], wait_s: float, world: World) -> Reversion:
    found = world.ecs.service(ecs.cluster, ecs.service)
    if not _new(found, data):
        # ECS is eventually consistent: what was started this very moment may not show yet.
        world.clock.wait(None, SETTLE_S)
        found = world.ecs.service(ecs.cluster, ecs.service)
    if not _new(found, data):
        same = set(data["ran"]) <= {task.id for task in found.tasks}
        detail = "the same tasks run" if same else "tasks were replaced for another reason"
        return Reversion(outcome=Outcome.UNTOUCHED, detail=f"no deployment was started: {detail}")
    over, seen = until(world, ecs, wait_s, lambda service: _over(service, data))
    first = next((one for one in (seen.deployments if seen else ()) if one.status == PRIMARY), None)
    if not over or seen is None or first is None or first.rollout == FAILED:
        raise _not_over(ecs, wait_s, seen, first)
    failed = [one for one in _new(seen, data) if one.rollout == FAILED]
    proof = {
        "deployment": first.id,
        "rollout": first.rollout,
        "failed_tasks": first.failed + sum(one.failed for one in failed),
        "running": len(healthy(seen.tasks)),
        "desired": seen.desired,
        "kept": sorted({task.id for task in seen.tasks} & set(data["ran"])),
    }
    detail = f"the deployment failed and was rolled back: {failed[0].reason}" if failed else ""
    return Reversion(outcome=Outcome.RESTORED, proof=proof, detail=detail)


def _not_over(ecs: EcsService, wait_s: float, seen: Service | None, first: Deployment | None) -> UndoFailedError:
    if seen is None:
        state = "ECS does not answer"
    elif first is not None and first.rollout == FAILED:
        state = f"it failed, and was not rolled back: {first.reason}"
    else:
        state = (
            f"{len(healthy(seen.tasks))} of {seen.desired} tasks run, {first.reason if first else 'none in force'}"
        )
    return UndoFailedError(
        f"the deployment of {named(ecs)} has not ended well within {wait_s:g} s: {state}",
        hint="look at the service's events; deploy a revision that works, then run `chaosd recover`",
    )
