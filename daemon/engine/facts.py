"""Gathers what the guard's rules look at; a question that fails becomes ``Unanswered``, never a guess."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time
from functools import partial
from typing import Protocol, TypeVar

from daemon.core import blast, disturbed_time, overlap
from daemon.core.cloud import Service
from daemon.core.errors import ChaosdError
from daemon.core.events import Injection, State
from daemon.core.guard import Answer, Facts, Unanswered
from daemon.core.model import Instant, Json, Resource
from daemon.core.seams import World
from daemon.core.settings import GuardSetting
from daemon.core.target import Target
from daemon.engine.outside import Outside

T = TypeVar("T")


class Past(Protocol):
    """What the journal tells the guard."""

    def outstanding(self) -> tuple[Injection, ...]: ...
    def running(self) -> tuple[Injection, ...]: ...
    def noted(self, name: str) -> object: ...
    def started(self, *, since: datetime) -> tuple[float, ...]: ...
    def recent(self, *, since_s: float = 0.0, most: int = 1000) -> tuple[Injection, ...]: ...


HALT = "halt"
RESUMED = "resumed"
LOOK_BACK_S = 86400.0  # what was proposed yesterday may disturb today
RECENT_MOST = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Whom the facts are for: ``own`` is the injection itself, so that it does not stand in its own way.

    ``disturbs`` is how many tasks it would disturb, at least one while that is not known yet. ``workload``: a
    scenario sends its messages beside it. ``victim`` and ``queues`` are what its undo record names.
    """

    own: str = ""
    duration_s: float = 0.0
    disturbs: int = 1
    drifted: Answer = None
    workload: bool = False
    queues: tuple[str, ...] = ()
    victim: Mapping[str, Json] = field(default_factory=dict)


def gather(  # noqa: PLR0913  each is one witness
    target: Target,
    touches: Resource,
    *,
    past: Past,
    world: World,
    rules: GuardSetting,
    outside: Outside | None = None,
    asked: Asked | None = None,
) -> Facts:
    """Return the facts for one request. Asks outside only what a configured rule needs; raises JournalError."""
    request = asked or Asked()
    now = world.clock.now()
    midnight = datetime.combine(now.astimezone(UTC).date(), time(), tzinfo=UTC)
    queues = _queues(target, touches, request)
    others = (i for i in past.running() if i.plan.injection != request.own)
    running = tuple(i for i in others if i.state is not State.REFUSED)  # it only has no verdict yet
    facts = Facts(
        now=now,
        target=target.name,
        touches=touches,
        halted=halted(past, outside),
        active=tuple(i.plan.target for i in running),
        started_today=len(past.started(since=midnight)),
        last_started_s_ago=_last_s_ago(past, now),
        unresolved=_unresolved(past, target.name, {i.plan.injection for i in running}),
        healthy_tasks=_healthy(target, touches, world, rules),
        tags=_tags(target, touches, queues, world, rules),
        queues=queues,
        names=_names(target) if rules.protect else (),
        disturbed=disturbed(past, target.name, own=request.own),
        disturbs=request.disturbs,
        duration_s=request.duration_s,
        drifted=request.drifted,
        overlaps=_overlaps(past, request),
    )
    if rules.max_disturbed_s_per_day is not None:
        spent_s = _disturbed_s(target.name, past, midnight, world.clock.instant(), request.own)
        facts = replace(facts, disturbed_s=spent_s)
    return _with_what_others_say(facts, outside)


def _unresolved(past: Past, target: str, running: set[str]) -> tuple[str, ...]:
    left = (i for i in past.outstanding() if i.plan.target == target)
    return tuple(
        i.plan.injection for i in left if i.state is State.REVERT_FAILED or i.plan.injection not in running
    )


def _overlaps(past: Past, request: Asked) -> str | None:
    left = (i for i in past.outstanding() if i.plan.injection != request.own)
    return overlap.first(request.victim, {i.plan.injection: i.undo.victim for i in left if i.undo})


def _last_s_ago(past: Past, now: datetime) -> float | None:
    last = past.started(since=datetime.fromtimestamp(0, UTC))
    return now.timestamp() - last[-1] if last else None


def _with_what_others_say(facts: Facts, outside: Outside | None) -> Facts:
    if outside is None:
        return facts
    share = outside.steady_share(facts.target)
    return replace(facts, levers=outside.levers(), stops=outside.stops(), steady_share=share)


class Notes(Protocol):
    """Who knows whether somebody halted."""

    def noted(self, name: str) -> object: ...


def halted(past: Notes, outside: Outside | None) -> str | None:
    """Return why chaosd is halted: by somebody's word, which is on disk, or by a file that is there."""
    noted = past.noted(HALT)
    if noted is not None:
        return str(noted)
    return outside.halted() if outside else None


def disturbed(past: Past, target: str, *, own: str = "") -> int:
    """Return how many tasks of a target the running injections have disturbed and not yet given back."""
    active = (i for i in past.running() if i.plan.target == target and i.plan.injection != own)
    return sum(blast.victims(i.undo.victim) for i in active if i.undo is not None and i.outstanding)


def _disturbed_s(target: str, past: Past, midnight: datetime, now: Instant, own: str) -> float:
    """Return for how long a target was disturbed since midnight, running and planned injections included."""
    since_s = midnight.timestamp()
    recent = past.recent(since_s=since_s - LOOK_BACK_S, most=RECENT_MOST)
    mine = (i for i in recent if i.plan.target == target and i.plan.injection != own)
    return sum(disturbed_time.since(i, since_s, now) for i in mine)


def _names(target: Target) -> tuple[str, ...]:
    """Return the names a target's parts go by, so that a pattern protects them under whatever target."""
    ecs = (target.ecs.cluster, target.ecs.service) if target.ecs else ()
    q = target.queue
    queue = tuple(url for url in (q.url, q.responses, q.dead_letter, q.interrupts) if url) if q else ()
    bucket = (target.deployment.bucket,) if target.deployment else ()
    # An ARN or URL and the bare name behind its last slash.
    return tuple(dict.fromkeys(n for name in (*ecs, *queue, *bucket) for n in (name, name.rpartition("/")[2])))


def _healthy(target: Target, touches: Resource, world: World, rules: GuardSetting) -> int | Unanswered | None:
    ecs, asked = target.ecs, rules.min_healthy_tasks or rules.max_percent is not None
    if not asked or ecs is None or touches not in {Resource.ECS, Resource.PROCESS}:
        return None
    return _ask(lambda: _standing(world.ecs.service(ecs.cluster, ecs.service)))


def _standing(service: Service) -> int:
    """Return the tasks to count on: what is healthy beyond the desired count ECS is about to stop."""
    healthy = sum(t.last_status == t.desired_status == "RUNNING" and t.health != "UNHEALTHY" for t in service.tasks)
    return min(healthy, service.desired)


def _queues(target: Target, touches: Resource, request: Asked) -> tuple[str, ...]:
    used = target.queue is not None and (touches is Resource.QUEUE or request.workload)
    own = (target.queue.url,) if target.queue is not None and used else ()
    return tuple(dict.fromkeys((*own, *request.queues)))


def _tags(
    target: Target, touches: Resource, queues: tuple[str, ...], world: World, rules: GuardSetting
) -> tuple[Mapping[str, str], ...] | Unanswered | None:
    if rules.require_tag is None and rules.protect_tag is None:
        return None
    ecs = target.ecs if touches is Resource.ECS else None
    if ecs is None and not queues:
        return None
    of_service = (lambda: world.ecs.service(ecs.cluster, ecs.service).tags,) if ecs else ()
    of_queues = (partial(world.sqs.tags, url) for url in queues)
    return _ask(lambda: tuple(tags() for tags in (*of_service, *of_queues)))


def _ask(question: Callable[[], T]) -> T | Unanswered:
    try:
        return question()
    except ChaosdError as error:
        return Unanswered(error.message)
