"""The worker's clone on a real remote: pushing against others, and repairing what was broken."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from daemon.lab.worker.locks import clear_stale_locks

BRANCH = "thread-thread-1"
Desk = Any  # of the conftest


@pytest.fixture
def desk(desks: list[Desk]) -> Desk:
    """A worker's parts, with one commit pushed and one not, and a file that nobody added."""
    desk = desks[0]
    desk.commit(1)
    desk.push()
    desk.commit(2)
    (desk.slot.clone / "loose.txt").write_text("not added\n")
    return desk


def test_a_rejected_push_is_rebased_and_pushed_again(desks: list[Desk], git: Any) -> None:
    here, there = desks
    here.commit(1)
    there.commit(2)
    there.push()
    here.push()
    assert sorted(here.published(git)) == ["token1x [cmd-1]", "token2x [cmd-2]"]
    assert git(here.remote, "rev-list", "--count", f"main..{BRANCH}").strip() == "2"


def _tried_again(desk: Desk) -> None:
    """Nobody heard what became of the push: the message is worked on anew."""
    desk.clone.fetch(BRANCH)
    desk.clone.switch(BRANCH)
    desk.push()


@pytest.mark.parametrize("goes_on", [lambda desk: desk.push(), _tried_again], ids=["rejected", "tried again"])
def test_a_command_that_another_task_pushed_first_is_dropped_here(
    desks: list[Desk], git: Any, goes_on: Callable[[Desk], None]
) -> None:
    here, there = desks
    here.commit(1)
    there.commit(2)  # so that the two commits of the command are not the same patch
    there.commit(1)
    there.commit(3)
    there.push()
    goes_on(here)
    assert here.published(git) == ["token2x [cmd-2]", "token1x [cmd-1]", "token3x [cmd-3]"]
    assert git(here.remote, "rev-list", "--count", f"main..{BRANCH}").strip() == "3"


def test_a_command_is_found_by_its_whole_name_only(desk: Desk) -> None:
    assert desk.clone.find(desk.command(1))
    assert desk.clone.find(desk.command(2))
    assert not desk.clone.find(desk.command(11))
    assert not desk.clone.find(desk.command(1, session="session-11"))


def test_work_in_the_tree_stays_with_its_branch(desk: Desk) -> None:
    (desk.slot.clone / "README.md").write_text("changed\n")
    desk.clone.fetch("thread-thread-2")
    desk.clone.switch("thread-thread-2")
    assert desk.clone.standing() == ("thread-thread-2", False)
    desk.clone.switch(BRANCH)
    assert (desk.slot.clone / "README.md").read_text() == "changed\n"
    assert (desk.slot.clone / "loose.txt").read_text() == "not added\n"


def test_commits_that_were_never_pushed_are_noticed(desk: Desk) -> None:
    assert desk.clone.branches_ahead() == [BRANCH]
    desk.push()
    assert desk.clone.branches_ahead() == []


def _truncate(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _object_of(desk: Desk, git: Any, name: str) -> Path:
    found = git(desk.slot.clone, "rev-parse", name).strip()
    return desk.folder / "objects" / found[:2] / found[2:]


def _flip(path: Path) -> None:
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(bytes(data))


DAMAGE: dict[str, Callable[[Desk, Any], object]] = {
    "head-garbage": lambda d, _: (d.folder / "HEAD").write_text("garbage\n"),
    "head-missing": lambda d, _: (d.folder / "HEAD").unlink(),
    "head-detached": lambda d, git: git(d.slot.clone, "checkout", "--quiet", "--detach"),
    "index-truncate": lambda d, _: _truncate(d.folder / "index"),
    "ref-empty": lambda d, _: (d.folder / "refs/heads" / BRANCH).write_text(""),
    "ref-missing-object": lambda d, _: (d.folder / "refs/heads" / BRANCH).write_text("1" * 40 + "\n"),
    "ref-gone": lambda d, _: (d.folder / "refs/heads" / BRANCH).unlink(),
    "pushed-commit-truncate": lambda d, git: _truncate(_object_of(d, git, f"{BRANCH}~1")),
    "pushed-blob-bitflip": lambda d, git: _flip(_object_of(d, git, f"{BRANCH}~1:content/session-1.md")),
    "pushed-tree-missing": lambda d, git: _object_of(d, git, f"{BRANCH}~1^{{tree}}").unlink(),
    "unpushed-blob-missing": lambda d, git: _object_of(d, git, f"{BRANCH}:content/session-1.md").unlink(),
    "remote-ref-empty": lambda d, _: (d.folder / "refs/remotes/origin" / BRANCH).write_text(""),
    "rebase-left-behind": lambda d, _: (d.folder / "rebase-merge").mkdir(),
    "config-garbage": lambda d, _: (d.folder / "config").write_text("[[[\n"),
    "objects-folder-gone": lambda d, _: (d.folder / "refs").rename(d.slot.scratch / "refs"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_broken_clone_heals_without_losing_what_can_still_be_read(desk: Desk, git: Any, damage: str) -> None:
    DAMAGE[damage](desk, git)
    assert desk.repairer.problems() or damage.startswith("remote")
    assert desk.repairer.heal()
    assert desk.repairer.problems() == ""
    assert desk.clone.standing()[0] == BRANCH
    assert (desk.slot.clone / "loose.txt").read_text() == "not added\n"
    desk.clone.fetch(BRANCH)
    desk.push()
    assert desk.published(git) == ["token1x [cmd-1]", "token2x [cmd-2]"]


def test_when_the_unpushed_commit_is_unreadable_the_clone_still_heals_and_the_tree_is_kept(
    desk: Desk, git: Any
) -> None:
    _truncate(_object_of(desk, git, BRANCH))
    assert desk.repairer.heal()
    assert desk.repairer.problems() == ""
    assert "token2x" in (desk.slot.clone / "content" / "session-1.md").read_text()
    desk.commit(2)
    desk.push()
    assert desk.published(git) == ["token1x [cmd-1]", "token2x [cmd-2]"]


def test_a_lock_goes_only_when_it_is_old_and_nobody_holds_it(desk: Desk, make_old: Any) -> None:
    lock = desk.folder / "index.lock"
    with lock.open("w"):
        assert clear_stale_locks(desk.clone.git, older_than_s=60.0) == 0
        make_old(lock)
        assert clear_stale_locks(desk.clone.git, older_than_s=60.0) == 0
    assert clear_stale_locks(desk.clone.git, older_than_s=60.0) == 1
    assert not lock.exists()


@pytest.fixture
def make_old() -> Any:
    import os  # noqa: PLC0415

    return lambda path: os.utime(path, (1_600_000_000, 1_600_000_000))
