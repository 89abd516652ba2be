"""Stop tasks of an ECS service; the service's own scheduler must bring new ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from daemon.core import blast
from daemon.core.calls import Call, On, calls
from daemon.core.cloud import Service, Task
from daemon.core.errors import RefusedError, TargetAbsentError, UndoFailedError, UnreachableError
from daemon.core.model import Mode, Order, Outcome, Resource, Reversion, Undo
from daemon.core.parameters import parameter
from daemon.core.seams import Flag, World
from faults.ecs.service import LOOK_S, SETTLE_S, healthy, named, room, target_service

MODES = (
    Mode("random", "stop tasks picked by the dice"),
    Mode("oldest", "stop the tasks that run longest"),
    Mode("newest", "stop the tasks that started last"),
    Mode("percent", "stop a share of the healthy tasks, picked by the dice"),
    Mode("all", "stop every healthy task"),
)
UNDONE = "no task was stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class EcsTaskStop:
    """Stops healthy tasks with ``ecs:StopTask``, never more than leave ``keep_healthy``.

    Nor its own: the task chaosd runs in is left out, and refused where there is no other, unless ``own_task``.

    What is stopped stays stopped: revert waits until the service runs as many tasks as it should, with ids
    that were not there before.
    """

    name: ClassVar[str] = "ecs-task-stop"
    summary: ClassVar[str] = "Stops running tasks of the target's ECS service"
    modes: ClassVar[tuple[Mode, ...]] = MODES
    touches: ClassVar[Resource] = Resource.ECS
    calls: ClassVar[tuple[Call, ...]] = calls(On.SERVICE, "ecs.service", "ecs.tasks", "ecs.stop_task")

    mode: str = parameter("random", "which tasks to stop", choices=tuple(m.name for m in MODES))
    count: int = parameter(1, "how many tasks (random, oldest, newest)", least=1)
    own_task: bool = parameter(False, "may stop the task that chaosd itself runs in")
    percent: float = parameter(50.0, "share of the healthy tasks, rounded down (percent)", least=1, most=100)

    def prepare(self, order: Order, world: World) -> Undo:
        ecs = target_service(order, UNDONE)
        service = world.ecs.service(ecs.cluster, ecs.service)
        where = named(ecs)
        own = "" if self.own_task else world.own_task
        victims = self._pick(healthy(service.tasks), order, where, own)
        stop = tuple(task.id for task in victims)
        return Undo(
            fault=self.name,
            mode=self.mode,
            victim={"cluster": ecs.cluster, "service": ecs.service, "tasks": stop},
            actions=tuple(f"stop task {task} of {where} with ecs:StopTask" for task in stop),
            data={
                "cluster": ecs.cluster,
                "service": ecs.service,
                "desired": service.desired,
                "stop": stop,
                "before": tuple(sorted(task.id for task in service.tasks)),
                "reason": f"chaosd {order.injection} {self.name}",
            },
            wait_s=order.target.limits.recover_s,
            restores=False,
        )

    @classmethod
    def inject(cls, undo: Undo, world: World, stop: Flag) -> None:
        order = _Stopped.of(undo.data)
        found = world.ecs.tasks(order.cluster, order.stop)
        if not any(task.desired_status == "RUNNING" or task.stopped_reason == order.reason for task in found):
            gone = f"{', '.join(order.stop)} of {order.cluster}/{order.service} went by themselves"
            raise RefusedError(
                f"no task was stopped: {gone}",
                rule="drift",
                hint="the service replaced them between planning and stopping: inject again",
            )
        for task in found:
            if stop.is_set():
                return
            if task.desired_status != "STOPPED":
                world.ecs.stop_task(order.cluster, task.id, order.reason)

    @classmethod
    def revert(cls, undo: Undo, world: World) -> Reversion:
        """Wait for the replacements, at most ``undo.wait_s``; raises UndoFailedError when they do not come."""
        order = _Stopped.of(undo.data)
        if not _gone(order, world):
            # ECS is eventually consistent: a stop of this very moment may not show yet.
            world.clock.wait(None, SETTLE_S)
            if not _gone(order, world):
                return Reversion(outcome=Outcome.UNTOUCHED, detail="every task that was to be stopped still runs")
        until_s = world.clock.instant().mono_s + undo.wait_s
        while True:
            seen = _look(order, world)
            if seen is not None and seen.back:
                return Reversion(outcome=Outcome.RESTORED, proof=seen.proof(order), detail=seen.detail(order))
            if world.clock.instant().mono_s >= until_s:
                raise _not_back(order, undo.wait_s, seen)
            world.clock.wait(None, LOOK_S)

    def _pick(self, running: Sequence[Task], order: Order, where: str, own: str) -> Sequence[Task]:
        if not running:
            raise TargetAbsentError(f"no task was stopped: {where} has no healthy running task")
        free = _unprotected(_but_own(running, own, where), order, where)
        wanted = self._wanted(len(running), where)
        count = min(wanted, room(len(running), order, where, UNDONE), len(free))
        # Sorted before the dice: the answer of ListTasks has no order of its own.
        match self.mode:
            case "oldest":
                return sorted(free, key=_age)[:count]
            case "newest":
                return sorted(free, key=_age, reverse=True)[:count]
            case _:
                return order.dice.sample(sorted(free, key=lambda task: task.id), count)

    def _wanted(self, running: int, where: str) -> int:
        match self.mode:
            case "all":
                return running
            case "percent":
                share = blast.share(running, self.percent)
                if share:
                    return share
                raise RefusedError(
                    f"no task was stopped: {self.percent:g} % of the {running} healthy tasks of {where} is none",
                    rule="percent-rounds-to-zero",
                    hint="raise percent, or use mode random with count",
                )
            case _:
                return self.count


@dataclass(frozen=True, slots=True)
class _Stopped:
    """The undo record's data, typed."""

    cluster: str
    service: str
    desired: int
    stop: tuple[str, ...]
    before: frozenset[str]
    reason: str

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "_Stopped":
        return cls(
            cluster=str(data["cluster"]),
            service=str(data["service"]),
            desired=int(data["desired"]),
            stop=tuple(data["stop"]),
            before=frozenset(data["before"]),
            reason=str(data["reason"]),
        )


@dataclass(frozen=True, slots=True)
class _Seen:
    """One look at the service while it recovers; ``running`` counts tasks meant to stay and not unhealthy."""

    desired: int
    running: tuple[Task, ...]
    fresh: tuple[Task, ...]
    stopped: tuple[str, ...]
    back: bool

    def proof(self, order: _Stopped) -> Mapping[str, Any]:
        return {
            "stopped": self.stopped,
            "replaced_by": {task.id: task.started_s for task in self.fresh},
            "running": len(self.running),
            "desired": self.desired,
            "desired_before": order.desired,
        }

    def detail(self, order: _Stopped) -> str:
        if self.desired == order.desired:
            return ""
        return f"the service was scaled from {order.desired} to {self.desired} tasks meanwhile"


def _unprotected(running: Sequence[Task], order: Order, where: str) -> Sequence[Task]:
    """Return the tasks without the guard's protecting tag; raises RefusedError when none is left."""
    if order.protect_tag is None:
        return running
    key, value = order.protect_tag
    free = tuple(task for task in running if task.tags.get(key) != value)
    if not free:
        raise RefusedError(
            f"no task was stopped: every healthy task of {where} is protected by its tag {key}={value}",
            rule="protected",
            hint="take the tag from a task that may be stopped, or wait until one without it runs",
        )
    return free


def _but_own(running: Sequence[Task], own: str, where: str) -> Sequence[Task]:
    """Return the tasks but the one chaosd runs in; raises RefusedError when that is the only one."""
    others = [task for task in running if task.id != own]
    if not others:
        raise RefusedError(
            f"no task was stopped: {own}, the only healthy task of {where}, is the one chaosd itself runs in",
            rule="own-task",
            hint="run chaosd beside the service instead (docs/deploy-ecs.md), or set own_task: true",
        )
    return others


def _age(task: Task) -> tuple[float, str]:
    return (task.started_s if task.started_s is not None else float("inf"), task.id)


def _gone(order: _Stopped, world: World) -> tuple[str, ...]:
    """Return the victims that no longer run or are being stopped; those ECS has forgotten count as gone."""
    kept = {
        task.id
        for task in world.ecs.tasks(order.cluster, order.stop)
        if task.desired_status == "RUNNING" and task.last_status != "STOPPED"
    }
    return tuple(task for task in order.stop if task not in kept)


def _look(order: _Stopped, world: World) -> _Seen | None:
    """Return what the service looks like now, or None when nobody answers: then the next look may."""
    try:
        return _judge(order, world.ecs.service(order.cluster, order.service), _gone(order, world))
    except UnreachableError:
        return None


def _judge(order: _Stopped, service: Service, stopped: tuple[str, ...]) -> _Seen:
    running = healthy(service.tasks)
    fresh = tuple(sorted((task for task in running if task.id not in order.before), key=_age))
    # As many run as should, and no stopped one among them: then what is owed has come, however the service was
    # scaled meanwhile. The ids decide: right after a stop ECS still counts the stopped task as running.
    back = len(running) >= service.desired and not any(task.id in stopped for task in running)
    return _Seen(service.desired, running, fresh, stopped, back)


def _not_back(order: _Stopped, wait_s: float, seen: _Seen | None) -> UndoFailedError:
    state = "ECS does not answer" if seen is None else f"{len(seen.running)} of {seen.desired} tasks run"
    return UndoFailedError(
        f"the service {order.cluster}/{order.service} is not back after {wait_s:g} s: {state}",
        hint="look at the service's events and at the stopped tasks' reasons, then run `chaosd recover`",
    )
