"""Gathers what the guard's rules look at; a question that fails becomes ``Unanswered``, never a guess."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time
from typing import Protocol, TypeVar

from daemon.core.errors import ChaosdError
from daemon.core.events import Injection, State
from daemon.core.guard import Facts, Unanswered
from daemon.core.model import Resource, Target
from daemon.core.seams import World
from daemon.core.settings import GuardSetting

T = TypeVar("T")


class Past(Protocol):
    """What the journal tells the guard."""

    def outstanding(self) -> tuple[Injection, ...]: ...
    def running(self) -> tuple[Injection, ...]: ...
    def noted(self, name: str) -> object: ...
    def started(self, *, since: datetime) -> tuple[float, ...]: ...


HALT = "halt"


def gather(target: Target, touches: Resource, *, past: Past, world: World, rules: GuardSetting) -> Facts:
    """Return the facts for one request. Asks AWS only what a configured rule needs; raises JournalError."""
    now = world.clock.now()
    midnight = datetime.combine(now.astimezone(UTC).date(), time(), tzinfo=UTC)
    started = past.started(since=midnight)
    last = started or past.started(since=datetime.fromtimestamp(0, UTC))
    running = past.running()
    names = {i.plan.injection for i in running}
    halted = past.noted(HALT)
    return Facts(
        now=now,
        target=target.name,
        touches=touches,
        halted=str(halted) if halted is not None else None,
        active=tuple(i.plan.target for i in running),
        started_today=len(started),
        last_started_s_ago=now.timestamp() - last[-1] if last else None,
        unresolved=tuple(
            i.plan.injection
            for i in past.outstanding()
            if i.state is State.REVERT_FAILED or i.plan.injection not in names
        ),
        healthy_tasks=_healthy(target, touches, world, rules),
        tags=_tags(target, touches, world, rules),
        queue=target.queue.url if target.queue else None,
    )


def _healthy(target: Target, touches: Resource, world: World, rules: GuardSetting) -> int | Unanswered | None:
    ecs = target.ecs
    if not rules.min_healthy_tasks or ecs is None or touches not in {Resource.ECS, Resource.PROCESS}:
        return None
    return _ask(
        lambda: sum(
            t.last_status == "RUNNING" and t.health != "UNHEALTHY"
            for t in world.ecs.service(ecs.cluster, ecs.service).tasks
        )
    )


def _tags(
    target: Target, touches: Resource, world: World, rules: GuardSetting
) -> Mapping[str, str] | Unanswered | None:
    if rules.require_tag is None:
        return None
    ecs, queue = target.ecs, target.queue
    if touches is Resource.ECS and ecs is not None:
        return _ask(lambda: world.ecs.service(ecs.cluster, ecs.service).tags)
    if touches is Resource.QUEUE and queue is not None:
        return _ask(lambda: world.sqs.tags(queue.url))
    return None


def _ask(question: Callable[[], T]) -> T | Unanswered:
    try:
        return question()
    except ChaosdError as error:
        return Unanswered(error.message)
