"""Drain container instances of an ECS service, and let them take tasks again."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from daemon.core.calls import Call, On, calls
from daemon.core.cloud import Instance, Service, Task
from daemon.core.errors import RefusedError, TargetAbsentError, UndoFailedError, UntouchedError
from daemon.core.model import Mode, Order, Outcome, Resource, Reversion, Undo
from daemon.core.parameters import parameter
from daemon.core.seams import Flag, World
from daemon.core.target import EcsService
from faults.ecs.service import (
    SETTLE_S,
    healthy,
    named,
    room,
    standing,
    target_service,
    until,
    whole,
)

UNDONE = "no instance was drained"
MODES = (Mode("random", "drain instances picked by the dice"),)
ACTIVE, DRAINING = "ACTIVE", "DRAINING"


@dataclass(frozen=True, slots=True, kw_only=True)
class EcsDrain:
    """Sets container instances to ``DRAINING``, and those that still are to ``ACTIVE`` again.

    Only instances that run tasks of this service, and no others' unless ``shared``; never the one chaosd runs on
    unless ``own_task``. ECS moves their tasks to other instances as the service's deployment limits allow.
    """

    name: ClassVar[str] = "ecs-drain"
    summary: ClassVar[str] = "Drains container instances that run tasks of the target's ECS service"
    modes: ClassVar[tuple[Mode, ...]] = MODES
    touches: ClassVar[Resource] = Resource.ECS
    calls: ClassVar[tuple[Call, ...]] = calls(On.SERVICE, "ecs.service", "ecs.instances", "ecs.set_instances")

    mode: str = parameter("random", "which instances to drain", choices=tuple(m.name for m in MODES))
    instances: int = parameter(1, "how many instances, at most", least=1, most=100)
    shared: bool = parameter(False, "may drain an instance that runs tasks of others as well")
    own_task: bool = parameter(False, "may drain the instance that chaosd itself runs on")

    def prepare(self, order: Order, world: World) -> Undo:
        ecs = target_service(order, UNDONE)
        service, where = world.ecs.service(ecs.cluster, ecs.service), named(ecs)
        on = _hosts(service, where)
        found = world.ecs.instances(ecs.cluster, sorted(on))
        fit = self._fit(found, on, order, world, where)
        picked = self._pick(fit, on, order, room(standing(service), order, where, UNDONE), where)
        return Undo(
            fault=self.name,
            mode=self.mode,
            victim={
                "cluster": ecs.cluster,
                "service": ecs.service,
                "instances": picked,
                "tasks": tuple(sorted(task.id for one in picked for task in on[one])),
            },
            actions=tuple(
                f"set container instance {one} of {ecs.cluster} to DRAINING: {len(on[one])} tasks of {where} move"
                for one in picked
            ),
            data={
                "cluster": ecs.cluster,
                "service": ecs.service,
                "instances": picked,
                "ran": tuple(sorted(task.id for task in service.tasks)),
            },
            wait_s=order.target.limits.recover_s,
        )

    @classmethod
    def inject(cls, undo: Undo, world: World, stop: Flag) -> None:
        data: Any = undo.data
        if stop.is_set():
            return
        found = [one.id for one in world.ecs.instances(data["cluster"], data["instances"]) if one.status == ACTIVE]
        gone = [one for one in data["instances"] if one not in found]
        if gone:  # who drains it wants it drained: the undo would set it to ACTIVE
            raise UntouchedError(
                f"{UNDONE}: {', '.join(gone)} {'is' if len(gone) == 1 else 'are'} not ACTIVE any more",
                rule="drift",
                hint="the instances changed between planning and draining: inject again",
            )
        world.ecs.set_instances(data["cluster"], found, DRAINING)

    @classmethod
    def revert(cls, undo: Undo, world: World) -> Reversion:
        """Set to ACTIVE what is DRAINING and wait for the whole service; raises UndoFailedError if it is not."""
        data: Any = undo.data
        found = _status(data, world)
        if DRAINING not in found.values():
            world.clock.wait(None, SETTLE_S)  # what was set a moment ago may not show yet
            found = _status(data, world)
        ours = [one for one, status in found.items() if status == DRAINING]
        if ours:
            world.ecs.set_instances(data["cluster"], ours, ACTIVE)
        ecs = EcsService(cluster=data["cluster"], service=data["service"])
        if not ours and _same(data, found, world.ecs.service(ecs.cluster, ecs.service)):
            return Reversion(outcome=Outcome.UNTOUCHED, detail="the instances are ACTIVE, and the same tasks run")
        back, seen = until(world, ecs, undo.wait_s, whole)
        now = _status(data, world)
        if not back or DRAINING in now.values():
            raise _not_back(ecs, undo.wait_s, seen, now)
        return _told(data, ours, found, now)

    def _fit(
        self, found: Sequence[Instance], on: Mapping[str, Sequence[Task]], order: Order, world: World, where: str
    ) -> list[str]:
        """Return the ids of the instances that may be drained; raises RefusedError, with the reasons, for none."""
        own = "" if self.own_task else world.own_task
        why, fit = Counter[str](), list[str]()
        for one in found:
            tasks = on[one.id]
            if one.status != ACTIVE:
                why[f"{one.status}"] += 1
            elif own and any(task.id == own for task in tasks):
                why["chaosd itself runs there (own_task)"] += 1
            elif order.protect_tag and any(t.tags.get(order.protect_tag[0]) == order.protect_tag[1] for t in tasks):
                why["a protected task runs there"] += 1
            elif one.running + one.pending > len(tasks) and not self.shared:
                why["tasks of others run there as well (shared)"] += 1
            else:
                fit.append(one.id)
        if not fit:
            reasons = ", ".join(f"{n}: {reason}" for reason, n in sorted(why.items())) or "ECS knows none of them"
            raise RefusedError(
                f"{UNDONE}: none of the {len(on)} instances of {where} may be ({reasons})",
                rule="no-instance",
                hint="run the service on instances of its own, or set shared: true or own_task: true",
            )
        return sorted(fit)

    def _pick(
        self, fit: Sequence[str], on: Mapping[str, Sequence[Task]], order: Order, most: int, where: str
    ) -> tuple[str, ...]:
        """Return instances in the dice's order while their tasks together are no more than may be disturbed."""
        picked: list[str] = []
        for one in order.dice.sample(list(fit), len(fit)):
            disturbed = sum(len(on[each]) for each in (*picked, one))
            if len(picked) < self.instances and disturbed <= most:
                picked.append(one)
        if not picked:
            least = min(len(on[one]) for one in fit)
            raise RefusedError(
                f"{UNDONE}: the instances of {where} run {least} of its tasks or more, and {most} may be disturbed",
                rule="min-healthy-tasks",
                hint="scale the service out, or change guard.min_healthy_tasks or guard.max_percent",
            )
        return tuple(sorted(picked))


def _hosts(service: Service, where: str) -> Mapping[str, Sequence[Task]]:
    """Return the service's tasks by instance; raises TargetAbsentError without tasks, RefusedError on Fargate."""
    running = healthy(service.tasks)
    if not running:
        raise TargetAbsentError(f"{UNDONE}: {where} has no healthy running task")
    on: dict[str, list[Task]] = {}
    for task in service.tasks:
        if task.instance:
            on.setdefault(task.instance, []).append(task)
    if not on:
        raise RefusedError(
            f"{UNDONE}: the tasks of {where} run on Fargate, which has no container instances to drain",
            rule="fargate",
            hint="use ecs-task-stop: what a Fargate task meets in place of a drain is a SIGTERM",
        )
    return on


def _status(data: Mapping[str, Any], world: World) -> dict[str, str]:
    return {one.id: one.status for one in world.ecs.instances(data["cluster"], data["instances"])}


def _same(data: Mapping[str, Any], found: Mapping[str, str], service: Service) -> bool:
    active = all(found.get(one) == ACTIVE for one in data["instances"])
    return active and set(data["ran"]) <= {task.id for task in service.tasks}


def _told(
    data: Mapping[str, Any], ours: Sequence[str], found: Mapping[str, str], now: Mapping[str, str]
) -> Reversion:
    gone = sorted(set(data["instances"]) - set(now))
    proof = {"set_active": sorted(ours), "status_found": dict(found), "status": dict(now), "gone": gone}
    detail = f"{len(gone)} instances are gone: left alone" if gone else ""
    if not ours and gone:
        return Reversion(outcome=Outcome.SUPERSEDED, proof=proof, detail=detail)
    detail = detail if ours else "none was draining any more: all are ACTIVE again"
    return Reversion(outcome=Outcome.RESTORED, proof=proof, detail=detail, partly=bool(gone))


def _not_back(ecs: EcsService, wait_s: float, seen: Service | None, now: Mapping[str, str]) -> UndoFailedError:
    draining = sorted(one for one, status in now.items() if status == DRAINING)
    state = "ECS does not answer" if seen is None else f"{len(healthy(seen.tasks))} of {seen.desired} tasks run"
    return UndoFailedError(
        f"{named(ecs)} is not back after {wait_s:g} s: {state}, draining: {', '.join(draining) or 'none'}",
        hint="look at the service's events and the cluster's instances, then run `chaosd recover`",
    )
