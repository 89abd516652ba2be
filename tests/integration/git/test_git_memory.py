"""What git-health holds in memory does not grow with the directories' sizes and the history's length."""

import gc
from pathlib import Path

from daemon.core.gitclone import Clone
from daemon.core.gitwalk import Named
from daemon.core.model import Status
from daemon.core.target import Repository
from probes.git.clones import clones
from probes.git.counts import Distances
from probes.git.health import GitHealth
from probes.git.objects import Objects
from tests.fakes import FakeWorld
from tests.integration.git.shed import commit, git, target_of, write

FILES, LOOKUPS, MORE = 60, 12, 5


def clone_of(root: Path, world: FakeWorld) -> Clone:
    found, _ = clones(world.files, Repository(worktree=(str(root),)))
    return found[0]


def names_held() -> int:
    gc.collect()
    return sum(isinstance(one, Named) for one in gc.get_objects())


def test_a_commit_adds_what_it_changed_and_not_its_whole_directory(clone: Path, world: FakeWorld) -> None:
    probe = GitHealth()
    for number in range(FILES):
        write(clone, f"page-{number}.html", "old")
    commit(clone, "all")
    probe.observe(target_of(clone), world)
    for number in range(6):
        if number == 1:  # until here the version seen last was the oldest
            before = names_held()
        commit(clone, f"change {number}", **{f"page-{number}_html": f"new {number}"})
        assert probe.observe(target_of(clone), world).status is Status.OK
    # A commit names its tree and its parent; the new tree differs in one name.
    assert names_held() - before <= 5 * 4


def test_objects_met_long_ago_are_forgotten(clone: Path, world: FakeWorld) -> None:
    objects = Objects(lookups=LOOKUPS, more=MORE)
    for number in range(LOOKUPS):
        tip = commit(clone, f"change {number}", page_html=f"new {number}")
        assert objects.look(world, clone_of(clone, world), tip) == []
        assert 0 < len(objects._seen) <= LOOKUPS
        assert len(objects._verified) <= len(objects._seen) + MORE
        assert len(objects._known._of) <= len(objects._seen) + MORE


def test_one_count_is_held_for_each_branch_there_is(clone: Path, world: FakeWorld) -> None:
    distances = Distances()
    for number in range(4):
        commit(clone, f"change {number}", page_html=f"new {number}")
        git(clone, "branch", "--force", "side")
        _, measures = distances.look(world, clone_of(clone, world), "origin")
        branches = git(clone, "for-each-ref", "--format=%(refname)", "refs/heads").split()
        assert 0 < len(distances._counted) <= len(branches)
        assert measures["ahead"] >= number
