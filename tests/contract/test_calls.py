"""Every fault and probe declares what it asks of AWS; what it did not declare its role could not do."""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest

from daemon.core import cloud
from daemon.core.calls import SCENARIO, Call, On
from daemon.core.iam import ACTIONS
from daemon.core.model import Order
from daemon.core.parameters import build
from daemon.core.target import Target
from faults import CATALOGUE as FAULTS
from probes import CATALOGUE as PROBES
from tests.contract import scenarios
from tests.contract.scenarios import Scene, make
from tests.fakes import Switch

PORTS: Mapping[str, type[Any]] = {"ecs": cloud.Ecs, "sqs": cloud.Sqs, "s3": cloud.S3, "logs": cloud.CloudWatchLogs}


class Port:
    """Notes each call of one port, and on what."""

    def __init__(self, name: str, real: Any, note: Callable[[str, str], None]) -> None:
        self._name, self._real, self._note = name, real, note

    def __getattr__(self, verb: str) -> Any:
        found = getattr(self._real, verb)
        if not callable(found):
            return found

        def call(where: str, *rest: Any, **given: Any) -> Any:
            self._note(f"{self._name}.{verb}", where)
            return found(where, *rest, **given)

        return call


class Noting:
    """A world whose AWS ports take notes."""

    def __init__(self, world: Any) -> None:
        self._world = world
        self.made: set[tuple[str, str]] = set()

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._world, name)
        return Port(name, real, lambda verb, where: self.made.add((verb, where))) if name in PORTS else real


def parts(target: Target) -> dict[str, set[On]]:
    """Return what a call's first argument stands for; one address may stand for several parts."""
    found: dict[str, set[On]] = {}
    queue = target.queue
    for on, name in (
        (On.SERVICE, target.ecs and target.ecs.cluster),
        (On.INPUT, queue and queue.url),
        (On.INTERRUPTS, queue and queue.interrupts),
        (On.DEAD_LETTER, queue and queue.dead_letter),
        (On.RESPONSES, queue and queue.responses),
        (On.DEPLOYMENT, target.deployment and target.deployment.bucket),
        (On.LOGS, target.logs and target.logs.group),
    ):
        if name:
            found.setdefault(name, set()).add(on)
    return found


def undeclared(declared: tuple[Call, ...], world: Noting, target: Target) -> list[tuple[str, str]]:
    known = parts(target)
    allowed = {(call.verb, call.on) for call in declared}
    return [(verb, where) for verb, where in world.made if not any((verb, on) in allowed for on in known[where])]


def play(name: str, scene: Scene) -> Noting:
    """Prepare, inject, revert."""
    world = Noting(scene.world)
    order = Order(injection="inj-1", target=scene.target, dice=Random(1))
    undo = build(FAULTS[name], scene.parameters, where=name).prepare(order, world)  # type: ignore[arg-type]
    FAULTS[name].inject(undo, world, Switch())  # type: ignore[arg-type]
    FAULTS[name].revert(undo, world)  # type: ignore[arg-type]
    return world


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_asks_nothing_of_aws_that_it_does_not_declare(name: str, tmp_path: Path) -> None:
    scene = make(scenarios.FAULTS, name, tmp_path)
    world = play(name, scene)
    assert undeclared(FAULTS[name].calls, world, scene.target) == []
    assert bool(world.made) is bool(FAULTS[name].calls), "what is declared is needed, too"


@pytest.mark.parametrize("name", PROBES)
def test_a_probe_asks_nothing_of_aws_that_it_does_not_declare(name: str, tmp_path: Path) -> None:
    scene = make(scenarios.PROBES, name, tmp_path)
    world = Noting(scene.world)
    build(PROBES[name], scene.parameters, where=name).observe(scene.target, world)  # type: ignore[arg-type]
    assert undeclared(PROBES[name].calls, world, scene.target) == []
    assert bool(world.made) is bool(PROBES[name].calls)


def test_a_call_that_nobody_declared_is_found(tmp_path: Path) -> None:
    scene = make(scenarios.FAULTS, "ecs-task-stop", tmp_path)
    world = play("ecs-task-stop", scene)
    declared = tuple(c for c in FAULTS["ecs-task-stop"].calls if c.verb != "ecs.stop_task")
    assert undeclared(declared, world, scene.target) == [("ecs.stop_task", "cluster")]


def test_every_verb_of_the_ports_has_its_action() -> None:
    verbs = {
        f"{n}.{v}" for n, p in PORTS.items() for v, _ in inspect.getmembers(p, inspect.isfunction) if v[0] != "_"
    }
    assert set(ACTIONS) == verbs
    assert {call.verb for call in SCENARIO} <= verbs
