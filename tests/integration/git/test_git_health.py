"""git-health names every condition, is quiet on a sound clone, and writes nothing; git-fsck sees the rest."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daemon.core.errors import ChaosdError, TargetAbsentError
from daemon.core.model import Reading, Status
from daemon.core.seams import Completed
from daemon.core.target import Repository, Target
from daemon.ports.git import LocalGit
from probes.git.fsck import GitFsck
from probes.git.health import GitHealth
from tests.fakes import FakeWorld, Switch
from tests.integration.git.shed import (
    MODES,
    NAMES,
    commit,
    copy,
    git,
    order_of,
    picture,
    run,
    target_of,
    world_of,
    write,
)

EXPECTED = {
    "loose-object-truncate": "object-corrupt",
    "loose-object-bitflip": "object-corrupt",
    "loose-object-missing": "object-missing",
    "index-truncate": "index-broken",
    "head-garbage": "head-broken",
    "ref-empty": "ref-broken",
    "ref-missing-object": "ref-broken",
    "index-lock": "stale-lock",
    "ref-lock": "stale-lock",
    "head-lock": "stale-lock",
}


class CountingGit:
    """The real git, with a list of what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._git = LocalGit()

    def run(self, directory: str, *arguments: str, **more: Any) -> Completed:
        self.asked.append(arguments[0])
        return self._git.run(directory, *arguments, **more)


def names(reading: Reading) -> list[str]:
    return [finding.name for finding in reading.findings]


def failing(reading: Reading) -> set[str]:
    return {name for name in names(reading) if not name.startswith("branch-")}


def look(clone: Path, world: FakeWorld, probe: Any = None) -> Reading:
    """Look twice: a second look at an unchanged clone must say the same, and nothing may be written."""
    probe = probe or GitHealth()
    before = picture(clone)
    reading = probe.observe(target_of(clone), world)
    again = probe.observe(target_of(clone), world)
    assert picture(clone) == before
    assert (again.status, names(again)) == (reading.status, names(reading))
    return reading


# --- what is sound ---------------------------------------------------------------------------------------


def test_a_sound_clone_is_ok_and_its_unpushed_work_is_counted(clone: Path, world: FakeWorld) -> None:
    reading = look(clone, world)
    assert reading.status is Status.OK
    assert failing(reading) == set()
    assert reading.measures == {
        "clones": 1,
        "locks": 0,
        "lock_age_seconds": 0,
        "stashes": 0,
        "dirty_files": 0,
        "ahead": 2,
        "behind": 0,
    }
    assert [f.detail for f in reading.findings] == ["thread-a: 2 ahead of origin/thread-a"]


def test_dirty_files_stashes_and_distances_are_counted(clone: Path, world: FakeWorld) -> None:
    write(clone, "src/app.js", "changed\n")
    git(clone, "stash", "push", "-q")
    write(clone, "README.md", "changed\n")
    write(clone, "new.txt", "new\n")
    git(clone, "branch", "-f", "behind", "main~1")
    git(clone, "branch", "-u", "origin/main", "behind")
    git(clone, "branch", "unpublished", "thread-a")
    reading = look(clone, world)
    assert reading.status is Status.OK
    assert reading.measures["stashes"] == 1
    assert reading.measures["dirty_files"] == 2
    assert reading.measures["behind"] == 1
    assert reading.measures["ahead"] == 4  # two of thread-a, and the same two that unpublished never showed anyone
    assert {f.detail for f in reading.findings} == {
        "thread-a: 2 ahead of origin/thread-a",
        "unpublished: 2 ahead of the remote",
        "behind: 1 behind origin/main",
    }


def test_a_clone_without_a_remote_is_ahead_of_nothing(clone: Path, world: FakeWorld) -> None:
    git(clone, "remote", "remove", "origin")
    reading = look(clone, world)
    assert (reading.status, reading.measures["ahead"]) == (Status.OK, 0)


def test_a_new_repository_a_shallow_and_a_sha256_clone_are_ok(
    clone: Path, template_sha256: Path, tmp_path: Path, world: FakeWorld
) -> None:
    git(tmp_path, "init", "-q", "new")
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{clone}", "shallow")
    newer = copy(template_sha256, tmp_path / "other")
    assert look(tmp_path / "new", world).status is Status.OK
    assert names(look(tmp_path / "new", world)) == ["head-unborn"]
    for sound in (tmp_path / "shallow", newer):
        assert failing(look(sound, world)) == set()


def test_loose_objects_of_a_shallow_clone_do_not_miss_their_parents(clone: Path, world: FakeWorld) -> None:
    parent = git(clone, "rev-parse", "HEAD~1")
    (clone / ".git/shallow").write_text(f"{git(clone, 'rev-parse', 'HEAD')}\n")
    (clone / ".git/objects" / parent[:2] / parent[2:]).unlink()
    assert "object-missing" not in names(look(clone, world))


def test_a_damaged_loose_twin_of_a_packed_object_does_no_harm(clone: Path, world: FakeWorld) -> None:
    git(clone, "repack", "-a", "-q")
    blob = git(clone, "rev-parse", "HEAD:src/app.js")
    path = clone / ".git/objects" / blob[:2] / blob[2:]
    path.chmod(0o644)
    path.write_bytes(b"")
    assert git(clone, "cat-file", "-p", blob)
    assert failing(look(clone, world)) == set()


# --- what is wrong ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("remembering", [True, False], ids=["watching", "one-shot"])
@pytest.mark.parametrize(("fault", "mode"), MODES, ids=NAMES)
def test_every_fault_is_named_while_it_lasts(
    fault: Any, mode: str, remembering: bool, clone: Path, world: FakeWorld
) -> None:
    probe = GitHealth()
    target = target_of(clone)
    if remembering:
        assert probe.observe(target, world).status is Status.OK
    undo = fault(mode=mode).prepare(order_of(clone), world)
    fault.inject(undo, world, Switch())
    world.clock.advance(1.5)
    reading = look(clone, world, probe)
    assert reading.status is Status.FAILING
    assert failing(reading) == {EXPECTED[mode]}
    victim = undo.victim.get("object") or undo.victim.get("ref") or undo.victim["path"]
    assert any(str(victim) in f.detail for f in reading.findings if f.name == EXPECTED[mode])
    fault.revert(undo, world)
    assert probe.observe(target, world).status is Status.OK


def conflict(clone: Path) -> None:
    git(clone, "checkout", "-q", "main")
    commit(clone, "theirs", src__app_js="other\n")


def merge(clone: Path) -> None:
    conflict(clone)
    run(clone, "merge", "thread-a")


def rebase(clone: Path) -> None:
    conflict(clone)
    run(clone, "rebase", "thread-a")


def cherry_pick(clone: Path) -> None:
    conflict(clone)
    run(clone, "cherry-pick", "thread-a")


def revert(clone: Path) -> None:
    run(clone, "revert", "--no-edit", "HEAD~2")


def bisect(clone: Path) -> None:
    git(clone, "bisect", "start", "HEAD", "main~1")


CONDITIONS: dict[str, tuple[Callable[[Path], object], set[str], str]] = {
    "merge": (merge, {"operation-in-progress", "unmerged-paths"}, "merge"),
    "rebase": (rebase, {"operation-in-progress", "unmerged-paths", "head-detached"}, "rebase"),
    "cherry-pick": (cherry_pick, {"operation-in-progress", "unmerged-paths"}, "cherry-pick"),
    "revert": (revert, {"operation-in-progress", "unmerged-paths"}, "revert"),
    "bisect": (bisect, {"operation-in-progress", "head-detached"}, "bisect"),
    "detached": (lambda c: git(c, "checkout", "-q", "--detach"), {"head-detached"}, "on no branch"),
    "no HEAD": (lambda c: (c / ".git/HEAD").unlink(), {"head-broken"}, "does not exist"),
    "branch gone": (lambda c: (c / ".git/refs/heads/thread-a").unlink(), {"ref-broken"}, "reflog is there"),
    "index flipped": (
        lambda c: (c / ".git/index").write_bytes(
            bytes(b ^ (i == 70) for i, b in enumerate((c / ".git/index").read_bytes()))
        ),
        {"index-broken"},
        "checksum",
    ),
    "no repository": (lambda c: shutil.rmtree(c / ".git"), {"repository-absent"}, "no git repository"),
    "no directory": (shutil.rmtree, {"repository-absent"}, "does not exist"),
    "configuration": (lambda c: (c / ".git/config").write_text("[core\n"), {"git-failed"}, "bad config"),
}


@pytest.mark.parametrize("condition", CONDITIONS)
def test_every_condition_is_named(condition: str, clone: Path, world: FakeWorld) -> None:
    make, expected, text = CONDITIONS[condition]
    make(clone)
    reading = look(clone, world)
    assert reading.status is Status.FAILING
    assert failing(reading) == expected
    assert any(text in finding.detail for finding in reading.findings)


def test_a_tip_that_is_lost_is_told_from_a_ref_that_is_wrong(clone: Path, world: FakeWorld) -> None:
    tip = git(clone, "rev-parse", "HEAD")
    (clone / ".git/objects" / tip[:2] / tip[2:]).unlink()
    assert failing(look(clone, world)) == {"object-missing"}


def test_a_packed_object_that_goes_missing_is_noticed(clone: Path, world: FakeWorld) -> None:
    probe = GitHealth()
    git(clone, "-c", "gc.reflogExpire=never", "gc", "-q")
    assert look(clone, world, probe).status is Status.OK
    for pack in (clone / ".git/objects/pack").glob("*"):
        pack.unlink()
    assert "object-missing" in names(look(clone, world, probe))


# --- locks -----------------------------------------------------------------------------------------------


def test_a_lock_counts_as_stale_only_from_its_age_on(clone: Path, world: FakeWorld) -> None:
    probe, target = GitHealth(lock_age=5.0), target_of(clone)
    lock = clone / ".git/index.lock"
    lock.write_bytes(b"")
    now_ns = int(world.clock.instant().wall_s * 1e9)
    os.utime(lock, ns=(now_ns, now_ns))
    first = probe.observe(target, world)
    assert (first.status, first.measures["locks"]) == (Status.OK, 1)
    world.clock.advance(4.9)
    assert probe.observe(target, world).status is Status.OK
    world.clock.advance(0.2)
    late = probe.observe(target, world)
    assert (late.status, names(late)[0]) == (Status.FAILING, "stale-lock")
    assert late.measures["lock_age_seconds"] == pytest.approx(5.1)


def test_locks_that_come_and_go_are_the_life_of_a_busy_clone(clone: Path, world: FakeWorld) -> None:
    probe, target = GitHealth(), target_of(clone)
    for _ in range(10):
        lock = clone / ".git/index.lock"
        lock.unlink(missing_ok=True)
        lock.write_bytes(b"")
        now_ns = int(world.clock.instant().wall_s * 1e9)
        os.utime(lock, ns=(now_ns, now_ns))
        assert probe.observe(target, world).status is Status.OK
        world.clock.advance(0.9)


def test_a_lock_from_the_future_is_stale_once_it_was_seen_long_enough(clone: Path, world: FakeWorld) -> None:
    probe, target = GitHealth(), target_of(clone)
    lock = clone / ".git/HEAD.lock"
    lock.write_bytes(b"")
    future_ns = int((world.clock.instant().wall_s + 3600) * 1e9)
    os.utime(lock, ns=(future_ns, future_ns))
    assert probe.observe(target, world).status is Status.OK
    world.clock.advance(1.1)
    assert failing(probe.observe(target, world)) == {"stale-lock"}


# --- cost ------------------------------------------------------------------------------------------------


def test_an_unchanged_clone_costs_no_git_process_until_it_is_time_to_refresh(clone: Path, tmp_path: Path) -> None:
    world = world_of(tmp_path)
    world.git = CountingGit()
    probe, target = GitHealth(refresh=60.0), target_of(clone)
    probe.observe(target, world)
    assert "status" in world.git.asked
    world.git.asked.clear()
    for _ in range(5):
        world.clock.advance(10)
        probe.observe(target, world)
    assert world.git.asked == []
    world.clock.advance(11)
    probe.observe(target, world)
    assert "status" in world.git.asked


def test_a_commit_is_seen_at_once_and_pairs_are_counted_once(clone: Path, tmp_path: Path) -> None:
    world = world_of(tmp_path)
    world.git = CountingGit()
    probe, target = GitHealth(), target_of(clone)
    assert probe.observe(target, world).measures["ahead"] == 2
    commit(clone, "six", src__six_js="6\n")
    world.git.asked.clear()
    assert probe.observe(target, world).measures["ahead"] == 3
    assert world.git.asked.count("rev-list") == 1


def test_many_branches_are_counted_over_several_looks(clone: Path, world: FakeWorld) -> None:
    for number in range(40):
        git(clone, "checkout", "-q", "-b", f"t{number}", "main")
        git(clone, "commit", "-q", "--allow-empty", "-m", f"work {number}")
    probe, target = GitHealth(), target_of(clone)
    seen = [probe.observe(target, world).measures["ahead"] for _ in range(3)]
    assert seen[0] < seen[1] == seen[2] == 42


# --- several clones, and what cannot be looked at --------------------------------------------------------


def test_several_clones_are_one_reading_that_names_the_broken_one(
    template: Path, tmp_path: Path, world: FakeWorld
) -> None:
    clones = [copy(template, tmp_path / f"worker-{i}") for i in range(3)]
    (clones[1] / ".git/HEAD").write_bytes(b"\0" * 10)
    reading = GitHealth().observe(target_of(tmp_path / "worker-*" / "clone"), world)
    assert reading.status is Status.FAILING
    assert reading.measures["clones"] == 3
    assert reading.measures["ahead"] == 4
    assert next(f.detail for f in reading.findings if f.name == "head-broken").startswith(f"{clones[1]}: ")


@pytest.mark.parametrize("probe", [GitHealth, GitFsck])
def test_what_cannot_be_looked_at_is_an_error_that_says_so(probe: Any, clone: Path, world: FakeWorld) -> None:
    with pytest.raises(ChaosdError, match="not supported"):
        probe().observe(target_of(clone.parent / "remote.git"), world)
    with pytest.raises(TargetAbsentError, match="has no repository"):
        probe().observe(Target(name="t"), world)


@pytest.mark.parametrize("probe", [GitHealth, GitFsck])
def test_a_linked_work_tree_is_looked_at(probe: Any, clone: Path, world: FakeWorld) -> None:
    git(clone, "worktree", "add", "-q", "../linked", "main")
    (clone / ".git/worktrees/linked/HEAD").write_bytes(b"\0" * 10)
    found = probe().observe(target_of(clone.parent / "linked"), world)
    assert "head-broken" in {finding.name for finding in found.findings} if probe is GitHealth else found.findings


LINKED = ".git/worktrees/linked"


@pytest.mark.parametrize(
    "lock", [".git/packed-refs.lock", ".git/config.lock", f"{LINKED}/index.lock", f"{LINKED}/logs/HEAD.lock"]
)
def test_a_linked_work_tree_is_held_up_by_locks_of_its_own_and_of_what_it_shares(
    lock: str, clone: Path, world: FakeWorld
) -> None:
    git(clone, "worktree", "add", "-q", "../linked", "main")
    (clone / lock).touch()
    found = GitHealth(lock_age=0.0).observe(target_of(clone.parent / "linked"), world)
    assert "stale-lock" in {finding.name for finding in found.findings}


def test_a_lock_on_the_main_work_tree_s_index_does_not_hold_up_a_linked_one(clone: Path, world: FakeWorld) -> None:
    git(clone, "worktree", "add", "-q", "../linked", "main")
    (clone / ".git/index.lock").touch()
    found = GitHealth(lock_age=0.0).observe(target_of(clone.parent / "linked"), world)
    assert "stale-lock" not in {finding.name for finding in found.findings}


def test_a_remote_given_as_a_path_is_compared_with_origin(clone: Path, world: FakeWorld) -> None:
    repository = Repository(worktree=(str(clone),), remote=str(clone.parent / "remote.git"))
    reading = GitHealth().observe(replace(target_of(clone), repository=repository), world)
    assert reading.measures["ahead"] == 2


# --- fsck ------------------------------------------------------------------------------------------------


def test_fsck_is_quiet_on_a_sound_clone_and_writes_nothing(clone: Path, world: FakeWorld) -> None:
    reading = look(clone, world, GitFsck())
    assert (reading.status, reading.findings) == (Status.OK, ())


@pytest.mark.parametrize(("fault", "mode"), [m for m in MODES if not m[1].endswith("lock")])
def test_fsck_names_what_it_sees(fault: Any, mode: str, clone: Path, world: FakeWorld) -> None:
    undo = fault(mode=mode).prepare(order_of(clone), world)
    fault.inject(undo, world, Switch())
    reading = look(clone, world, GitFsck())
    assert reading.status is Status.FAILING
    assert EXPECTED[mode] in names(reading)
    fault.revert(undo, world)
    assert look(clone, world, GitFsck()).status is Status.OK


def test_fsck_says_when_the_clone_is_absent(clone: Path, world: FakeWorld) -> None:
    shutil.rmtree(clone)
    assert names(GitFsck().observe(target_of(clone), world)) == ["repository-absent"]
