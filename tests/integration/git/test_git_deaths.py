"""chaosd dies at any file operation of an inject or a revert; whoever comes next leaves every byte as it was."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from daemon.core.model import Outcome
from tests.fakes import Death, FakeWorld, Switch
from tests.integration.git.shed import MODES, NAMES, Doomed, git, order_of, picture, through_json, world_of

every_mode = pytest.mark.parametrize(("fault", "mode"), MODES, ids=NAMES)
MOMENTS_MAX = 100


def deaths(act: Callable[[Any], None]) -> Iterator[int]:
    """Let ``act`` die at the first moment, the second, and so on, until it survives."""
    for moment in range(1, MOMENTS_MAX):
        try:
            act(Doomed(moment))
        except Death:
            yield moment
        else:
            return
    raise AssertionError("never survives")


def pack_the_branch(clone: Path) -> None:
    git(clone, "checkout", "-q", "-b", "feature/x")
    git(clone, "pack-refs", "--all")
    shutil.rmtree(clone / ".git/refs/heads/feature", ignore_errors=True)


@pytest.mark.parametrize("packed", [False, True], ids=["loose-refs", "packed-refs"])
@every_mode
def test_a_death_anywhere_in_inject_leaves_nothing(
    fault: Any, mode: str, packed: bool, clone: Path, world: FakeWorld, tmp_path: Path
) -> None:
    if packed:
        pack_the_branch(clone)
    before = picture(clone)
    undo = None
    moments = []

    def strike(files: Doomed) -> None:
        nonlocal undo
        undo = through_json(fault(mode=mode).prepare(order_of(clone), world))
        fault.inject(undo, world_of(tmp_path, files), Switch())

    for moment in deaths(strike):
        moments.append(moment)
        assert fault.revert(undo, world).outcome is not Outcome.SUPERSEDED
        assert picture(clone) == before
    assert len(moments) >= 2
    assert fault.revert(undo, world).outcome is Outcome.RESTORED
    assert picture(clone) == before


@pytest.mark.parametrize("packed", [False, True], ids=["loose-refs", "packed-refs"])
@every_mode
def test_a_death_anywhere_in_revert_leaves_nothing(
    fault: Any, mode: str, packed: bool, clone: Path, world: FakeWorld, tmp_path: Path
) -> None:
    if packed:
        pack_the_branch(clone)
    before = picture(clone)
    undo = None

    def strike_and_revert(files: Doomed) -> None:
        nonlocal undo
        undo = through_json(fault(mode=mode).prepare(order_of(clone), world))
        fault.inject(undo, world, Switch())
        fault.revert(undo, world_of(tmp_path, files))

    for _ in deaths(strike_and_revert):
        assert fault.revert(undo, world).outcome is not Outcome.SUPERSEDED
        assert picture(clone) == before
    assert picture(clone) == before


@every_mode
def test_a_death_in_inject_and_another_in_revert_leave_nothing(
    fault: Any, mode: str, clone: Path, world: FakeWorld, tmp_path: Path
) -> None:
    before = picture(clone)

    undo = through_json(fault(mode=mode).prepare(order_of(clone), world))
    counting = Doomed(0)
    fault.inject(undo, world_of(tmp_path, counting), Switch())
    fault.revert(undo, world)

    def die_twice(moment: int, files: Doomed) -> None:
        nonlocal undo
        undo = through_json(fault(mode=mode).prepare(order_of(clone), world))
        with pytest.raises(Death):
            fault.inject(undo, world_of(tmp_path, Doomed(moment)), Switch())
        fault.revert(undo, world_of(tmp_path, files))

    for moment in range(1, counting.moments + 1):
        for second in deaths(lambda files, m=moment: die_twice(m, files)):
            assert fault.revert(undo, world).outcome is not Outcome.SUPERSEDED
            assert picture(clone) == before, f"died in inject at {moment}, in revert at {second}"
        assert picture(clone) == before
