"""Asks the guard for one injection: gathers the facts, and remembers what the target was at the first question."""

from random import Random

from daemon.core import blast, guard
from daemon.core.events import Plan
from daemon.core.model import Order, Undo
from daemon.core.seams import Fault
from daemon.core.target import Target
from daemon.engine.drift import Identity, drifted, identity
from daemon.engine.facts import Asked, disturbed, gather
from daemon.engine.parts import Parts


class Gate:
    """The guard with its facts. An injection is asked about twice: at its admission, and just before it strikes."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._identities: dict[str, Identity | guard.Unanswered] = {}

    def forget(self, injection: str) -> None:
        """Forget what the target was when the injection was admitted; idempotent."""
        self._identities.pop(injection, None)

    def ask(
        self, proposed: Plan, target: Target, fault: Fault, undo: Undo | None = None
    ) -> guard.Permit | guard.Refusal:
        """Return the guard's answer; ``undo`` is given when the victim is known. Raises JournalError."""
        parts, rules = self._parts, self._parts.settings.guard
        now = identity(target, fault.touches, parts.world)
        before = self._identities.setdefault(proposed.injection, now)
        asked = Asked(
            own=proposed.injection,
            duration_s=proposed.duration_s,
            disturbs=blast.victims(undo.victim) if undo else 1,
            drifted=drifted(before, now) if undo else None,
            workload=proposed.workload is not None,
            queues=_queues(undo) if undo else (),
            victim=undo.victim if undo else {},
        )
        facts = gather(
            target,
            fault.touches,
            past=parts.journal,
            world=parts.world,
            rules=rules,
            outside=parts.outside,
            asked=asked,
        )
        return guard.check(facts, rules)

    def order(self, proposed: Plan, target: Target) -> Order:
        """Return what ``prepare`` is given: the dice, and what the guard's rules leave of the target."""
        rules = self._parts.settings.guard
        return Order(
            injection=proposed.injection,
            target=target,
            dice=Random(proposed.seed),  # noqa: S311  repeatable by design, not a secret
            keep_healthy=rules.min_healthy_tasks,
            max_percent=rules.max_percent,
            protect_tag=rules.protect_tag,
            disturbed=disturbed(self._parts.journal, target.name, own=proposed.injection),
            allow_repositories=rules.allow.repositories,
            lasts_s=proposed.duration_s,
        )


def _queues(undo: Undo) -> tuple[str, ...]:
    """Return the queues that an undo record says it touches, besides the target's input queue."""
    return tuple(str(undo.victim[name]) for name in ("queue", "interrupts") if undo.victim.get(name))
