"""Which object is struck: by dice near the tip, or by its id wherever it lies; and what choosing costs."""

import os
import re
import subprocess
from pathlib import Path
from random import Random

import pytest

from daemon.core.errors import TargetAbsentError
from faults.git.corrupt import GitCorrupt
from faults.git.worktree import GitWorktree
from tests.integration.git.shed import ENVIRONMENT, Counting, commit, git, order_of, through_json, world_of, write

COMMITS, DIRECTORIES, FILES = 300, 12, 40
MOST_READS = 60  # to look at all that is near takes more than 90 in this clone


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of one pack: 300 commits, 480 files, each changed by one commit in 480."""
    clone = tmp_path_factory.mktemp("deep") / "clone"
    git(clone.parent, "init", "-q", "-b", "main", str(clone))
    lines: list[str] = []
    for number in range(COMMITS):
        lines += ["commit refs/heads/main", f"committer C <c@example.com> {number} +0000", "data 1", "x"]
        wanted = range(FILES * DIRECTORIES) if number == 0 else (number % (FILES * DIRECTORIES),)
        for name in wanted:
            body = f"file {name} of {number}\n"
            lines += [f"M 100644 inline d{name % DIRECTORIES}/f{name}.txt", f"data {len(body)}", body]
    feed = "\n".join(lines) + "\n"
    subprocess.run(["git", "fast-import", "--quiet"], cwd=clone, input=feed.encode(), env=ENVIRONMENT, check=True)
    git(clone, "reset", "-q", "--hard")
    git(clone, "repack", "-adq")
    return clone


def reached(clone: Path, commit: str) -> set[str]:
    """Return a commit, its trees and its blobs."""
    names = git(clone, "rev-parse", commit, f"{commit}^{{tree}}").split()
    return {*names, *git(clone, "ls-tree", "-rt", "--object-only", commit).split()}


def test_an_object_is_struck_by_its_id_however_deep_it_lies(deep: Path) -> None:
    oldest = git(deep, "rev-parse", f"main~{COMMITS - 1}:d1/f1.txt").strip()
    undo = GitCorrupt(mode="pack-bitflip", object=oldest).prepare(order_of(deep), world_of(deep.parent))
    assert (undo.victim["object"], undo.victim["kind"]) == (oldest, "blob")


def test_a_loose_object_is_struck_by_its_id_even_when_nothing_names_it(deep: Path) -> None:
    write(deep.parent, "lonely.txt", "nobody's")
    lonely = git(deep, "hash-object", "-w", "../lonely.txt")
    undo = GitCorrupt(object=lonely).prepare(order_of(deep), world_of(deep.parent))
    assert (undo.victim["object"], undo.victim["kind"]) == (lonely, "blob")


@pytest.mark.parametrize("mode", ["loose-object-truncate", "pack-bitflip"])
def test_an_id_of_nothing_is_told(deep: Path, mode: str) -> None:
    with pytest.raises(TargetAbsentError, match=r"has no (loose )?object 0123"):
        GitCorrupt(mode=mode, object="0123456789" * 4).prepare(order_of(deep), world_of(deep.parent))


def test_commits_trees_and_blobs_are_struck_and_directories_entered(deep: Path) -> None:
    world = world_of(deep.parent)
    struck = [GitCorrupt(mode="pack-bitflip").prepare(order_of(deep, seed=n), world).victim for n in range(60)]
    assert {victim["kind"] for victim in struck} == {"commit", "tree", "blob"}
    names = {str(victim["name"]) for victim in struck}
    assert "/" in names
    assert any(name.startswith("d") and name.endswith(".txt") and "/" in name for name in names)
    near = {name for back in range(4) for name in reached(deep, f"main~{back}")}
    assert {str(victim["object"]) for victim in struck} <= near


@pytest.mark.parametrize("kind", ["commit", "tree", "blob"])
def test_a_depth_of_one_stays_in_the_checked_out_commit(deep: Path, kind: str) -> None:
    world = world_of(deep.parent)
    for seed in range(20):
        fault = GitCorrupt(mode="pack-bitflip", object=kind, depth=1)
        assert fault.prepare(order_of(deep, seed=seed), world).victim["object"] in reached(deep, "main")


def test_choosing_does_not_read_what_is_near_but_a_way_to_one_object(deep: Path) -> None:
    for seed in range(20):
        files = Counting()
        GitCorrupt(mode="pack-bitflip").prepare(order_of(deep, seed=seed), world_of(deep.parent, files))
        assert 0 < files.reads < MOST_READS


def test_what_no_way_leads_to_is_found_among_all_that_is_near(deep: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(deep), str(clone))
    git(clone, "config", "user.name", "W")
    git(clone, "config", "user.email", "w@example.com")
    commit(clone, "large", d0__large_bin="x" * 5000)
    git(clone, "repack", "-adq")
    large = git(clone, "rev-parse", "HEAD:d0/large.bin").strip()
    for seed in range(5):
        fault = GitCorrupt(mode="pack-bitflip", least_bytes=4000, object="blob")
        undo = fault.prepare(order_of(clone, seed=seed), world_of(tmp_path))
        assert undo.victim["object"] == large


def test_nothing_is_named_that_lies_beyond_the_end_of_a_shallow_clone(deep: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", "--depth=2", f"file://{deep}", str(clone))
    undo = GitCorrupt(mode="ref-tracking-stale").prepare(order_of(clone), world_of(tmp_path))
    (oldest,) = re.findall(r"\b[0-9a-f]{40}\b", undo.actions[0])
    assert oldest == git(clone, "rev-list", "HEAD").split()[-1]
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{deep}", str(tmp_path / "one"))
    with pytest.raises(TargetAbsentError, match="no commit before that of refs/remotes/origin/main"):
        GitCorrupt(mode="ref-tracking-stale").prepare(order_of(tmp_path / "one"), world_of(tmp_path))


def small_clone(directory: Path) -> Path:
    """Two branches: `aaa` has another `d/e.txt`, and its ancestor had another `b/c.txt`."""
    clone = directory / "clone"
    git(directory, "init", "-q", "-b", "main", str(clone))
    git(clone, "config", "user.name", "W")
    git(clone, "config", "user.email", "w@example.com")
    commit(clone, "one", b__c_txt="old\n", d__e_txt="one\n")
    commit(clone, "two", b__c_txt="new\n")
    git(clone, "checkout", "-q", "-b", "aaa")
    commit(clone, "three", d__e_txt="three\n")
    git(clone, "checkout", "-q", "main")
    return clone


def test_the_read_only_directory_is_one_that_the_switch_has_to_write(tmp_path: Path) -> None:
    clone = small_clone(tmp_path)
    fault = GitWorktree(mode="directory-readonly")
    assert fault.prepare(order_of(clone), world_of(tmp_path)).victim["directory"] == "d"
    git(clone, "checkout", "-q", "--detach")
    assert fault.prepare(order_of(clone), world_of(tmp_path)).victim["directory"] in ("b", "d")
    git(clone, "checkout", "-q", "main")
    (clone / "d/e.txt").unlink()
    assert fault.prepare(order_of(clone), world_of(tmp_path)).victim["directory"] == "b", "d/e.txt is not there"


def test_a_stale_branch_of_the_remote_is_older_than_it_was(tmp_path: Path, deep: Path) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(deep), str(clone))
    for back in (0, 4):
        now = git(clone, "rev-parse", f"main~{back}")
        git(clone, "update-ref", "refs/remotes/origin/main", now)
        undo = GitCorrupt(mode="ref-tracking-stale").prepare(order_of(clone), world_of(tmp_path))
        (old,) = re.findall(r"\b[0-9a-f]{40}\b", undo.actions[0])
        assert old in git(clone, "rev-list", now).split()[1:]


@pytest.mark.parametrize("mode", ["loose-object-truncate", "pack-bitflip"])
def test_what_is_damaged_already_is_refused_and_not_a_defect(tmp_path: Path, mode: str) -> None:
    clone = small_clone(tmp_path)
    blob = git(clone, "rev-parse", "HEAD:b/c.txt")
    path = clone / ".git/objects" / blob[:2] / blob[2:]
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-6])
    with pytest.raises(TargetAbsentError, match="nothing was touched"):
        GitCorrupt(mode=mode, object=blob).prepare(order_of(clone), world_of(tmp_path))


def test_an_object_too_large_to_be_kept_is_called_that(tmp_path: Path) -> None:
    clone = small_clone(tmp_path)
    (clone / "large").write_bytes(Random(1).randbytes(17 << 20))
    blob = git(clone, "hash-object", "-w", "large")
    with pytest.raises(TargetAbsentError, match="more than is kept for an undo"):
        GitCorrupt(object=blob).prepare(order_of(clone), world_of(tmp_path))


def test_a_branch_whose_name_is_not_utf_8_can_be_told_of_and_journalled(tmp_path: Path) -> None:
    clone = small_clone(tmp_path)
    heads = clone / ".git/refs/heads"
    (heads / "aaa").rename(heads / os.fsdecode(b"odd-\xff"))
    undo = GitCorrupt(mode="reflog-dash-lie").prepare(order_of(clone), world_of(tmp_path))
    assert r"odd-\xff" in through_json(undo).actions[0]
