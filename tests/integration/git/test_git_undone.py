"""Undone although the place has changed, is full, or was tidied up: nothing that chaosd did stays."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from daemon.core.errors import UndoFailedError
from daemon.core.model import Outcome
from tests.e2e.journal.stage import small_disk
from tests.fakes import FakeWorld
from tests.integration.git.shed import commit, git, order_of, picture, run, strike
from tests.integration.git.test_git_catalogue import full_world
from tests.integration.git.yard import build_small


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    return build_small(tmp_path)


@pytest.fixture
def world(tmp_path: Path) -> FakeWorld:
    return full_world(tmp_path)


@pytest.mark.parametrize("mode", ["loose-object-truncate", "objects-missing", "packed-refs-garbage"])
def test_what_a_linked_work_tree_shares_is_restored_when_the_tree_itself_is_gone(
    mode: str, clone: Path, world: FakeWorld
) -> None:
    git(clone, "worktree", "add", "-q", "-b", "thread-linked", "../linked", "thread-a")
    linked = clone.parent / "linked"
    commit(linked, "in the linked tree", src__app_js="let a = 7;\n" * 20)
    sound = run(clone, "fsck", "--full").stdout
    kind, undo = strike("git-corrupt", mode, linked, world)
    shutil.rmtree(linked)
    shutil.rmtree(clone / ".git/worktrees/linked")
    assert kind.revert(undo, world).outcome is Outcome.RESTORED
    assert run(clone, "fsck", "--full").stdout == sound
    assert run(clone, "log", "thread-linked").returncode == 0


@pytest.fixture
def mounted() -> Iterator[Path]:
    with TemporaryDirectory() as name, small_disk(Path(name, "disk")) as there:
        assert there, "mounting is not permitted"
        yield Path(name, "disk")


def test_a_disk_that_we_filled_is_given_back(mounted: Path, world: FakeWorld) -> None:
    clone = build_small(mounted)
    before = picture(clone / ".git")
    kind, undo = strike("git-worktree", "disk-full", clone, world)
    with pytest.raises(OSError, match="No space left"):
        (clone / "more").write_bytes(bytes(1 << 16))
    (clone / "more").unlink()
    assert kind.revert(undo, world).outcome is Outcome.RESTORED
    assert picture(clone / ".git") == before


def test_a_process_of_ours_ends_although_the_clone_was_replaced(clone: Path, world: FakeWorld) -> None:
    kind, undo = strike("git-remote", "http-hang", clone, world)
    (clone / ".git").rename(clone.parent / "old")
    git(clone, "init", "-q")
    assert kind.revert(undo, world).outcome is Outcome.SUPERSEDED
    assert world.processes.find(match=f"chaosd-holder {order_of(clone).injection}") == ()


@pytest.mark.parametrize("mode", ["file-to-directory", "file-to-link"])
def test_a_worker_that_tidies_up_does_not_throw_away_what_we_keep(mode: str, clone: Path, world: FakeWorld) -> None:
    before = git(clone, "status", "--porcelain")
    kind, undo = strike("git-worktree", mode, clone, world)
    git(clone, "clean", "-fdxq")
    assert ".chaosd" not in git(clone, "status", "--porcelain", "--ignored")
    assert kind.revert(undo, world).outcome is not Outcome.UNTOUCHED
    assert git(clone, "status", "--porcelain") == before


def test_what_was_kept_and_is_lost_is_no_success(clone: Path, world: FakeWorld) -> None:
    kind, undo = strike("git-worktree", "file-to-link", clone, world)
    (kept,) = (clone / ".git").glob(".chaosd-*-kept")
    kept.unlink()
    with pytest.raises(UndoFailedError, match="neither there nor at"):
        kind.revert(undo, world)


def test_an_index_that_git_read_before_the_undo_and_wrote_after_it_names_nothing_that_is_gone(
    clone: Path, world: FakeWorld
) -> None:
    """`git commit -- FILE` reads the index before it takes its lock: what we staged may come back after it."""
    kind, undo = strike("git-state", "dirty-staged", clone, world)
    (clone / "theirs.txt").write_text("theirs\n")
    git(clone, "add", "theirs.txt")
    read = (clone / ".git/index").read_bytes()
    reversion = kind.revert(undo, world)
    assert (reversion.outcome, reversion.partly, reversion.by_worker) == (Outcome.SUPERSEDED, True, False)
    assert git(clone, "diff", "--cached", "--name-only") == "theirs.txt", "what we staged was taken out"
    (clone / ".git/index").write_bytes(read)
    assert "missing" not in run(clone, "fsck", "--full").stdout


@pytest.mark.parametrize("mode", ["diverged", "force-pushed"])
def test_a_commit_of_ours_on_which_the_worker_built_stays_in_the_remote(
    mode: str, clone: Path, world: FakeWorld
) -> None:
    """The very repair that the table names: without our commit, what was pushed on top of it could not be read."""
    kind, undo = strike("git-remote", mode, clone, world)
    git(clone, "pull", "-q", "--rebase")
    git(clone, "push", "-q")
    assert kind.revert(undo, world).by_worker
    remote = clone.parent / "remote.git"
    assert git(remote, "rev-parse", "thread-a") == git(clone, "rev-parse", "HEAD")
    assert run(remote, "fsck", "--full").returncode == 0


@pytest.mark.parametrize(
    ("mode", "command"),
    [
        ("merge-conflict", ("branch", "saved", "MERGE_HEAD")),
        ("rebase-merge", ("tag", "saved")),
        ("rebase-merge", ("worktree", "add", "-q", "--detach", "../saved")),
        ("stash-conflict", ("checkout", "-q", "stash@{0}", "--", ".")),
    ],
)
def test_an_object_of_ours_that_the_worker_names_stays(
    mode: str, command: tuple[str, ...], clone: Path, world: FakeWorld
) -> None:
    kind, undo = strike("git-state", mode, clone, world)
    git(clone, *command)
    assert "(kept: " in kind.revert(undo, world).detail
    assert run(clone, "fsck", "--full").returncode == 0


def test_refs_that_do_not_lead_to_what_we_made_do_not_keep_it(clone: Path, world: FakeWorld) -> None:
    kind, undo = strike("git-state", "stash-conflict", clone, world)
    git(clone, "tag", "-a", "-m", "one", "v1")
    commit(clone, "meanwhile", z_txt="z\n")
    git(clone, "push", "-q")
    assert kind.revert(undo, world).outcome is Outcome.RESTORED
    assert run(clone, "cat-file", "-e", str(undo.victim["commit"])).returncode != 0
    assert run(clone, "fsck", "--full").returncode == 0


def test_an_object_of_ours_that_the_worker_has_written_as_well_stays(clone: Path, world: FakeWorld) -> None:
    kind, undo = strike("git-state", "dirty-staged", clone, world)
    file = undo.victim["file"]
    identity = git(clone, "hash-object", "-w", str(file))
    assert "(kept: git has been asked to write it, too)" in kind.revert(undo, world).detail
    assert git(clone, "cat-file", "-t", identity) == "blob"


def test_where_nobody_wrote_the_index_what_we_made_for_it_goes(clone: Path, world: FakeWorld) -> None:
    before = picture(clone.parent)
    kind, undo = strike("git-state", "dirty-staged", clone, world)
    assert kind.revert(undo, world).outcome is Outcome.RESTORED
    assert picture(clone.parent) == before


def test_what_was_taken_back_only_in_part_was_not_healed_by_the_worker(clone: Path, world: FakeWorld) -> None:
    kind, undo = strike("git-corrupt", "config-hooks-path", clone, world)
    git(clone, "config", "--unset", "core.hooksPath")
    reversion = kind.revert(undo, world)
    assert (reversion.outcome, reversion.partly) == (Outcome.SUPERSEDED, True), "the hook was taken away by us"
    kind, undo = strike("git-corrupt", "config-filemode-off", clone, world)
    git(clone, "config", "--replace-all", "core.fileMode", "true")
    assert kind.revert(undo, world).by_worker


@pytest.mark.parametrize(
    ("family", "mode"), [("git-state", "dirty-staged"), ("git-corrupt", "index-skip-worktree")]
)
@pytest.mark.parametrize("times", [1, 3])
def test_what_a_git_writes_back_into_the_index_after_the_undo_is_taken_out_again(
    family: str, mode: str, times: int, clone: Path, world: FakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = git(clone, "ls-files", "--stage", "-t")
    kind, undo = strike(family, mode, clone, world)
    index = clone / ".git/index"
    read, left = index.read_bytes(), [None] * times

    def writes(*_: object) -> bool:
        if left:
            left.pop()
            index.write_bytes(read)
        return False

    monkeypatch.setattr(world.clock, "wait", writes)
    kind.revert(undo, world)
    assert not left
    assert git(clone, "ls-files", "--stage", "-t") == before


def test_what_is_written_back_again_and_again_is_no_undo(
    clone: Path, world: FakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, undo = strike("git-corrupt", "index-skip-worktree", clone, world)
    index = clone / ".git/index"
    read = index.read_bytes()
    monkeypatch.setattr(world.clock, "wait", lambda *_: index.write_bytes(read) == 0)
    with pytest.raises(UndoFailedError, match="again and again"):
        kind.revert(undo, world)
