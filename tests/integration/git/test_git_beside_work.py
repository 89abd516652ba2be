"""The worker goes on while a fault is there: what it wrote stays, and only our change is taken out of it."""

import sys
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest

from daemon.core.errors import ChaosdError
from daemon.core.model import Order, Outcome
from daemon.ports.clock import SystemClock
from faults import CATALOGUE
from tests.fakes import FakeWorld, Switch
from tests.integration.git.shed import commit, git, run, strike, target_of, through_json, write
from tests.integration.git.yard import build_small
from tests.waiting import wait_for

SHORT, LONG = 6, 200


@pytest.fixture
def clone(small_clone: Path) -> Path:
    return small_clone


def test_settings_of_the_worker_stay_when_ours_are_taken_out(clone: Path, world: FakeWorld) -> None:
    kind, undo = strike("git-corrupt", "config-filemode-off", clone, world)
    git(clone, "config", "worker.says", "hello")
    assert kind.revert(undo, world).outcome is Outcome.RESTORED
    assert git(clone, "config", "worker.says") == "hello"
    assert git(clone, "config", "core.fileMode") == "true"


def test_an_address_is_put_back_beside_settings_of_the_worker(clone: Path, world: FakeWorld) -> None:
    kind, undo = strike("git-corrupt", "config-url-gone", clone, world)
    git(clone, "config", "worker.says", "hello")
    assert kind.revert(undo, world).outcome is Outcome.RESTORED
    assert git(clone, "remote", "get-url", "origin") == "../remote.git"
    assert git(clone, "config", "worker.says") == "hello"


def test_stash_entries_made_meanwhile_stay_above_those_that_come_back(clone: Path, world: FakeWorld) -> None:
    before = git(clone, "stash", "list").splitlines()
    kind, undo = strike("git-corrupt", "stash-log-newest-only", clone, world)
    write(clone, "README.md", "# the worker's\n")
    git(clone, "stash", "push", "-q", "-m", "made meanwhile")
    assert kind.revert(undo, world).outcome is Outcome.RESTORED
    after = git(clone, "stash", "list").splitlines()
    assert "made meanwhile" in after[0]
    assert len(after) == len(before) + 1


def test_files_added_meanwhile_stay_in_the_index(clone: Path, world: FakeWorld) -> None:
    kind, undo = strike("git-corrupt", "index-skip-worktree", clone, world)
    write(clone, "new.txt", "new\n")
    git(clone, "add", "new.txt")
    assert kind.revert(undo, world).outcome is Outcome.RESTORED
    assert "new.txt" in git(clone, "ls-files").splitlines()
    assert not [line for line in git(clone, "ls-files", "-t").splitlines() if line.startswith("S ")]
    git(clone, "fsck")


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
@pytest.mark.parametrize("mode", ["index-id-bitflip", "index-order"])
def test_entries_are_put_back_in_an_index_that_git_has_written_since(
    mode: str, algorithm: str, tmp_path: Path, world: FakeWorld
) -> None:
    """A checksum that we left wrong does not tell which hash the ids are of."""
    clone = build_small(tmp_path, object_format=algorithm)
    before = git(clone, "ls-files", "--stage")
    kind, undo = strike("git-corrupt", mode, clone, world)
    write(clone, "new.txt", "new\n")
    git(clone, "add", "new.txt")
    assert git(clone, "ls-files", "--stage") != before
    assert kind.revert(undo, world).outcome is Outcome.RESTORED
    after = git(clone, "ls-files", "--stage").splitlines()
    assert "\n".join(line for line in after if not line.endswith("\tnew.txt")) == before
    assert len(after) == len(before.splitlines()) + 1
    assert run(clone, "commit", "-q", "-m", "new").returncode == 0
    assert run(clone, "fsck", "--full").returncode == 0


def test_a_look_of_git_status_does_not_keep_a_merge_alive(clone: Path, world: FakeWorld) -> None:
    head = git(clone, "rev-parse", "HEAD")
    kind, undo = strike("git-state", "merge-conflict", clone, world)
    run(clone, "update-index", "--refresh")
    assert kind.revert(undo, world).outcome is Outcome.RESTORED
    assert git(clone, "status", "--porcelain") == ""
    assert git(clone, "rev-parse", "HEAD") == head


def test_a_merge_that_the_worker_has_ended_is_left_as_it_is(clone: Path, world: FakeWorld) -> None:
    kind, undo = strike("git-state", "merge-conflict", clone, world)
    write(clone, undo.victim["file"], "resolved\n")
    git(clone, "add", "-A")
    git(clone, "commit", "-q", "-m", "resolved by the worker")
    made = git(clone, "rev-parse", "HEAD")
    assert kind.revert(undo, world).outcome is Outcome.SUPERSEDED
    assert git(clone, "rev-parse", "HEAD") == made
    assert git(clone, "status", "--porcelain") == ""
    assert run(clone, "fsck", "--full").returncode == 0


def test_a_repository_made_anew_stays_and_the_old_one_is_kept(clone: Path, world: FakeWorld) -> None:
    kind, undo = strike("git-worktree", "git-missing", clone, world)
    git(clone, "init", "-q")
    write(clone, "x.txt", "of the new one\n")
    made = commit(clone, "of the new one")
    reversion = kind.revert(undo, world)
    assert reversion.outcome is Outcome.SUPERSEDED
    assert "kept as" in reversion.detail
    assert git(clone, "rev-parse", "HEAD") == made
    assert list(clone.glob(".chaosd-*-kept"))


@dataclass
class Work:
    """What the worker did: its rounds, and the commits that git said it had made."""

    done: threading.Event = field(default_factory=threading.Event)
    made: list[str] = field(default_factory=list)
    rounds: int = 0


def worker(clone: Path, work: Work) -> None:
    """Commit, switch and clean up, in a loop; what fails is tried again, and what succeeded is noted."""
    number = 0
    while not work.done.is_set():
        number += 1
        name = f"work-{number}.txt"
        write(clone, name, f"{number}\n")
        if (
            run(clone, "add", name).returncode == 0
            and run(clone, "commit", "-q", "-m", f"work {number}", "--", name).returncode == 0
        ):
            found = run(clone, "rev-parse", "HEAD")
            if found.returncode == 0:
                work.made.append(found.stdout.strip())
        if number % 7 == 0:
            run(clone, "gc", "-q", "--prune=never")
        if number % 5 == 0:
            run(clone, "switch", "-q", "-c", f"thread-{number}")
        work.rounds += 1


def beside(clone: Path, world: FakeWorld, injections: int) -> None:
    """Strike many times beside a worker; every commit that git said was made is still there and whole.

    Each fault is there for one round of the worker's at least.
    """
    cases = [
        ("git-corrupt", name)
        for name in (
            "loose-object-missing",
            "loose-object-empty",
            "pack-bitflip",
            "index-truncate",
            "ref-empty",
            "head-garbage",
            "config-garbage",
            "config-filemode-off",
            "reflog-garbage",
            "stash-log-empty",
            "index-skip-worktree",
            "packed-refs-garbage",
        )
    ] + [
        ("git-lock", "index-lock"),
        ("git-lock", "ref-lock"),
        ("git-state", "merge-conflict"),
        ("git-state", "dirty-staged"),
        ("git-worktree", "file-deleted"),
        ("git-worktree", "untracked-in-the-way"),
        ("git-remote", "diverged"),
        ("git-hook", "pre-commit-fail"),
    ]
    world.clock = SystemClock()  # an undo looks again a moment later, at what a git has written back
    dice, work, ends = Random(4), Work(), Counter[str]()
    undone: Counter[str] = Counter()
    thread = threading.Thread(target=worker, args=(clone, work))
    stashes = len(git(clone, "stash", "list").splitlines())
    thread.start()
    try:
        while ends["struck"] < injections:
            assert ends.total() < 3 * injections + 10, ends
            family, mode = cases[dice.randrange(len(cases))]
            kind: Any = CATALOGUE[family]
            order = Order(injection=f"i-{ends.total()}", target=target_of(clone), dice=dice)
            try:
                undo = through_json(kind(mode=mode).prepare(order, world))
            except ChaosdError:
                ends["nothing to strike just now"] += 1  # the worker is in the middle of something
                continue
            try:
                kind.inject(undo, world, Switch())
                since = work.rounds
                wait_for("a round of the worker", lambda since=since: work.rounds > since + 1)
                ends["struck"] += 1
            except ChaosdError:
                ends["refused"] += 1
            finally:
                undone[kind.revert(undo, world).outcome] += 1
    finally:
        work.done.set()
        thread.join(120)
    assert not thread.is_alive()
    made = work.made
    sys.stdout.write(f"{dict(ends)}, {dict(undone)}; {work.rounds} rounds, {len(made)} commits\n")
    assert made
    lost = [name for name in made if run(clone, "cat-file", "-e", f"{name}^{{tree}}").returncode != 0]
    assert not lost
    reachable = set(git(clone, "rev-list", "--all", "--reflog").split())
    assert not [name for name in made if name not in reachable]
    assert not list((clone / ".git").rglob("*.lock"))
    git(clone, "status")  # an index, a HEAD and a configuration that are whole
    assert run(clone, "fsck", "--full").returncode == 0
    assert git(clone, "config", "core.fileMode") == "true"
    assert not [line for line in git(clone, "ls-files", "-t").splitlines() if line.startswith("S ")]
    assert len(git(clone, "stash", "list").splitlines()) == stashes


def test_nothing_the_worker_wrote_is_lost(clone: Path, world: FakeWorld) -> None:
    beside(clone, world, SHORT)


@pytest.mark.torture
@pytest.mark.timeout(1800)
def test_nothing_the_worker_wrote_is_lost_in_many_injections(clone: Path, world: FakeWorld) -> None:
    beside(clone, world, LONG)
