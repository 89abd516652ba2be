"""The guard: pure rules over stated facts. What cannot be answered is a refusal, with its reason."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import TypeAlias

from daemon.core.model import Resource
from daemon.core.settings import GuardSetting


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A question the outside did not answer, with the reason."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that the rules look at. Instants are aware UTC; seconds otherwise.

    ``active`` names the target of each running injection. ``unresolved`` lists injections whose undo failed.
    ``healthy_tasks``, ``tags`` and ``queue`` are None when the fault does not touch such a resource.
    """

    now: datetime
    target: str
    touches: Resource
    halted: str | None
    active: tuple[str, ...]
    started_today: int
    last_started_s_ago: float | None
    unresolved: tuple[str, ...]
    healthy_tasks: int | Unanswered | None = None
    tags: Mapping[str, str] | Unanswered | None = None
    queue: str | None = None


@dataclass(frozen=True, slots=True)
class Permit:
    """The experiment may begin."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """It may not. ``rule`` is the label counted in the metrics, ``reason`` is for people."""

    rule: str
    reason: str


Rule: TypeAlias = Callable[[Facts, GuardSetting], str | None]


def check(facts: Facts, rules: GuardSetting) -> Permit | Refusal:
    """Ask every rule in order; the first that objects, or cannot be answered, refuses."""
    for name, rule in RULES.items():
        reason = rule(facts, rules)
        if reason is not None:
            return Refusal(name, f"not injecting: {reason}")
    return Permit()


def _halted(facts: Facts, _: GuardSetting) -> str | None:
    return None if facts.halted is None else f"halted ({facts.halted}); `chaosd resume` lifts it"


def _unresolved(facts: Facts, _: GuardSetting) -> str | None:
    if not facts.unresolved:
        return None
    return f"the undo of {', '.join(facts.unresolved)} is unresolved; run `chaosd recover`"


def _max_active(facts: Facts, rules: GuardSetting) -> str | None:
    if len(facts.active) < rules.max_active:
        return None
    return f"{len(facts.active)} injections are active, max_active is {rules.max_active}"


def _max_active_per_target(facts: Facts, rules: GuardSetting) -> str | None:
    here = facts.active.count(facts.target)
    if here < rules.max_active_per_target:
        return None
    return f"{here} are active on {facts.target}, max_active_per_target is {rules.max_active_per_target}"


def _max_per_day(facts: Facts, rules: GuardSetting) -> str | None:
    if rules.max_per_day is None or facts.started_today < rules.max_per_day:
        return None
    return f"{facts.started_today} were injected today (UTC), max_per_day is {rules.max_per_day}"


def _min_gap(facts: Facts, rules: GuardSetting) -> str | None:
    ago = facts.last_started_s_ago
    if ago is None or ago >= rules.min_gap_s:
        return None
    return f"the last injection began {ago:.0f} s ago, min_gap is {rules.min_gap_s:g} s"


def _windows(facts: Facts, rules: GuardSetting) -> str | None:
    if not rules.windows or any(w.contains(facts.now) for w in rules.windows):
        return None
    return f"{facts.now:%a %H:%M} UTC is outside every window ({'; '.join(w.text for w in rules.windows)})"


def _blackouts(facts: Facts, rules: GuardSetting) -> str | None:
    return next((f"blackout {b.text}" for b in rules.blackouts if b.contains(facts.now)), None)


def _min_healthy_tasks(facts: Facts, rules: GuardSetting) -> str | None:
    healthy = facts.healthy_tasks
    if healthy is None or not rules.min_healthy_tasks:
        return None
    if isinstance(healthy, Unanswered):
        return f"the healthy tasks of {facts.target} are unknown: {healthy.reason}"
    if healthy > rules.min_healthy_tasks:
        return None
    return f"{healthy} tasks of {facts.target} are healthy and {rules.min_healthy_tasks} must stay so"


def _required_tag(facts: Facts, rules: GuardSetting) -> str | None:
    if rules.require_tag is None or facts.touches not in {Resource.ECS, Resource.QUEUE}:
        return None
    key, value = rules.require_tag
    if facts.tags is None or isinstance(facts.tags, Unanswered):
        why = facts.tags.reason if facts.tags else "nobody looked"
        return f"the tags of {facts.target}'s {facts.touches} are unknown: {why}"
    if facts.tags.get(key) == value:
        return None
    return f"the {facts.touches} of {facts.target} does not carry the tag {key}={value}"


def _allow_queues(facts: Facts, rules: GuardSetting) -> str | None:
    allowed = rules.allow.queues
    if facts.touches is not Resource.QUEUE or allowed is None:
        return None
    if facts.queue is None:
        return f"{facts.target} names no queue to hold against allow.queues"
    name = ":".join(facts.queue.rstrip("/").split("/")[-2:])
    if any(fnmatchcase(name, pattern) for pattern in allowed):
        return None
    return f"queue {name} matches none of allow.queues ({', '.join(allowed)})"


RULES: Mapping[str, Rule] = {
    "halted": _halted,
    "unresolved-undo": _unresolved,
    "max-active": _max_active,
    "max-active-per-target": _max_active_per_target,
    "max-per-day": _max_per_day,
    "min-gap": _min_gap,
    "window": _windows,
    "blackout": _blackouts,
    "required-tag": _required_tag,
    "allow-list": _allow_queues,
    "min-healthy-tasks": _min_healthy_tasks,
}


def names() -> Iterator[str]:
    """Yield every reason a refusal can be counted under, those that faults raise in ``prepare`` included."""
    yield from RULES
    yield from ("unreachable", "iam", "overlap", "misfire")
