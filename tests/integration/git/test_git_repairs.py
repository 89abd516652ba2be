"""What the worker does during a fault is its own: a repair is left alone, newer work is never overwritten."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from daemon.core.model import Outcome
from daemon.core.seams import FileStat
from daemon.ports.files import LocalFiles
from faults.git.corrupt import GitCorrupt
from faults.git.lock import GitLock
from tests.fakes import FakeWorld, Switch
from tests.integration.git.shed import MODES, NAMES, commit, git, order_of, picture, through_json, world_of
from tests.integration.git.shed import strike as strike_any

every_mode = pytest.mark.parametrize(("fault", "mode"), MODES, ids=NAMES)
OBJECT_MODES = [name for name in NAMES if name.startswith("loose")]


def strike(mode: str, clone: Path, world: FakeWorld, **more: Any) -> tuple[Any, Any]:
    fault = next(f for f, name in MODES if name == mode)
    undo = through_json(fault(mode=mode, **more).prepare(order_of(clone), world))
    fault.inject(undo, world, Switch())
    return fault, undo


def left_alone(fault: Any, undo: Any, clone: Path, world: FakeWorld) -> None:
    """Assert that a revert says superseded, twice, and changes nothing at all."""
    repaired = picture(clone)
    for _ in range(2):
        assert fault.revert(undo, world).outcome is Outcome.SUPERSEDED
        assert picture(clone) == repaired


@pytest.mark.parametrize("mode", ["index-lock", "ref-lock", "head-lock"])
def test_a_removed_lock(mode: str, clone: Path, world: FakeWorld) -> None:
    fault, undo = strike(mode, clone, world)
    (clone / undo.victim["path"]).unlink()
    left_alone(fault, undo, clone, world)


@pytest.mark.parametrize("mode", ["index-lock", "ref-lock", "head-lock"])
def test_a_lock_that_is_now_somebody_elses(mode: str, clone: Path, world: FakeWorld) -> None:
    fault, undo = strike(mode, clone, world)
    path = clone / undo.victim["path"]
    path.unlink()
    path.write_bytes(b"")
    left_alone(fault, undo, clone, world)
    assert path.exists()


@pytest.mark.parametrize("mode", OBJECT_MODES)
def test_an_object_written_anew(mode: str, clone: Path, world: FakeWorld) -> None:
    fault, undo = strike(mode, clone, world, object="blob")
    path = clone / undo.victim["path"]
    path.unlink(missing_ok=True)
    assert git(clone, "hash-object", "-w", undo.victim["name"]) == undo.victim["object"]
    left_alone(fault, undo, clone, world)
    assert git(clone, "fsck") == ""


def test_an_object_fetched_anew_into_a_pack(clone: Path, world: FakeWorld) -> None:
    bundle = clone.parent / "all.bundle"
    git(clone, "bundle", "create", "-q", str(bundle), "--all")
    fault, undo = strike("loose-object-missing", clone, world, object="blob")
    with bundle.open("rb") as file:
        pack = file.read()
    (clone.parent / "healing.pack").write_bytes(pack[pack.index(b"PACK") :])
    identity = git(clone, "index-pack", str(clone.parent / "healing.pack"))
    for made in clone.parent.glob("healing.*"):
        shutil.copy(made, clone / ".git/objects/pack" / f"pack-{identity}{made.suffix}")
    assert git(clone, "cat-file", "-t", undo.victim["object"]) == "blob"
    left_alone(fault, undo, clone, world)


@pytest.mark.parametrize("mode", ["loose-object-truncate", "loose-object-bitflip"])
def test_a_damaged_object_that_was_only_deleted_comes_back(mode: str, clone: Path, world: FakeWorld) -> None:
    before = picture(clone)
    fault, undo = strike(mode, clone, world)
    path = clone / undo.victim["path"]
    path.unlink()
    if not any(path.parent.iterdir()):
        path.parent.rmdir()  # as git does with an object directory that has become empty
    assert fault.revert(undo, world).outcome is Outcome.RESTORED
    assert git(clone, "fsck") == ""
    after = picture(clone)
    key = undo.victim["path"]
    assert after[key] == before[key]


def test_a_new_index(clone: Path, world: FakeWorld) -> None:
    fault, undo = strike("index-truncate", clone, world)
    (clone / ".git/index").unlink()
    git(clone, "reset", "-q")
    left_alone(fault, undo, clone, world)


def test_an_index_taken_away(clone: Path, world: FakeWorld) -> None:
    fault, undo = strike("index-truncate", clone, world)
    (clone / ".git/index").unlink()
    left_alone(fault, undo, clone, world)


def test_a_head_written_anew_and_moved_on(clone: Path, world: FakeWorld) -> None:
    fault, undo = strike("head-garbage", clone, world)
    (clone / ".git/HEAD").write_text("ref: refs/heads/main\n")
    left_alone(fault, undo, clone, world)


def test_a_head_written_anew_as_it_was(clone: Path, world: FakeWorld) -> None:
    fault, undo = strike("head-garbage", clone, world)
    (clone / ".git/HEAD").write_text("ref: refs/heads/thread-a\n")
    left_alone(fault, undo, clone, world)


@pytest.mark.parametrize("mode", ["ref-empty", "ref-missing-object"])
def test_a_branch_repaired_and_worked_on(mode: str, clone: Path, world: FakeWorld) -> None:
    last = git(clone, "rev-parse", "HEAD")
    fault, undo = strike(mode, clone, world)
    (clone / ".git/refs/heads/thread-a").write_text(f"{last}\n")
    newest = commit(clone, "after the repair", src__app_js="repaired\n")
    left_alone(fault, undo, clone, world)
    assert git(clone, "rev-parse", "thread-a") == newest


@every_mode
def test_a_repository_cloned_anew(fault: Any, mode: str, clone: Path, world: FakeWorld) -> None:
    _, undo = strike(mode, clone, world)
    clone.rename(clone.parent / "broken")
    git(clone.parent, "clone", "-q", str(clone.parent / "remote.git"), str(clone))
    left_alone(fault, undo, clone, world)


def clone_anew_in_the_same_inodes(clone: Path) -> None:
    """Do what `rm -rf` and `git clone` do where the file system gives the freed inodes to the next directories."""
    fresh = clone.parent / "fresh"
    git(clone.parent, "clone", "-q", str(clone.parent / "remote.git"), str(fresh))
    for old in (clone / ".git").iterdir():
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    for new in (fresh / ".git").iterdir():
        new.rename(clone / ".git" / new.name)
    git(clone, "reset", "-q", "--hard")


@pytest.mark.parametrize(
    ("family", "mode"),
    [
        ("git-corrupt", "reflog-missing"),
        ("git-corrupt", "reflog-head-missing"),
        ("git-corrupt", "config-missing"),
        ("git-corrupt", "loose-object-truncate"),
        ("git-worktree", "file-to-link"),
    ],
)
def test_a_repository_cloned_anew_that_got_the_inodes_of_the_old_one(
    family: str, mode: str, clone: Path, world: FakeWorld
) -> None:
    kind, undo = strike_any(family, mode, clone, world)
    clone_anew_in_the_same_inodes(clone)
    left_alone(kind, undo, clone, world)


@pytest.mark.parametrize("mode", ["index-truncate", "index-lock"])
def test_a_repository_in_which_ours_still_stands_was_not_cloned_anew(
    mode: str, clone: Path, world: FakeWorld
) -> None:
    before = git(clone, "ls-files", "--stage")
    fault, undo = strike(mode, clone, world)
    (clone / ".git/description").touch()
    assert fault.revert(undo, world).outcome is Outcome.RESTORED
    assert git(clone, "ls-files", "--stage") == before


@every_mode
def test_a_repository_taken_away(fault: Any, mode: str, clone: Path, world: FakeWorld) -> None:
    _, undo = strike(mode, clone, world)
    shutil.rmtree(clone)
    assert fault.revert(undo, world).outcome is Outcome.SUPERSEDED
    assert not clone.exists()


@pytest.mark.parametrize("mode", ["index-truncate", "head-garbage", "ref-empty", "ref-missing-object"])
def test_an_undo_does_not_wait_for_ever_for_a_stale_lock(mode: str, clone: Path, world: FakeWorld) -> None:
    fault, undo = strike(mode, clone, world)
    lock = clone / f"{undo.victim['path']}.lock"
    lock.write_bytes(b"")
    good = undo.data["edits"][0]["before"]["sha256"]
    reversion = fault.revert(undo, world)
    assert reversion.outcome is Outcome.RESTORED
    assert [proof["now"] for proof in reversion.proof.values()] == [f"sha256:{good}"]
    assert lock.exists()


@pytest.mark.parametrize("mode", ["index-truncate", "head-garbage", "ref-empty", "ref-missing-object"])
def test_what_git_writes_while_the_undo_waits_for_its_lock_is_kept(
    mode: str, clone: Path, world: FakeWorld
) -> None:
    """The race that loses commits: compare, then git replaces the file, then we do."""
    fault, undo = strike(mode, clone, world)
    path = clone / undo.victim["path"]
    lock = Path(f"{path}.lock")
    lock.write_bytes(b"what git wrote\n")
    world.clock.at(0.3, lambda: lock.rename(path))
    assert fault.revert(undo, world).outcome is Outcome.SUPERSEDED
    assert path.read_bytes() == b"what git wrote\n"


class Meddling(LocalFiles):
    """While we hold git's lock, a worker clears it away and another git takes it."""

    def put(self, path: str, content: bytes, like: FileStat, *, temporary: str) -> None:
        super().put(path, content, like, temporary=temporary)
        Path(f"{path}.lock").unlink()
        Path(f"{path}.lock").write_bytes(b"another git's")


def test_a_lock_that_changed_hands_while_we_held_it(clone: Path, world: FakeWorld, tmp_path: Path) -> None:
    undo = GitCorrupt(mode="index-truncate").prepare(order_of(clone), world)
    GitCorrupt.inject(undo, world_of(tmp_path, Meddling()), Switch())
    assert (clone / ".git/index.lock").read_bytes() == b"another git's"


@pytest.mark.parametrize(
    "fault", [GitCorrupt(mode="loose-object-truncate", object="blob"), GitLock(mode="head-lock")]
)
def test_files_the_worker_adds_beside_ours_stay(fault: Any, clone: Path, world: FakeWorld) -> None:
    undo = fault.prepare(order_of(clone), world)
    fault.inject(undo, world, Switch())
    beside = (clone / undo.victim["path"]).parent / "aaaa-from-the-worker"
    beside.write_text("mine")
    changed = beside.parent.stat().st_mtime_ns
    assert fault.revert(undo, world).outcome is Outcome.RESTORED
    assert beside.read_text() == "mine"
    assert beside.parent.stat().st_mtime_ns >= changed
