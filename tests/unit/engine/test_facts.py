"""What the guard is told of a request: which queues it would use, and what their tags say."""

from types import SimpleNamespace
from typing import Any

import pytest

from daemon.core import guard
from daemon.core.guard import Permit, Refusal
from daemon.core.model import Resource
from daemon.core.settings import Allow, GuardSetting
from daemon.core.target import Queue, Target
from daemon.engine.facts import Asked, gather
from tests.fakes import FakeClock

INPUT, INTERRUPTS = "http://h/1/edit-input", "http://h/1/prod-interrupts"
TARGET = Target(name="editor", queue=Queue(url=INPUT, interrupts=INTERRUPTS))
NOTHING: Any = SimpleNamespace(
    outstanding=tuple, running=tuple, noted=lambda _: None, started=lambda **_: (), recent=lambda **_: ()
)


def answer(rules: GuardSetting, touches: Resource, **asked: Any) -> Permit | Refusal:
    tags = {INPUT: {"chaos": "yes"}, INTERRUPTS: {"chaos": "no"}}
    world: Any = SimpleNamespace(clock=FakeClock(), sqs=SimpleNamespace(tags=tags.__getitem__))
    facts = gather(TARGET, touches, past=NOTHING, world=world, rules=rules, asked=Asked(**asked))
    return guard.check(facts, rules)


@pytest.mark.parametrize(
    ("rules", "rule"),
    [
        (GuardSetting(allow=Allow(queues=("1:other-*",))), "allow-list"),
        (GuardSetting(require_tag=("chaos", "no")), "required-tag"),
        (GuardSetting(protect_tag=("chaos", "yes")), "protected"),
    ],
)
def test_the_queue_of_a_workload_is_held_against_the_rules_whatever_the_fault_touches(
    rules: GuardSetting, rule: str
) -> None:
    assert isinstance(answer(rules, Resource.REPOSITORY), Permit)
    found = answer(rules, Resource.REPOSITORY, workload=True)
    assert isinstance(found, Refusal)
    assert found.rule == rule


@pytest.mark.parametrize(
    ("rules", "rule"),
    [
        (GuardSetting(allow=Allow(queues=("1:edit-*",))), "allow-list"),
        (GuardSetting(require_tag=("chaos", "yes")), "required-tag"),
        (GuardSetting(protect_tag=("chaos", "no")), "protected"),
    ],
)
def test_so_is_a_second_queue_that_the_undo_record_names(rules: GuardSetting, rule: str) -> None:
    assert isinstance(answer(rules, Resource.QUEUE), Permit)
    found = answer(rules, Resource.QUEUE, queues=(INPUT, INTERRUPTS))
    assert isinstance(found, Refusal)
    assert found.rule == rule


def test_every_queue_of_a_target_goes_by_its_name() -> None:
    found = answer(GuardSetting(protect=("prod-*",)), Resource.REPOSITORY)
    assert isinstance(found, Refusal)
    assert "prod-interrupts is protected by 'prod-*'" in found.reason
