"""An undo in a world that has changed: one test for each row of the guide's table."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from daemon.core.errors import UndoFailedError
from daemon.core.model import Order, Outcome, Undo
from daemon.core.target import Repository as RepositorySetting
from daemon.core.target import Target
from daemon.ports.files import LocalFiles
from faults.git.lock import GitLock
from tests.e2e.git.tree import changed, look, make_repository
from tests.fakes import FakeWorld, Switch

LOCK = ".git/index.lock"


@pytest.fixture
def world(tmp_path: Path) -> FakeWorld:
    return FakeWorld(str(tmp_path), files=LocalFiles())


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "clone")


def strike(clone: Path, world: FakeWorld) -> Undo:
    target = Target(name="t", repository=RepositorySetting(worktree=(str(clone),)))
    undo = GitLock().prepare(Order(injection="i-1", target=target, dice=Random(1)), world)
    GitLock.inject(undo, world, Switch())
    assert (clone / LOCK).exists()
    return undo


def test_after_a_boot_files_that_survived_are_compared_and_restored(clone: Path, world: FakeWorld) -> None:
    before = look(clone)
    undo = strike(clone, world)
    world.boot = "boot-2"
    assert GitLock.revert(undo, world).outcome is Outcome.RESTORED
    assert changed(before, look(clone)) == []


def test_after_a_boot_a_clone_that_is_not_there_may_only_not_be_mounted_yet(clone: Path, world: FakeWorld) -> None:
    undo = strike(clone, world)
    clone.rename(clone.parent / "unmounted")
    world.boot = "boot-2"
    with pytest.raises(UndoFailedError, match="not mounted yet, or gone"):
        GitLock.revert(undo, world)
    (clone.parent / "unmounted").rename(clone)
    assert GitLock.revert(undo, world).outcome is Outcome.RESTORED


def test_after_a_boot_another_directory_in_its_place_is_not_judged(clone: Path, world: FakeWorld) -> None:
    undo = strike(clone, world)
    clone.rename(clone.parent / "old")
    make_repository(clone)
    world.boot = "boot-2"
    with pytest.raises(UndoFailedError, match="is another directory"):
        GitLock.revert(undo, world)


def test_a_clone_that_was_removed_took_the_fault_with_it(clone: Path, world: FakeWorld) -> None:
    undo = strike(clone, world)
    shutil.rmtree(clone)
    assert GitLock.revert(undo, world).outcome is Outcome.SUPERSEDED


def test_a_clone_that_was_replaced_is_left_alone(clone: Path, world: FakeWorld) -> None:
    undo = strike(clone, world)
    clone.rename(clone.parent / "old")
    make_repository(clone)
    before = look(clone)
    assert GitLock.revert(undo, world).outcome is Outcome.SUPERSEDED
    assert changed(before, look(clone)) == []


def test_a_clone_that_was_moved_aside_still_has_the_fault(clone: Path, world: FakeWorld) -> None:
    undo = strike(clone, world)
    aside = clone.parent / "aside"
    clone.rename(aside)
    with pytest.raises(UndoFailedError, match=f"was moved to {aside}"):
        GitLock.revert(undo, world)
    aside.rename(clone)
    assert GitLock.revert(undo, world).outcome is Outcome.RESTORED


def test_a_record_of_an_older_version_is_judged_as_it_was_then(clone: Path, world: FakeWorld) -> None:
    undo = strike(clone, world)
    data = {name: value for name, value in undo.data.items() if name != "place"}
    old = Undo(fault=undo.fault, mode=undo.mode, victim={}, actions=(), data=data)
    assert GitLock.revert(old, world).outcome is Outcome.RESTORED


# --- with a real mount -----------------------------------------------------------------------------------


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs over the directory ``srv``; skipped where one may not mount."""
    point = tmp_path / "srv"
    point.mkdir()
    words = ("mount", "-t", "tmpfs", "-o", "size=8m", "chaosd-test", str(point))
    if os.getuid() or subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("mounting needs a right that is not given here")
    yield point
    while os.path.ismount(point):
        subprocess.run(("umount", "--lazy", str(point)), check=True)


def test_another_file_system_in_its_place_is_not_judged(mount: Path, world: FakeWorld) -> None:
    clone = make_repository(mount / "clone")
    undo = strike(clone, world)
    subprocess.run(("mount", "-t", "tmpfs", "-o", "size=8m", "chaosd-test", str(clone)), check=True)
    try:
        with pytest.raises(UndoFailedError, match=f"another file system is at {clone}"):
            GitLock.revert(undo, world)
    finally:
        subprocess.run(("umount", str(clone)), check=True)
    assert GitLock.revert(undo, world).outcome is Outcome.RESTORED


def test_a_file_system_that_is_not_mounted_any_more_is_not_judged(mount: Path, world: FakeWorld) -> None:
    clone = make_repository(mount / "clone")
    undo = strike(clone, world)
    elsewhere = mount.parent / "elsewhere"
    elsewhere.mkdir()
    subprocess.run(("mount", "--move", str(mount), str(elsewhere)), check=True)
    try:
        with pytest.raises(UndoFailedError, match=f"another file system is at {mount}"):
            GitLock.revert(undo, world)
    finally:
        subprocess.run(("mount", "--move", str(elsewhere), str(mount)), check=True)
    assert GitLock.revert(undo, world).outcome is Outcome.RESTORED


def test_a_bind_mount_of_the_same_clone_is_the_same_clone(mount: Path, world: FakeWorld) -> None:
    clone = make_repository(mount / "clone")
    undo = strike(clone, world)
    subprocess.run(("mount", "--bind", str(clone), str(clone)), check=True)
    try:
        assert GitLock.revert(undo, world).outcome is Outcome.RESTORED
    finally:
        subprocess.run(("umount", str(clone)), check=True)
