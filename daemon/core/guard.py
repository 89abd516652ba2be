"""The guard: pure rules over stated facts. What cannot be answered is a refusal, with its reason."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from typing import TypeAlias

from daemon.core import blast, overlap
from daemon.core.model import Resource
from daemon.core.settings import GuardSetting


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A question the outside did not answer, with the reason."""

    reason: str


TAGGED = frozenset({Resource.ECS, Resource.QUEUE})
Answer: TypeAlias = str | Unanswered | None
"""What something outside says against it: why, nothing (None), or no answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that the rules look at. Instants are aware UTC; seconds otherwise.

    ``active`` names the target of each running injection. ``unresolved`` lists injections whose undo failed.
    ``queues`` are the URLs of those that the fault, or the workload beside it, sends to or receives from; ``tags``
    those of each service and queue that is touched. ``healthy_tasks`` and ``tags`` are None where none is.
    ``disturbed`` counts the tasks of the target that active injections have disturbed, ``disturbs`` those that this
    one is going to. ``disturbed_s`` is today's disturbed time of the target, this one's duration not included.
    ``names`` are all names the target's parts go by. ``levers``, ``stops`` and ``steady_share`` (0 to 1) come from
    outside and are empty or None where no rule asks for them. ``overlaps`` is the injection that holds the victim.
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
    tags: tuple[Mapping[str, str], ...] | Unanswered | None = None
    queues: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    disturbed: int = 0
    disturbs: int = 1
    disturbed_s: float = 0.0
    duration_s: float = 0.0
    levers: Mapping[str, Answer] = field(default_factory=dict)
    stops: Mapping[str, Answer] = field(default_factory=dict)
    steady_share: float | Unanswered | None = None
    drifted: Answer = None
    overlaps: str | None = None

    @property
    def tagged(self) -> str:
        """Return in words what is touched and may bear tags; empty for nothing."""
        own = [str(self.touches)] if self.touches in TAGGED else []
        beside = ["queue"] if self.queues and self.touches is not Resource.QUEUE else []
        return " or ".join(own + beside)


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


def _levers(facts: Facts, _: GuardSetting) -> str | None:
    return _against(facts.levers, "is engaged", "a lever that cannot be read counts as engaged")


def _stop_conditions(facts: Facts, _: GuardSetting) -> str | None:
    return _against(facts.stops, "holds already", "a stop condition that cannot be read stops nothing")


def _against(answers: Mapping[str, Answer], engaged: str, blind: str) -> str | None:
    for name, answer in answers.items():
        if isinstance(answer, Unanswered):
            return f"{name} is unknown: {answer.reason}; {blind}"
        if answer is not None:
            return f"{name} {engaged}: {answer}"
    return None


def _protected(facts: Facts, rules: GuardSetting) -> str | None:
    for name in (facts.target, *facts.names):
        for pattern in rules.protect:
            if fnmatchcase(name, pattern):
                what = "target" if name == facts.target else f"target {facts.target}, which has"
                return f"{what} {name} is protected by {pattern!r}"
    return _protected_by_tag(facts, rules)


def _protected_by_tag(facts: Facts, rules: GuardSetting) -> str | None:
    """Object to a protected service or queue; a protected task among others is not chosen by the fault itself."""
    if rules.protect_tag is None or not facts.tagged:
        return None
    key, value = rules.protect_tag
    if facts.tags is None or isinstance(facts.tags, Unanswered):
        return _untold(facts)
    if all(tags.get(key) != value for tags in facts.tags):
        return None
    return f"the {facts.tagged} of {facts.target} is protected by its tag {key}={value}"


def _untold(facts: Facts) -> str:
    why = facts.tags.reason if isinstance(facts.tags, Unanswered) else "nobody looked"
    return f"the tags of {facts.target}'s {facts.tagged} are unknown: {why}"


def _drifted(facts: Facts, _: GuardSetting) -> str | None:
    if isinstance(facts.drifted, Unanswered):
        return f"it cannot be told whether {facts.target} is still what was planned for: {facts.drifted.reason}"
    return facts.drifted


def _unresolved(facts: Facts, _: GuardSetting) -> str | None:
    left = facts.unresolved
    by_hand = f'`chaosd settle {left[0]} --because "..."` once it is put right by hand' if left else ""
    return f"the undo of {', '.join(left)} is unresolved; run `chaosd recover`, or {by_hand}" if left else None


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
    healthy, keep = facts.healthy_tasks, rules.min_healthy_tasks
    if healthy is None or not keep:
        return None
    if isinstance(healthy, Unanswered):
        return f"the healthy tasks of {facts.target} are unknown: {healthy.reason}"
    # A task whose process is stopped runs for ECS, so what others have disturbed is no spare one, healthy or not.
    if healthy - facts.disturbed - facts.disturbs >= keep:
        return None
    return f"{healthy} tasks of {facts.target} are healthy{_already(facts)} and {keep} must stay so"


def _max_percent(facts: Facts, rules: GuardSetting) -> str | None:
    healthy, percent = facts.healthy_tasks, rules.max_percent
    if healthy is None or percent is None:
        return None
    if isinstance(healthy, Unanswered):
        return f"the healthy tasks of {facts.target} are unknown: {healthy.reason}"
    most = blast.share(healthy, percent)
    if facts.disturbed + facts.disturbs <= most:
        return None
    return (
        f"max_percent {percent:g} % of the {healthy} healthy tasks of {facts.target} is "
        f"{most or 'none'}{_already(facts)}, and this would disturb {facts.disturbs}"
    )


def _already(facts: Facts) -> str:
    return f", {facts.disturbed} disturbed already" if facts.disturbed else ""


def _max_disturbed_time(facts: Facts, rules: GuardSetting) -> str | None:
    most_s = rules.max_disturbed_s_per_day
    if most_s is None or facts.disturbed_s + facts.duration_s <= most_s:
        return None
    return (
        f"{facts.target} was disturbed for {facts.disturbed_s:.0f} s today (UTC) and this would add "
        f"{facts.duration_s:g} s, max_disturbed_time_per_day is {most_s:g} s"
    )


def _error_budget(facts: Facts, rules: GuardSetting) -> str | None:
    budget, share = rules.error_budget, facts.steady_share
    if budget is None:
        return None
    if share is None or isinstance(share, Unanswered):
        why = share.reason if share else "nobody looked"
        return f"the error budget of {facts.target} is unknown: {why}"
    if share >= budget.objective:
        return None
    return (
        f"the error budget of {facts.target} is spent: {share:.4%} good over {budget.window}, "
        f"the objective is {budget.objective:.10g}"
    )


def _required_tag(facts: Facts, rules: GuardSetting) -> str | None:
    if rules.require_tag is None or not facts.tagged:
        return None
    key, value = rules.require_tag
    if facts.tags is None or isinstance(facts.tags, Unanswered):
        return _untold(facts)
    if facts.tags and all(tags.get(key) == value for tags in facts.tags):
        return None
    return f"the {facts.tagged} of {facts.target} does not carry the tag {key}={value}"


def _allow_queues(facts: Facts, rules: GuardSetting) -> str | None:
    allowed = rules.allow.queues
    if allowed is None:
        return None
    if facts.touches is Resource.QUEUE and not facts.queues:
        return f"{facts.target} names no queue to hold against allow.queues"
    for url in facts.queues:
        name = ":".join(url.rstrip("/").split("/")[-2:])
        if not any(fnmatchcase(name, pattern) for pattern in allowed):
            return f"queue {name} matches none of allow.queues ({', '.join(allowed)})"
    return None


RULES: Mapping[str, Rule] = {
    "halted": _halted,
    "lever": _levers,
    "drift": _drifted,
    "protected": _protected,
    "unresolved-undo": _unresolved,
    "max-active": _max_active,
    "max-active-per-target": _max_active_per_target,
    "overlap": lambda facts, _: overlap.objection(facts.overlaps),
    "max-per-day": _max_per_day,
    "max-disturbed-time": _max_disturbed_time,
    "min-gap": _min_gap,
    "window": _windows,
    "blackout": _blackouts,
    "required-tag": _required_tag,
    "allow-list": _allow_queues,
    "min-healthy-tasks": _min_healthy_tasks,
    "max-percent": _max_percent,
    "stop-condition": _stop_conditions,
    "error-budget": _error_budget,
}
OTHERS = (
    "unreachable", "iam", "misfire", "target-absent", "percent-rounds-to-zero", "locked", "changed",
    "moved", "max-receives", "own-process", "own-task", "permission", "not-ours", "unsupported",
)  # fmt: skip


def names() -> Iterator[str]:
    """Yield every reason a refusal can be counted under, those that faults raise in ``prepare`` included."""
    yield from RULES
    yield from OTHERS
