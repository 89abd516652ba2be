"""The events that `--when` waits for, made by real git: each is seen, and what is like it is not taken for it."""

import errno
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from daemon.core.errors import RefusedError, TargetAbsentError
from daemon.core.moments import read
from daemon.engine import sensors
from daemon.engine.ambush import Ambush
from daemon.ports import watching
from daemon.ports.processes import LocalProcesses
from daemon.ports.watching import InotifyEvents
from tests.fakes import FakeWorld
from tests.integration.git.shed import ENVIRONMENT, commit, git, target_of, write

Act = Callable[[Path], object]


def nothing_new(clone: Path) -> None:
    git(clone, "status")
    git(clone, "checkout", "-q", "-b", "made")
    git(clone, "reset", "-q", "--hard", "HEAD~1")
    git(clone, "merge", "-q", "--ff-only", "thread-a")
    git(clone, "fetch", "-q", "origin", "main:fetched")
    git(clone, "pack-refs", "--all")
    git(clone, "branch", "other", "main")
    git(clone, "gc", "-q")


def stash(clone: Path) -> None:
    write(clone, "README.md", "stashed\n")
    git(clone, "stash", "push", "-q")


def forget_one(clone: Path) -> None:
    git(clone, "stash", "drop", "-q")


def nested(clone: Path) -> None:
    git(clone, "checkout", "-q", "-b", "feature/deep/x")
    commit(clone, "in the deep", README_md="# deep\n")


SEEN: list[tuple[str, Act, str]] = [
    ("commit", lambda c: commit(c, "new", README_md="# new\n"), "commit "),
    ("commit:thread-*", lambda c: commit(c, "new", README_md="# new\n"), "on thread-a"),
    ("commit", lambda c: git(c, "commit", "-q", "--amend", "-m", "amended"), "on thread-a"),
    ("commit:feature/*", nested, "on feature/deep/x"),
    ("switch", lambda c: git(c, "checkout", "-q", "main"), "main was checked out"),
    ("switch:ma*", lambda c: git(c, "checkout", "-q", "main"), "main was checked out"),
    ("stash", stash, "a stash entry was made"),
    ("index-lock", lambda c: git(c, "read-tree", "HEAD"), "index.lock appeared"),
    ("file:src/*.js", lambda c: write(c, "src/new.js", "x\n"), "src/new.js was written"),
    ("file:made/*/f.txt", lambda c: write(c, "made/now/f.txt", "x\n"), "made/now/f.txt was written"),
]
UNSEEN: list[tuple[str, Act]] = [
    ("commit", nothing_new),
    ("commit:main", lambda c: commit(c, "new", README_md="# new\n")),
    ("switch", lambda c: commit(c, "new", README_md="# new\n")),
    ("switch:main", lambda c: git(c, "checkout", "-q", "-b", "another")),
    ("stash", forget_one),
    ("index-lock", lambda c: git(c, "log", "-1")),
    ("file:*.js", lambda c: write(c, ".git/x.js", "x\n")),
    ("file:*.css", lambda c: write(c, "src/new.js", "x\n")),
    ("push", lambda c: git(c, "fetch", "-q", "origin")),
]


@pytest.fixture
def live(world: FakeWorld) -> FakeWorld:
    world.events = InotifyEvents()
    world.processes = LocalProcesses()  # type: ignore[assignment]
    return world


@pytest.mark.parametrize(("event", "act", "says"), SEEN, ids=[f"{event}-{n}" for n, (event, *_) in enumerate(SEEN)])
def test_it_is_seen(event: str, act: Act, says: str, clone: Path, live: FakeWorld) -> None:
    with Ambush(read(event), target_of(clone), live) as ambush:
        act(clone)
        hit = ambush.wait(0.0)
    assert hit is not None
    assert says in hit.what
    assert hit.root == str(clone)


@pytest.mark.parametrize(("event", "act"), UNSEEN, ids=[f"{event}-{n}" for n, (event, _) in enumerate(UNSEEN)])
def test_what_is_like_it_is_not_taken_for_it(event: str, act: Act, clone: Path, live: FakeWorld) -> None:
    stash(clone)
    with Ambush(read(event), target_of(clone), live) as ambush:
        act(clone)
        assert ambush.wait(0.0) is None


@pytest.mark.parametrize(
    ("command", "diverged", "seen"),
    [
        ("merge --no-ff aside", False, True),
        ("merge --no-edit aside", True, True),
        ("pull --no-rebase --no-ff --no-edit . aside", False, True),
        ("pull --no-rebase --no-edit . aside", True, True),
        ("merge aside", False, False),
        ("merge -m said aside", False, False),
        ("pull --ff-only . aside", False, False),
        ("pull --rebase . aside", True, False),
        ("-c pull.rebase=true pull . aside", True, False),
    ],
)
def test_a_merge_is_a_commit_unless_it_only_moves_the_branch_on(
    command: str, diverged: bool, seen: bool, clone: Path, live: FakeWorld
) -> None:
    git(clone, "checkout", "-q", "-b", "aside")
    commit(clone, "aside", aside_txt="aside\n")
    git(clone, "checkout", "-q", "thread-a")
    if diverged:
        commit(clone, "here", here_txt="here\n")
    before = git(clone, "rev-parse", "HEAD")
    with Ambush(read("commit"), target_of(clone), live) as ambush:
        git(clone, *command.split())
        hit = ambush.wait(0.0)
    assert git(clone, "rev-parse", "HEAD") != before
    assert (hit is not None) is seen


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("-c", "user.name=A B"),
        ("-c", "http.extraHeader=AUTHORIZATION: x"),
        ("--config-env", "user.name=PATH"),
        ("-C", "../../a b/clone"),
    ],
    ids=["plain", "name", "header", "environment", "elsewhere"],
)
def test_a_push_is_seen_while_it_runs(
    options: tuple[str, ...], clone: Path, live: FakeWorld, tmp_path: Path
) -> None:
    (tmp_path / "a b").mkdir()
    clone = clone.rename(tmp_path / "a b" / "clone")
    hook = tmp_path / "remote.git/hooks/pre-receive"
    gate = tmp_path / "gate"
    hook.write_text(f"#!/bin/sh\nwhile ! [ -e {gate} ]; do sleep 0.01; done\n")
    hook.chmod(0o755)
    with Ambush(read("push"), target_of(clone), live) as ambush:
        push = subprocess.Popen(["git", *options, "push", "-q", "origin", "HEAD"], cwd=clone, env=ENVIRONMENT)
        try:
            hit = ambush.wait(30.0)
            assert push.poll() is None
        finally:
            gate.touch()
            push.wait(30)
    assert hit is not None
    assert hit.what.startswith("git push (pid ")


@pytest.mark.parametrize(
    ("words", "verb"),
    [
        (("git", "-c", "user.name=to push", "log"), "log"),
        (("git", "--no-pager", "--git-dir=/a push/.git", "push"), "push"),
        (("git", "commit", "-m", "push"), "commit"),
        (("git", "-C"), ""),
        ((), ""),
    ],
)
def test_a_word_of_an_option_is_not_taken_for_the_command(words: tuple[str, ...], verb: str) -> None:
    assert sensors._verb(words) == verb


def test_of_several_clones_it_is_told_in_which_one(clone: Path, live: FakeWorld, tmp_path: Path) -> None:
    other = tmp_path / "other"
    git(tmp_path, "clone", "-q", str(clone), str(other))
    with Ambush(read("commit"), target_of(clone, other), live) as ambush:
        commit(other, "there", README_md="# there\n")
        hit = ambush.wait(0.0)
    assert hit is not None
    assert hit.root == str(other)


def test_a_commit_in_another_work_tree_is_not_one_in_this(clone: Path, live: FakeWorld, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    git(clone, "worktree", "add", "-q", "-b", "thread-linked", str(linked))
    with Ambush(read("commit"), target_of(linked), live) as ambush:
        commit(clone, "not here", README_md="# not here\n")
        assert ambush.wait(0.0) is None
        commit(linked, "here", README_md="# here\n")
        assert ambush.wait(0.0) is not None


def test_a_link_to_a_directory_does_not_take_its_events(clone: Path, live: FakeWorld) -> None:
    (clone / "aaa").symlink_to("src")
    with Ambush(read("file:src/*.js"), target_of(clone), live) as ambush:
        write(clone, "src/new.js", "x\n")
        hit = ambush.wait(20.0)
    assert hit is not None
    assert "src/new.js was written" in hit.what


def test_a_system_without_room_for_another_watch_is_said(
    clone: Path, live: FakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(watching, "INotify", full)
    with (
        pytest.raises(RefusedError, match="no event can be waited for: Too many open files"),
        Ambush(read("commit"), target_of(clone), live),
    ):
        raise AssertionError("entered")


def test_what_is_not_there_cannot_be_watched(live: FakeWorld, tmp_path: Path) -> None:
    with (
        pytest.raises(TargetAbsentError, match="does not exist"),
        Ambush(read("commit"), target_of(tmp_path / "no"), live),
    ):
        pass
