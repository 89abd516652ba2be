"""Git itself has written anew, during the fault, what we emptied, deleted or moved: the rest still comes back."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from daemon.core.model import Outcome
from faults import CATALOGUE
from tests.fakes import FakeWorld, Switch
from tests.integration.git.shed import commit, git, order_of, run, through_json, world_of, write
from tests.integration.git.yard import build_small


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("rewritten")
    build_small(root)
    return root


@pytest.fixture
def clone(small: Path, tmp_path: Path) -> Path:
    shutil.copytree(small, tmp_path / "here", symlinks=True)
    git(tmp_path / "here/clone", "status")
    return tmp_path / "here/clone"


@pytest.fixture
def world(tmp_path: Path) -> FakeWorld:
    return world_of(tmp_path)


def strike(mode: str, clone: Path, world: FakeWorld) -> tuple[Any, Any]:
    kind: Any = CATALOGUE["git-corrupt"]
    undo = through_json(kind(mode=mode).prepare(order_of(clone), world))
    kind.inject(undo, world, Switch())
    return kind, undo


def taken_back(kind: Any, undo: Any, clone: Path, world: FakeWorld) -> None:
    """Assert that it is taken back, that a second undo changes nothing, and that nothing of ours is left."""
    assert kind.revert(undo, world).outcome is Outcome.RESTORED
    once = contents(clone)
    kind.revert(undo, world)
    assert contents(clone) == once
    assert not [name for name in once if "chaosd" in name or name.endswith(".lock")]
    assert run(clone, "fsck", "--full").returncode == 0


def contents(clone: Path) -> dict[str, bytes]:
    return {str(path.relative_to(clone)): path.read_bytes() for path in clone.rglob("*") if path.is_file()}


def stashes(clone: Path) -> list[str]:
    return git(clone, "stash", "list", "--format=%H %gs").splitlines()


def stash(clone: Path) -> None:
    write(clone, "README.md", "# the worker's\n")
    git(clone, "stash", "push", "-q", "-m", "made meanwhile")


# --- reflogs ---------------------------------------------------------------------------------------------


def test_a_reflog_that_git_began_anew_continues_the_old_one(clone: Path, world: FakeWorld) -> None:
    before = git(clone, "reflog").splitlines()
    kind, undo = strike("reflog-head-missing", clone, world)
    commit(clone, "meanwhile", z_txt="z\n")
    assert len(git(clone, "reflog").splitlines()) == 1
    taken_back(kind, undo, clone, world)
    assert len(git(clone, "reflog").splitlines()) == len(before) + 1
    assert git(clone, "rev-parse", "HEAD@{1}") == git(clone, "rev-parse", "HEAD~1")


@pytest.mark.parametrize("mode", ["stash-log-missing", "stash-log-empty", "stash-missing"])
def test_a_stash_that_git_began_anew_lies_on_top_of_the_old_one(mode: str, clone: Path, world: FakeWorld) -> None:
    before = stashes(clone)
    kind, undo = strike(mode, clone, world)
    stash(clone)
    assert len(stashes(clone)) == 1
    if mode == "stash-missing":  # the ref is the worker's, and newer
        assert kind.revert(undo, world).partly
    else:
        taken_back(kind, undo, clone, world)
    assert stashes(clone)[1:] == before
    assert "made meanwhile" in stashes(clone)[0]


@pytest.mark.parametrize("mode", ["stash-log-missing", "stash-log-empty", "stash-missing"])
def test_a_stash_that_a_worker_pushed_to_and_popped_is_there_again(
    mode: str, clone: Path, world: FakeWorld
) -> None:
    """Git removes ref and log with the last entry that it knows of."""
    before = stashes(clone)
    os.utime(clone / ".git/logs/refs/stash", (1, 1))  # another time than the ref's, by which we know our files
    kind, undo = strike(mode, clone, world)
    stash(clone)
    git(clone, "stash", "pop", "-q")
    assert not (clone / ".git/refs/stash").exists()
    taken_back(kind, undo, clone, world)
    assert stashes(clone) == before
