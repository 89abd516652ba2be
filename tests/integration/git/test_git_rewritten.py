"""Git itself has written anew, during the fault, what we emptied, deleted or moved: the rest still comes back."""

import os
import shutil
import subprocess
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from daemon.core.errors import UndoFailedError
from daemon.core.gitobjects import object_id
from daemon.core.model import Outcome
from tests.fakes import Death, FakeWorld
from tests.integration.git.shed import (
    ENVIRONMENT,
    Doomed,
    commit,
    git,
    run,
    strike,
    world_of,
    write,
)


@pytest.fixture
def clone(small_clone: Path) -> Path:
    return small_clone


corrupt = partial(strike, "git-corrupt")


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
    kind, undo = corrupt("reflog-head-missing", clone, world)
    commit(clone, "meanwhile", z_txt="z\n")
    assert len(git(clone, "reflog").splitlines()) == 1
    taken_back(kind, undo, clone, world)
    assert len(git(clone, "reflog").splitlines()) == len(before) + 1
    assert git(clone, "rev-parse", "HEAD@{1}") == git(clone, "rev-parse", "HEAD~1")


@pytest.mark.parametrize("mode", ["stash-log-missing", "stash-log-empty", "stash-missing"])
def test_a_stash_that_git_began_anew_lies_on_top_of_the_old_one(mode: str, clone: Path, world: FakeWorld) -> None:
    before = stashes(clone)
    kind, undo = corrupt(mode, clone, world)
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
    kind, undo = corrupt(mode, clone, world)
    stash(clone)
    git(clone, "stash", "pop", "-q")
    assert not (clone / ".git/refs/stash").exists()
    taken_back(kind, undo, clone, world)
    assert stashes(clone) == before


@pytest.mark.parametrize("commands", ["pop", "clear", "pop push", "drop push"])
def test_an_entry_that_was_left_and_that_the_worker_dropped_does_not_keep_the_others_away(
    commands: str, clone: Path, world: FakeWorld
) -> None:
    before = stashes(clone)
    kind, undo = corrupt("stash-log-newest-only", clone, world)
    for command in commands.split():
        if command == "push":
            write(clone, "README.md", "# the worker's\n")
            git(clone, "stash", "push", "-q", "-m", "made meanwhile")
        else:
            git(clone, "stash", command)
    taken_back(kind, undo, clone, world)
    assert stashes(clone)[1 if "push" in commands else 0 :] == before[1:]
    git(clone, "stash", "drop", "-q")
    assert stashes(clone) == before[1 if "push" in commands else 2 :]


# --- packed-refs -----------------------------------------------------------------------------------------


def refs(clone: Path) -> dict[str, str]:
    form = "--format=%(refname) %(objectname) %(*objectname)"
    lines = git(clone, "for-each-ref", form).splitlines()
    return {name: said.strip() for name, _, said in (line.partition(" ") for line in lines)}


@pytest.fixture
def packed(clone: Path) -> Path:
    """A clone whose refs are all packed, an annotated tag and a branch that only it has among them."""
    git(clone, "branch", "local-only", "HEAD~1")
    git(clone, "tag", "-a", "-m", "one", "v1")
    git(clone, "update-ref", "refs/x0", "HEAD~1")
    git(clone, "gc", "-q")
    return clone


@pytest.mark.parametrize("mode", ["packed-refs-missing", "packed-refs-empty"])
@pytest.mark.parametrize("command", [("gc", "-q"), ("pack-refs", "--all")])
def test_refs_are_back_beside_those_that_git_has_packed_since(
    mode: str, command: tuple[str, ...], packed: Path, world: FakeWorld
) -> None:
    before, here = refs(packed), git(packed, "symbolic-ref", "HEAD")
    kind, undo = corrupt(mode, packed, world)
    git(packed, "fetch", "-q")
    git(packed, "update-ref", here, before["refs/heads/local-only"])
    git(packed, "tag", "-a", "-m", "two", "v2", here)
    meanwhile = refs(packed)
    git(packed, *command)
    assert "refs/heads/local-only" not in refs(packed)
    taken_back(kind, undo, packed, world)
    assert refs(packed) == {**before, **meanwhile}
    assert (packed / ".git/packed-refs").read_bytes().startswith(b"# pack-refs with: peeled fully-peeled sorted \n")
    git(packed, "pack-refs", "--all")
    assert refs(packed) == {**before, **meanwhile}


def test_a_branch_that_was_deleted_is_back_after_git_has_packed_the_others(packed: Path, world: FakeWorld) -> None:
    before = refs(packed)
    kind, undo = corrupt("ref-other-vanished", packed, world)
    git(packed, "tag", "v2")
    git(packed, "pack-refs", "--all")
    taken_back(kind, undo, packed, world)
    assert refs(packed) == {**before, "refs/tags/v2": git(packed, "rev-parse", "v2")}


def test_refs_in_the_wrong_order_are_sorted_although_git_has_added_one(packed: Path, world: FakeWorld) -> None:
    before = refs(packed)
    kind, undo = corrupt("packed-refs-unsorted", packed, world)
    git(packed, "tag", "v2", before["refs/heads/local-only"])
    git(packed, "pack-refs", "--all")
    taken_back(kind, undo, packed, world)
    assert refs(packed) == {**before, "refs/tags/v2": before["refs/heads/local-only"]}
    for name in refs(packed):
        assert run(packed, "show-ref", "--verify", name).returncode == 0, "git's binary search does not find it"


@pytest.mark.parametrize("command", [("pack-refs", "--all"), ("pack-refs",)])
def test_a_ref_in_whose_place_the_worker_made_another_is_named_and_not_called_repaired(
    command: tuple[str, ...], packed: Path, world: FakeWorld
) -> None:
    before = refs(packed)
    kind, undo = corrupt("packed-refs-missing", packed, world)
    git(packed, "update-ref", "refs/x0/sub", before["refs/x0"])
    git(packed, "tag", "v2", before["refs/x0"])
    git(packed, *command)  # without --all, only what is a tag
    reversion = kind.revert(undo, world)
    assert (reversion.outcome, reversion.partly) == (Outcome.SUPERSEDED, True)
    assert "put back but for refs/x0: others are in the way" in reversion.detail
    expected = {**before, "refs/x0/sub": before["refs/x0"], "refs/tags/v2": before["refs/x0"]}
    del expected["refs/x0"]
    assert refs(packed) == expected
    again = kind.revert(undo, world)
    assert (again.outcome, again.partly) == (Outcome.SUPERSEDED, False)
    assert "not put back: refs/x0: others are in the way" in again.detail


@pytest.mark.parametrize("mode", ["ref-rollback", "ref-tracking-stale", "ref-tag-ambiguous", "ref-replace"])
@pytest.mark.parametrize("command", [("gc", "-q"), ("pack-refs", "--all")])
def test_a_ref_that_git_has_packed_as_we_left_it_is_taken_back(
    mode: str, command: tuple[str, ...], clone: Path, world: FakeWorld
) -> None:
    """Any commit may start `git gc --auto`: a branch that we rolled back stayed where we had put it."""
    before = refs(clone)
    kind, undo = corrupt(mode, clone, world)
    git(clone, "tag", "v2")
    assert refs(clone) != {**before, "refs/tags/v2": refs(clone)["refs/tags/v2"]}
    git(clone, *command)
    taken_back(kind, undo, clone, world)
    assert refs(clone) == {**before, "refs/tags/v2": git(clone, "rev-parse", "HEAD")}


def test_a_ref_that_was_packed_already_and_is_packed_anew_is_taken_back(clone: Path, world: FakeWorld) -> None:
    remote = clone.parent / "remote.git"
    git(remote, "pack-refs", "--all")
    before = refs(remote)
    kind, undo = strike("git-remote", "rewound", clone, world)
    git(remote, "pack-refs", "--all")
    assert refs(remote) != before
    assert kind.revert(undo, world).outcome is Outcome.RESTORED
    assert refs(remote) == before


def test_a_ref_that_the_worker_moved_on_and_packed_is_the_worker_s(clone: Path, world: FakeWorld) -> None:
    kind, undo = corrupt("ref-rollback", clone, world)
    branch = Path(str(undo.victim["path"])).name
    git(clone, "branch", "-f", branch, "thread-a")
    git(clone, "pack-refs", "--all")
    assert kind.revert(undo, world).by_worker
    assert git(clone, "rev-parse", branch) == git(clone, "rev-parse", "thread-a")


@pytest.mark.parametrize("mode", ["ref-rollback", "ref-tag-ambiguous"])
def test_whoever_dies_while_a_packed_ref_is_taken_back_leaves_nothing(
    mode: str, clone: Path, world: FakeWorld, tmp_path: Path
) -> None:
    before = refs(clone)
    for moment in count(1):
        kind, undo = corrupt(mode, clone, world)
        git(clone, "pack-refs", "--all")
        died = True
        with suppress(Death):
            kind.revert(undo, world_of(tmp_path, Doomed(moment)))
            died = False
        kind.revert(undo, world)
        assert refs(clone) == before
        assert not [name for name in contents(clone) if "chaosd" in name or name.endswith(".lock")]
        if not died:
            break
    assert moment > 10


# --- configuration ---------------------------------------------------------------------------------------


def settings(clone: Path) -> list[str]:
    return run(clone, "config", "--list", "--local").stdout.splitlines()  # fails when there is no file


def key(setting: str) -> str:
    return setting.partition("=")[0]


@pytest.mark.parametrize(
    "mode", ["config-missing", "config-empty", "config-truncate", "config-no-remote", "config-no-fetch"]
)
def test_what_the_worker_sets_wins_and_everything_else_is_back(mode: str, clone: Path, world: FakeWorld) -> None:
    git(clone, "config", "--add", "remote.origin.fetch", "+refs/notes/*:refs/notes/*")
    git(clone, "config", "branch.thread-a.description", 'two \\\n "lines" ; here')
    before = settings(clone)
    kind, undo = corrupt(mode, clone, world)
    assert settings(clone) != before
    git(clone, "config", "user.name", "X")
    git(clone, "config", "worker.says", "hello")
    taken_back(kind, undo, clone, world)
    changed = ("user.name=X", "worker.says=hello")
    assert sorted(settings(clone)) == sorted([*(s for s in before if key(s) != "user.name"), *changed])
    assert [s for s in settings(clone) if "fetch" in s] == [s for s in before if "fetch" in s]
    git(clone, "fetch", "-q", "origin")


def test_a_remote_that_the_worker_adds_anew_is_the_worker_s(clone: Path, world: FakeWorld) -> None:
    kind, undo = corrupt("config-empty", clone, world)
    git(clone, "remote", "add", "origin", "../elsewhere.git")
    taken_back(kind, undo, clone, world)
    assert git(clone, "config", "--get-all", "remote.origin.url") == "../elsewhere.git"
    assert len(git(clone, "config", "--get-all", "remote.origin.fetch").splitlines()) == 1
    assert git(clone, "config", "user.name") == "W"


# --- objects ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["loose-object-forged", "loose-object-swapped"])
@pytest.mark.parametrize("command", [("repack", "-adq"), ("repack", "-aq")])
def test_an_object_that_git_has_packed_as_we_left_it_is_no_success_until_the_pack_is_gone(
    mode: str, command: tuple[str, ...], clone: Path, world: FakeWorld
) -> None:
    sound = run(clone, "fsck", "--full").stderr
    kind, undo = corrupt(mode, clone, world)
    git(clone, *command)
    for _ in range(2):
        with pytest.raises(UndoFailedError, match="git has packed") as failed:
            kind.revert(undo, world)
    pack = Path(next(word.removesuffix(".*") for word in failed.value.hint.split() if word.endswith(".*")))
    for part in pack.parent.glob(f"{pack.name}.*"):
        part.rename(clone.parent / part.name)
    with (clone.parent / f"{pack.name}.pack").open("rb") as packed:
        subprocess.run(["git", "-C", str(clone), "unpack-objects", "-q"], env=ENVIRONMENT, stdin=packed, check=True)
    kind.revert(undo, world)
    assert run(clone, "fsck", "--full").stderr == sound


# --- whole directories -----------------------------------------------------------------------------------


def reflogs(clone: Path) -> dict[str, int]:
    logs = clone / ".git/logs"
    return {str(p.relative_to(logs)): len(p.read_text().splitlines()) for p in logs.rglob("*") if p.is_file()}


@pytest.mark.parametrize("popped", [False, True])
def test_reflogs_that_git_began_anew_continue_the_old_ones(popped: bool, clone: Path, world: FakeWorld) -> None:
    before, kept = reflogs(clone), stashes(clone)
    kind, undo = corrupt("reflog-missing", clone, world)
    commit(clone, "meanwhile", z_txt="z\n")
    stash(clone)
    if popped:
        git(clone, "stash", "pop", "-q")
    taken_back(kind, undo, clone, world)
    after = reflogs(clone)
    assert after.keys() == before.keys()
    assert [name for name in before if after[name] < before[name]] == []
    assert git(clone, "rev-parse", "thread-a@{1}") == git(clone, "rev-parse", "HEAD~1")
    assert stashes(clone)[0 if popped else 1 :] == kept


def test_refs_are_back_beside_the_one_that_a_commit_in_flight_has_made(clone: Path, world: FakeWorld) -> None:
    before = refs(clone)
    command = ("git", "-C", str(clone), "update-ref", "--stdin")
    with subprocess.Popen(
        command, env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as git_:
        assert git_.stdin is not None
        assert git_.stdout is not None
        git_.stdin.write("start\n")
        git_.stdin.flush()
        assert git_.stdout.readline() == "start: ok\n"
        kind, undo = corrupt("refs-missing", clone, world)
        git_.stdin.write(f"update refs/heads/thread-a {before['refs/heads/thread-b']}\ncommit\n")
        git_.stdin.close()
        assert git_.wait() == 0
    assert list((clone / ".git/refs/heads").iterdir()) == [clone / ".git/refs/heads/thread-a"]
    taken_back(kind, undo, clone, world)
    assert refs(clone) == {**before, "refs/heads/thread-a": before["refs/heads/thread-b"]}
    assert len(stashes(clone)) == 3


def test_older_values_that_git_packed_meanwhile_do_not_win_and_newer_ones_do(clone: Path, world: FakeWorld) -> None:
    git(clone, "pack-refs", "--all")
    commit(clone, "newer than packed", z_txt="z\n")
    git(clone, "branch", "-f", "thread-b", "HEAD~2")
    before = refs(clone)
    kind, undo = corrupt("refs-missing", clone, world)
    (clone / ".git/refs").mkdir()
    git(clone, "update-ref", "refs/heads/thread-b", before["refs/heads/main"])
    git(clone, "pack-refs", "--all")
    taken_back(kind, undo, clone, world)
    assert refs(clone) == {**before, "refs/heads/thread-b": before["refs/heads/main"]}


@pytest.mark.parametrize("packed", [False, True])
def test_what_cannot_be_put_back_is_kept_and_told(packed: bool, clone: Path, world: FakeWorld) -> None:
    git(clone, "tag", "v1", "HEAD~1")
    git(clone, "update-ref", "refs/x0", "HEAD")
    git(clone, "update-ref", "--create-reflog", "refs/x1", "HEAD")
    before = refs(clone)
    kind, undo = corrupt("refs-missing", clone, world)
    (clone / ".git/refs").mkdir()
    git(clone, "tag", "v1", before["refs/heads/main"])
    git(clone, "update-ref", "refs/x0/sub", before["refs/heads/main"])
    if packed:
        git(clone, "pack-refs", "--all")
        (clone / ".git/refs/x0").rmdir()  # which git leaves, and removes when it is in its way
    (clone / ".git/refs/x1").mkdir()
    reversion = kind.revert(undo, world)
    assert (reversion.outcome, reversion.partly) == (Outcome.SUPERSEDED, True)
    assert "joined but for tags/v1, x0, x1, kept in" in reversion.detail
    assert git(clone, "rev-parse", "v1") == before["refs/heads/main"], "the worker's"
    expected = {**before, "refs/tags/v1": before["refs/heads/main"], "refs/x0/sub": before["refs/heads/main"]}
    del expected["refs/x0"], expected["refs/x1"]
    assert refs(clone) == expected
    (kept,) = clone.glob(".git/.chaosd-*-kept")
    assert (kept / "tags/v1").read_text().strip() == before["refs/tags/v1"]


@pytest.mark.parametrize("mode", ["loose-fanout-missing", "objects-missing"])
def test_objects_are_back_beside_those_that_git_has_written_since(mode: str, clone: Path, world: FakeWorld) -> None:
    before = contents(clone)
    kind, undo = corrupt(mode, clone, world)
    place = clone / undo.victim["path"]
    wanted = "" if mode == "objects-missing" else place.name
    (clone / ".git/objects").mkdir(exist_ok=True)
    texts = (f"{number}\n" for number in count())
    text = next(text for text in texts if object_id("sha1", "blob", text.encode()).startswith(wanted))
    write(clone, "new.txt", text)
    again = next(path for path in before if path.startswith(f"{undo.victim['path']}/") and path[-39] == "/")
    identity = git(clone, "hash-object", "-w", "new.txt")
    (clone / again).parent.mkdir(exist_ok=True)
    (clone / again).write_bytes(before[again])  # written again, as it was
    taken_back(kind, undo, clone, world)
    assert git(clone, "cat-file", "blob", identity) == text.strip()
    assert contents(clone).items() >= before.items()


@pytest.mark.parametrize("mode", ["packed-refs-missing", "refs-missing", "stash-log-missing"])
def test_what_git_pruned_while_its_name_was_hidden_is_told(mode: str, clone: Path, world: FakeWorld) -> None:
    git(clone, "branch", "only-here")
    for _ in range(2):
        git(clone, "commit", "-q", "--allow-empty", "-m", "told by one name alone")
        git(clone, "update-ref", "refs/heads/only-here", "HEAD")
    git(clone, "reset", "-q", "--hard", "HEAD~2")
    git(clone, "reflog", "expire", "--expire=now", "HEAD")
    (clone / ".git/logs/refs/heads/only-here").unlink(missing_ok=True)
    (clone / ".git/ORIG_HEAD").unlink()
    if mode == "packed-refs-missing":
        git(clone, "pack-refs", "--all", "--prune")
    stash = git(clone, "rev-parse", "stash@{1}")
    shutil.copytree(clone / ".git/objects", clone.parent / "saved")
    kind, undo = corrupt(mode, clone, world)
    if mode == "stash-log-missing":
        (clone / ".git/refs/stash").unlink()
    (clone / ".git/refs").mkdir(exist_ok=True)
    git(clone, "gc", "--prune=now")
    with pytest.raises(UndoFailedError, match="git has pruned what nothing else named") as told:
        kind.revert(undo, world)
    lost = stash if mode == "stash-log-missing" else git(clone, "rev-parse", "only-here")
    assert lost in told.value.message
    shutil.copytree(clone.parent / "saved", clone / ".git/objects", dirs_exist_ok=True)
    kind.revert(undo, world)


def test_nothing_is_joined_through_a_link(clone: Path, world: FakeWorld) -> None:
    kind, undo = corrupt("reflog-missing", clone, world)
    elsewhere = clone.parent / "elsewhere"
    elsewhere.mkdir()
    (clone / ".git/logs").mkdir()
    (clone / ".git/logs/refs").symlink_to(elsewhere)
    reversion = kind.revert(undo, world)
    assert (reversion.outcome, reversion.partly) == (Outcome.SUPERSEDED, True)
    assert list(elsewhere.iterdir()) == []
    assert (clone / ".git/logs/HEAD").exists()


@pytest.mark.parametrize("mode", ["reflog-missing", "refs-missing"])
def test_whoever_dies_while_joining_leaves_what_can_be_joined(mode: str, clone: Path, tmp_path: Path) -> None:
    before = refs(clone), reflogs(clone)
    kind, undo = corrupt(mode, clone, world_of(tmp_path))
    (clone / ".git/refs").mkdir(exist_ok=True)
    git(clone, "update-ref", "-m", "meanwhile", "refs/heads/thread-b", git(clone, "rev-parse", "ORIG_HEAD"))
    (clone / ".git/logs/refs").mkdir(exist_ok=True)
    for moment in count(1):
        with suppress(Death):
            kind.revert(undo, world_of(tmp_path, Doomed(moment)))
            break
    assert moment > 10
    reversion = kind.revert(undo, world_of(tmp_path))
    assert reversion.outcome is Outcome.RESTORED
    assert not [name for name in contents(clone) if "chaosd" in name or name.endswith(".lock")]
    assert refs(clone).keys() == before[0].keys()
    assert reflogs(clone) == {**before[1], "refs/heads/thread-b": before[1]["refs/heads/thread-b"] + 1}
    assert len(stashes(clone)) == 3
