"""What the ECS faults have in common: which service, which of its tasks count, how many may be disturbed."""

from collections.abc import Callable, Sequence

from daemon.core import blast
from daemon.core.cloud import Service, Task
from daemon.core.errors import RefusedError, TargetAbsentError, UnreachableError
from daemon.core.model import Order, Outcome, Reversion
from daemon.core.seams import World
from daemon.core.target import EcsService

LOOK_S = 0.25
SETTLE_S = 1.0  # ECS is eventually consistent: what was asked a moment ago may not show yet


def target_service(order: Order, undone: str) -> EcsService:
    """Return the target's service; raises TargetAbsentError without one. ``undone`` says what did not happen."""
    if order.target.ecs is None:
        raise TargetAbsentError(
            f"{undone}: the target {order.target.name} names no ECS service",
            hint="set targets.<name>.ecs to {cluster: ..., service: ...}",
        )
    return order.target.ecs


def named(ecs: EcsService) -> str:
    """Return the service's name for people."""
    return f"{ecs.cluster}/{ecs.service}"


def healthy(tasks: Sequence[Task]) -> tuple[Task, ...]:
    """Return the tasks that run, should run, and are not unhealthy."""
    return tuple(
        task
        for task in tasks
        if task.last_status == task.desired_status == "RUNNING" and task.health != "UNHEALTHY"
    )


def standing(service: Service) -> int:
    """Return how many healthy tasks there are to count on: those beyond the desired count ECS is about to stop."""
    return min(len(healthy(service.tasks)), service.desired)


def room(count: int, order: Order, where: str, undone: str) -> int:
    """Return how many of ``count`` healthy tasks may be disturbed; raises RefusedError, with numbers, for none."""
    already = f", and {order.disturbed} are disturbed already" if order.disturbed else ""
    if blast.room(count, keep=order.keep_healthy, percent=None, disturbed=order.disturbed) == 0:
        raise RefusedError(
            f"{undone}: {where} has {count} healthy tasks and must keep {order.keep_healthy}{already}",
            rule="min-healthy-tasks",
            hint="wait until more tasks are healthy, scale the service out, or lower guard.min_healthy_tasks",
        )
    found = blast.room(count, keep=order.keep_healthy, percent=order.max_percent, disturbed=order.disturbed)
    if found == 0:
        raise RefusedError(
            f"{undone}: {order.max_percent:g} % of the {count} healthy tasks of {where} is "
            f"{blast.share(count, order.max_percent or 0) or 'none'}{already}",
            rule="max-percent",
            hint="wait until more tasks are healthy, scale the service out, or raise guard.max_percent",
        )
    return found


def fits(disturbed: int, count: int, order: Order, where: str, undone: str) -> None:
    """Raise RefusedError, with the numbers, when more of ``count`` healthy tasks than may be would be disturbed."""
    most = room(count, order, where, undone)
    if disturbed > most:
        few = blast.room(count, keep=order.keep_healthy, percent=None, disturbed=order.disturbed) < disturbed
        raise RefusedError(
            f"{undone}: {disturbed} of the {count} healthy tasks of {where} would be disturbed, and {most} may be",
            rule="min-healthy-tasks" if few else "max-percent",
            hint="disturb fewer, scale the service out, or change guard.min_healthy_tasks or guard.max_percent",
        )


def free(service: Service, order: Order, world: World, where: str, undone: str, *, allowed: bool) -> None:
    """Raise RefusedError when ECS, which picks the tasks itself, could pick a protected one, or chaosd's own.

    ``allowed``: chaosd's own may be.
    """
    if order.protect_tag is not None:
        key, value = order.protect_tag
        if any(task.tags.get(key) == value for task in service.tasks):
            raise RefusedError(
                f"{undone}: ECS picks the tasks of {where} itself, and one of them is protected by {key}={value}",
                rule="protected",
                hint="take the tag from the service's tasks, or use ecs-task-stop, which leaves that task out",
            )
    own = "" if allowed else world.own_task
    if own and any(task.id == own for task in service.tasks):
        raise RefusedError(
            f"{undone}: ECS picks the tasks of {where} itself, and chaosd runs in one of them, {own}",
            rule="own-task",
            hint="run chaosd beside the service instead (docs/deploy-ecs.md), or set own_task: true",
        )


def deleted(error: TargetAbsentError) -> Reversion:
    """Return what taking back finds where the service itself is gone: nothing that is ours to restore."""
    detail = f"there is no service: {error.message}"
    return Reversion(outcome=Outcome.SUPERSEDED, proof={"service": "absent"}, detail=detail)


def whole(service: Service) -> bool:
    """Tell whether as many healthy tasks run as the service wants."""
    return len(healthy(service.tasks)) >= service.desired


def until(
    world: World, ecs: EcsService, wait_s: float, ready: Callable[[Service], bool]
) -> tuple[bool, Service | None]:
    """Look until the service is ``ready``, at most ``wait_s``; return whether it is, and the last look.

    None: nobody answered the last time; then the next look may be answered. Raises TargetAbsentError without it.
    """
    until_s = world.clock.instant().mono_s + wait_s
    while True:
        try:
            seen: Service | None = world.ecs.service(ecs.cluster, ecs.service)
        except UnreachableError:
            seen = None
        if seen is not None and ready(seen):
            return True, seen
        if world.clock.instant().mono_s >= until_s:
            return False, seen
        world.clock.wait(None, LOOK_S)
