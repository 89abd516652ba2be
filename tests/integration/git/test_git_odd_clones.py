"""Clones with what others do not have: borrowed objects, odd characters in paths and names."""

import os
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from daemon.core import gitvalues
from daemon.core.errors import ChaosdError, TargetAbsentError
from daemon.core.model import Outcome
from faults import CATALOGUE
from faults.git.worktree import ENTRIES
from tests.fakes import FakeWorld, Switch
from tests.integration.git.glance import Glance
from tests.integration.git.kinds import KINDS, build_kind
from tests.integration.git.shed import (
    ENVIRONMENT,
    commit,
    git,
    order_of,
    picture,
    run,
    strike,
    through_json,
    world_of,
    write,
)
from tests.integration.git.yard import Stall, build_small, try_out


@pytest.mark.parametrize("which", [kind for kind in KINDS if kind != "packed"])
def test_nothing_is_said_of_a_healthy_clone_of_any_kind(which: str, tmp_path: Path, world: FakeWorld) -> None:
    Glance(build_kind(which, tmp_path / "made"), world)


def test_a_linked_work_tree_can_be_moved_away(tmp_path: Path, world: FakeWorld) -> None:
    stall = Stall(build_kind("linked", tmp_path / "made"), world)
    entry = next(entry for entry in ENTRIES if entry.name == "clone-missing")
    assert try_out(CATALOGUE["git-worktree"], entry, stall, world, thorough=True, which="linked") == "ok"


@pytest.mark.parametrize("end", ["\n", ""])
def test_a_store_that_does_not_exist_is_named_beside_the_one_that_is_borrowed_from(
    end: str, clone: Path, world: FakeWorld, tmp_path: Path
) -> None:
    borrower = tmp_path / "borrower"
    git(tmp_path, "clone", "-q", "--shared", str(clone), str(borrower))
    (borrower / ".git/objects/info/alternates").write_text(f"{clone}/.git/objects{end}")
    before = picture(borrower)
    kind, undo = strike("git-corrupt", "alternates-dangling", borrower, world)
    said = run(borrower, "log", "--oneline")
    assert (said.returncode, f"{borrower}/.git/no-such-store" in said.stderr) == (0, True)
    assert kind.revert(undo, world).outcome is Outcome.RESTORED
    assert picture(borrower) == before


# --- names that are not UTF-8 ------------------------------------------------------------------------------

CAFE = b"caf\xe9.txt"


def latin(clone: Path) -> None:
    """Commit a file with a name in latin-1 on the branch that is checked out."""
    write(clone, os.fsdecode(CAFE), "un cafe\nun deuxieme\n")
    git(clone, "add", "-A")
    git(clone, "commit", "-q", "-m", "a name in latin-1")


def names(clone: Path, tree: str) -> list[bytes]:
    command = ("git", "ls-tree", "-r", "-z", "--name-only", tree)
    said = subprocess.run(command, cwd=clone, env=ENVIRONMENT, capture_output=True, check=True).stdout
    return said.rstrip(b"\0").split(b"\0")


def test_somebody_else_s_commit_renames_nothing(clone: Path, world: FakeWorld) -> None:
    latin(clone)
    git(clone, "push", "-q", "origin", "HEAD")
    before = names(clone, "HEAD")
    _, undo = strike("git-remote", "diverged", clone, world)
    assert names(clone.parent / "remote.git", str(undo.victim["commit"])) == sorted([*before, b"chaosd-peer.txt"])


def test_a_conflict_is_made_in_a_file_that_can_be_named_and_the_others_keep_their_names(
    clone: Path, world: FakeWorld
) -> None:
    latin(clone)
    for seed in range(20):
        kind: Any = CATALOGUE["git-state"]
        undo = through_json(kind(mode="merge-conflict").prepare(order_of(clone, seed=seed), world))
        assert "caf" not in str(undo.victim["file"])
    kind.inject(undo, world, Switch())
    assert names(clone, str(undo.victim["commit"])) == names(clone, "HEAD")


@pytest.mark.parametrize("mode", ["untracked-in-the-way", "ignored-in-the-way"])
def test_what_is_in_the_way_of_a_switch_has_a_name_that_the_branch_knows(
    mode: str, clone: Path, world: FakeWorld
) -> None:
    git(clone, "branch", "-q", "-m", "thread-a", "here")
    git(clone, "checkout", "-q", "-b", "there")
    latin(clone)
    git(clone, "checkout", "-q", "here")
    with pytest.raises(TargetAbsentError, match="has a file of its own"):
        strike("git-worktree", mode, clone, world)
    git(clone, "checkout", "-q", "there")
    commit(clone, "a plain name", plain_txt="plain\n")
    git(clone, "checkout", "-q", "here")
    _, undo = strike("git-worktree", mode, clone, world)
    assert (undo.victim["branch"], undo.victim["file"]) == ("there", "plain.txt")


@pytest.fixture(scope="module")
def unnameable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone whose path, branch, other branch and one file are named in latin-1."""
    directory = tmp_path_factory.mktemp("odd") / os.fsdecode(b"caf\xe9")
    directory.mkdir()
    clone = build_small(directory)
    git(clone, "checkout", "-q", "-b", os.fsdecode(b"br\xe9nch"))
    latin(clone)
    git(clone, "branch", "-q", os.fsdecode(b"\xe9lse"))
    git(clone, "push", "-q", "-u", "origin", "HEAD")
    for repository in (clone, directory / "remote.git"):
        git(repository, "pack-refs", "--all")
    return clone


@pytest.mark.parametrize(
    "family", ["git-corrupt", "git-hook", "git-lock", "git-remote", "git-state", "git-worktree"]
)
def test_no_mode_stumbles_over_names_that_are_not_utf_8(family: str, unnameable: Path) -> None:
    """What an undo record cannot name is refused by the journal, before anything is touched."""
    kind: Any = CATALOGUE[family]
    prepared = 0
    for mode in kind.modes:
        with suppress(ChaosdError):  # of those that find nothing to strike here
            kind(mode=mode.name).prepare(order_of(unnameable), world_of(unnameable.parent))
            prepared += 1
    assert prepared > len(kind.modes) // 2


@pytest.mark.parametrize("mode", ["head-case", "head-wrong-branch", "ref-symref-alias"])
def test_a_branch_that_is_not_utf_8_is_written_as_it_is(mode: str, clone: Path, world: FakeWorld) -> None:
    git(clone, "checkout", "-q", "-b", os.fsdecode(b"br\xe9nch"))
    git(clone, "branch", "-q", "-D", "main")
    if mode == "head-wrong-branch":
        git(clone, "checkout", "-q", "thread-a")
    before = picture(clone)
    kind, undo = strike("git-corrupt", mode, clone, world)
    path, name = (".git/refs/heads/thread-a", b"br\xe9nch") if "ref-" in mode else (".git/HEAD", b"BR\xe9NCH")
    written = name.lower() if mode == "head-wrong-branch" else name
    assert (clone / path).read_bytes() == b"ref: refs/heads/%s\n" % written
    assert kind.revert(undo, world).outcome is Outcome.RESTORED
    assert picture(clone) == before


# --- characters that mean something in a configuration -----------------------------------------------------

VALUES = (
    "plain",
    "a b",
    " before",
    "after ",
    "a#b",
    "a;b",
    'a"b',
    "a\\b",
    "a\tb",
    "a\nb",
    '/we ird\n#;"x/y',
    "caf\udce9",
)
LINES = ("a b", "a b # c", '"a # b" ; c', 'a" b "c', "a\\tb", '"a\\"b" ', '"a "', "a  ")


@pytest.mark.parametrize("value", VALUES)
def test_a_value_is_written_as_git_writes_it_and_read_as_git_reads_it(value: str, tmp_path: Path) -> None:
    git(tmp_path, "config", "--file", "config", "a.b", value)
    line = os.fsdecode((tmp_path / "config").read_bytes().splitlines()[1])
    assert line == f"\tb = {gitvalues.written(value)}"
    assert gitvalues.read(line.partition("=")[2]) == value


@pytest.mark.parametrize("line", LINES)
def test_a_value_that_somebody_else_wrote_is_read_as_git_reads_it(line: str, tmp_path: Path) -> None:
    write(tmp_path, "config", f"[a]\nb = {line}\n")
    said = run(tmp_path, "config", "--file", "config", "--null", "a.b").stdout
    assert gitvalues.read(line) == said.removesuffix("\0")


@pytest.fixture(scope="module")
def stall(tmp_path_factory: pytest.TempPathFactory) -> Stall:
    directory = tmp_path_factory.mktemp("odd") / 'we {ird}\n#;"x\\y'
    directory.mkdir()
    return Stall(build_small(directory), world_of(directory.parent))


PATHS = (
    ("git-corrupt", "config-url-self"),
    ("git-corrupt", "config-push-url-self"),
    ("git-corrupt", "config-url-gone"),
    ("git-corrupt", "config-worktree-wrong"),
    ("git-corrupt", "config-worktree-missing"),
    ("git-corrupt", "config-hooks-path"),
    ("git-remote", "upload-pack-banner"),
    ("git-remote", "diverged"),
    ("git-worktree", "nested-repository"),
    ("git-worktree", "other-worktree"),
)


@pytest.mark.parametrize(("family", "mode"), PATHS, ids=[mode for _, mode in PATHS])
def test_a_path_with_signs_that_mean_something_is_that_path(family: str, mode: str, stall: Stall) -> None:
    kind: Any = CATALOGUE[family]
    world = world_of(stall.root.parent)
    assert try_out(kind, kind.entries[mode], stall, world, thorough=True) == "ok"


def test_a_remote_with_signs_that_mean_something_is_found(clone: Path, world: FakeWorld) -> None:
    remote = clone.parent / 'r #"1.git'
    (clone.parent / "remote.git").rename(remote)
    git(clone, "remote", "set-url", "origin", str(remote))
    _, undo = strike("git-remote", "diverged", clone, world)
    assert undo.victim["remote"] == str(remote)
