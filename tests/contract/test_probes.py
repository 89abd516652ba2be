"""What every probe promises, run for every probe of the catalogue.

A new probe needs one line in ``scenarios.PROBES``, a world in which all is well; nothing here changes.
"""

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from daemon.core.errors import ChaosdError, ConfigError
from daemon.core.model import Reading, Status
from daemon.core.parameters import build, describe
from daemon.core.target import Target
from probes import CATALOGUE
from tests.contract.scenarios import PROBES, Scene, make
from tests.fakes import Mortal

NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
MEASURE = re.compile(r"[a-z][a-z0-9_]*|\*")
PORTS = ("files", "processes", "git", "ecs", "sqs", "s3", "logs", "http", "commands")
MAY: Mapping[str, list[str]] = {  # the only side effects a probe may have
    "pipeline-canary": ["sqs.send"],  # its one marked message
    "command": ["commands.run"],  # the operator's command is the operator's business
}

every_probe = pytest.mark.parametrize("name", CATALOGUE)
with_scene = pytest.mark.parametrize("name", [n for n in CATALOGUE if n in PROBES])


class Watched:
    """A world that remembers which of its ports were asked for."""

    def __init__(self, world: Any) -> None:
        self._world = world
        self.asked: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        if name in PORTS:
            self.asked.add(name)
        return getattr(self._world, name)


def observe(name: str, scene: Scene, world: Any = None) -> Reading:
    probe = build(CATALOGUE[name], scene.parameters, where=name)
    return probe.observe(scene.target, world or scene.world)


def is_ok(name: str, scene: Scene) -> bool:
    """As the prober reads it: an error that it translates is UNKNOWN."""
    try:
        return observe(name, scene).status is Status.OK
    except ChaosdError:
        return False


def test_every_probe_has_a_scenario() -> None:
    missing = sorted(CATALOGUE.keys() - PROBES.keys())
    assert not missing, f"add a world in which all is well to tests/contract/scenarios.py PROBES: {missing}"
    stale = sorted(PROBES.keys() - CATALOGUE.keys())
    assert not stale, f"no such probe in probes.CATALOGUE: {stale}"


@every_probe
def test_a_probe_says_what_it_is(name: str) -> None:
    kind = CATALOGUE[name]
    assert kind.name == name
    assert NAME.fullmatch(name)
    assert len(kind.summary) > 10
    assert kind.measures
    assert all(MEASURE.fullmatch(m) and len(what) > 2 for m, what in kind.measures.items())
    json.dumps(describe(kind))


@with_scene
def test_where_all_is_well_it_is_ok_and_measures_what_it_declares(name: str, tmp_path: Path) -> None:
    reading = observe(name, make(PROBES, name, tmp_path))
    assert reading.status is Status.OK, reading.findings
    assert reading.measures
    assert all(math.isfinite(value) for value in reading.measures.values())
    undeclared = reading.measures.keys() - CATALOGUE[name].measures.keys()
    assert not undeclared or "*" in CATALOGUE[name].measures


@with_scene
def test_looking_changes_nothing(name: str, tmp_path: Path) -> None:
    scene = make(PROBES, name, tmp_path)
    before, mortal = scene.state(), Mortal(scene.world)
    observe(name, scene, mortal)
    assert mortal.effects == MAY.get(name, [])
    assert scene.state() == before


@with_scene
def test_it_is_never_ok_when_what_it_asks_does_not_answer(name: str, tmp_path: Path) -> None:
    scene = make(PROBES, name, tmp_path)
    watched = Watched(scene.world)
    observe(name, scene, watched)
    assert watched.asked, "it asked nobody"
    for port in watched.asked:
        silent = make(PROBES, name, tmp_path)
        silent.world.cut(port)
        assert not is_ok(name, silent), f"it is ok although {port} does not answer"


@with_scene
def test_a_target_without_what_it_needs_is_never_ok(name: str, tmp_path: Path) -> None:
    scene = make(PROBES, name, tmp_path)
    if scene.parameters:  # its parameters say what to look at: without them there is nothing it could be made of
        with pytest.raises(ConfigError):
            build(CATALOGUE[name], {}, where=name)
        return
    probe = build(CATALOGUE[name], {}, where=name)
    with pytest.raises(ChaosdError, match="bare"):
        probe.observe(Target(name="bare"), scene.world)
