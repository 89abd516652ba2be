"""What every fault promises, run for every fault and mode of the catalogue.

A new fault needs one line in ``scenarios.FAULTS``; nothing here changes.
"""

import json
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from daemon.core.errors import ChaosdError
from daemon.core.model import Order, Outcome, Resource, Undo
from daemon.core.parameters import build, declared, describe
from daemon.core.seams import Fault
from daemon.core.target import Target
from faults import CATALOGUE
from tests.contract.scenarios import FAULTS, SAMPLES, Scene, make
from tests.fakes import Death, Mortal, Switch

MOMENTS_MOST = 24  # of a fault with more side effects than this, every so many moments are tried
MOMENTS_OF_A_ROW = 5  # every moment of every row of a table: the torture of tests/integration/git
PAIRS = [
    (name, mode.name)
    for name, kind in CATALOGUE.items()
    if name in FAULTS
    for mode in kind.modes
    if name not in SAMPLES or mode.name in SAMPLES[name]
]
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")

every_mode = pytest.mark.parametrize(("name", "mode"), PAIRS)
every_fault = pytest.mark.parametrize("name", CATALOGUE)


def stored(undo: Undo) -> Undo:
    """What another process finds in the journal."""
    raw = json.loads(json.dumps(asdict(undo)))
    return Undo(**{**raw, "actions": tuple(raw["actions"])})


class Case:
    """One fault in one mode, and fresh worlds to strike in."""

    def __init__(self, name: str, mode: str, root: Path) -> None:
        self.kind: type[Fault] = CATALOGUE[name]
        self.name, self.mode, self.root = name, mode, root

    def scene(self) -> Scene:
        return make(FAULTS, self.name, self.root)

    def prepare(self, scene: Scene, world: Any = None, *, seed: int = 7) -> Undo:
        fault: Any = build(self.kind, {**scene.parameters, "mode": self.mode}, where=self.name)
        order = Order(injection="i-contract", target=scene.target, dice=random.Random(seed))
        return fault.prepare(order, world or scene.world)  # type: ignore[no-any-return]

    def inject(self, undo: Undo, world: Any) -> None:
        self.kind.inject(undo, world, Switch())

    def moments(self, act: Callable[[Scene, Undo, Any], object]) -> Iterator[int]:
        """Count the moments at which one can die in ``act``, and return those to try."""
        scene = self.scene()
        undo, mortal = self.prepare(scene), Mortal(scene.world)
        act(scene, undo, mortal)
        stride = -(-mortal.moments // (MOMENTS_OF_A_ROW if self.name in SAMPLES else MOMENTS_MOST)) or 1
        return iter(sorted({*range(1, mortal.moments + 1, stride), mortal.moments} - {0}))

    def dies(self, scene: Scene, moment: int, act: Callable[[Any], object]) -> None:
        """Run ``act`` until it is killed; threads may have done in another order what led here."""
        mortal = Mortal(scene.world, dies_at=moment)
        try:
            act(mortal)
        except Death:
            return
        assert mortal.moments < moment, f"{self.name} caught its own death at moment {moment}"


@pytest.fixture
def case(name: str, mode: str, tmp_path: Path) -> Case:
    return Case(name, mode, tmp_path)


# --- the table and the words -----------------------------------------------------------------------------


def test_every_fault_has_a_scenario() -> None:
    missing = sorted(CATALOGUE.keys() - FAULTS.keys())
    assert not missing, f"add a world in which it can strike to tests/contract/scenarios.py FAULTS: {missing}"
    stale = sorted(FAULTS.keys() - CATALOGUE.keys())
    assert not stale, f"no such fault in faults.CATALOGUE: {stale}"


@every_fault
def test_a_fault_says_what_it_is(name: str) -> None:
    kind = CATALOGUE[name]
    assert kind.name == name
    assert NAME.fullmatch(name)
    assert len(kind.summary) > 10
    assert isinstance(kind.touches, Resource)
    assert is_dataclass(kind)
    assert kind.__dataclass_params__.frozen  # type: ignore[attr-defined]
    json.dumps(describe(kind))


@every_fault
def test_every_mode_is_listed_and_is_a_choice(name: str) -> None:
    kind = CATALOGUE[name]
    names = [mode.name for mode in kind.modes]
    assert names
    assert len(set(names)) == len(names)
    assert all(NAME.fullmatch(n) for n in names)
    assert all(len(mode.summary) > 5 for mode in kind.modes)
    mode = declared(kind)["mode"]
    assert set(mode.metadata["choices"]) == set(names)
    assert mode.default in names


@every_fault
def test_a_target_without_what_it_needs_is_an_error_for_people(name: str, tmp_path: Path) -> None:
    scene, kind = make(FAULTS, name, tmp_path), CATALOGUE[name]
    order = Order(injection="i-contract", target=Target(name="bare"), dice=random.Random(1))
    with pytest.raises(ChaosdError) as raised:
        build(kind, {}, where=name).prepare(order, scene.world)
    assert raised.value.exit_code == 5
    assert "bare" in raised.value.message


# --- prepare ---------------------------------------------------------------------------------------------


@every_mode
def test_prepare_touches_nothing(case: Case) -> None:
    scene = case.scene()
    before, mortal = scene.state(), Mortal(scene.world)
    case.prepare(scene, mortal)
    assert mortal.effects == []
    assert scene.state() == before


@every_mode
def test_the_dry_run_says_what_would_be_done(case: Case) -> None:
    undo = case.prepare(case.scene())
    assert (undo.fault, undo.mode) == (case.name, case.mode)
    assert undo.victim
    assert undo.actions
    assert all(isinstance(a, str) and len(a.split()) > 2 for a in undo.actions)


@every_mode
def test_the_same_seed_picks_the_same_victim(case: Case) -> None:
    scene = case.scene()
    one, other = case.prepare(scene, seed=11), case.prepare(scene, seed=11)
    assert one == other


@every_mode
def test_the_undo_record_survives_json(case: Case) -> None:
    undo = case.prepare(case.scene())
    assert json.dumps(asdict(stored(undo))) == json.dumps(asdict(undo))


# --- inject and revert -----------------------------------------------------------------------------------


@every_mode
def test_inject_and_revert_leave_the_world_as_it_was(case: Case) -> None:
    scene = case.scene()
    before, mortal, undo = scene.state(), Mortal(scene.world), case.prepare(scene)
    case.inject(stored(undo), mortal)
    assert mortal.effects, "inject did nothing"
    reversion = case.kind.revert(stored(undo), scene.world)
    assert scene.state() == before
    assert reversion.outcome is not Outcome.UNTOUCHED
    assert reversion.proof
    json.dumps(asdict(reversion), default=dict)


@every_mode
def test_revert_twice_is_the_same_as_once(case: Case) -> None:
    scene = case.scene()
    before, undo = scene.state(), stored(case.prepare(scene))
    case.inject(undo, scene.world)
    case.kind.revert(undo, scene.world)
    case.kind.revert(undo, scene.world)
    assert scene.state() == before


@every_mode
def test_revert_without_inject_changes_nothing(case: Case) -> None:
    scene = case.scene()
    before, undo = scene.state(), stored(case.prepare(scene))
    case.kind.revert(undo, scene.world)
    assert scene.state() == before


@every_mode
def test_inject_does_nothing_once_stopped(case: Case) -> None:
    scene = case.scene()
    before, mortal, undo = scene.state(), Mortal(scene.world), stored(case.prepare(scene))
    case.kind.inject(undo, mortal, Switch(on=True))
    assert mortal.effects == []
    assert scene.state() == before


@every_mode
def test_killed_at_any_step_of_inject_leaves_nothing(case: Case) -> None:
    for moment in case.moments(lambda _, undo, mortal: case.inject(undo, mortal)):
        scene = case.scene()
        before, undo = scene.state(), stored(case.prepare(scene))
        case.dies(scene, moment, lambda mortal, undo=undo: case.inject(undo, mortal))
        case.kind.revert(undo, scene.world)
        assert scene.state() == before, f"killed at moment {moment} of inject"


@every_mode
def test_killed_at_any_step_of_revert_leaves_nothing(case: Case) -> None:
    def act(scene: Scene, undo: Undo, mortal: Any) -> None:
        case.inject(undo, scene.world)
        case.kind.revert(undo, mortal)

    for moment in case.moments(act):
        scene = case.scene()
        before, undo = scene.state(), stored(case.prepare(scene))
        case.inject(undo, scene.world)
        case.dies(scene, moment, lambda mortal, undo=undo: case.kind.revert(undo, mortal))
        case.kind.revert(undo, scene.world)
        assert scene.state() == before, f"killed at moment {moment} of revert"
