"""Every git mode on real repositories: it strikes, git notices, and every byte comes back."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from daemon.core.errors import RefusedError
from daemon.core.model import Outcome
from faults.git.corrupt import GitCorrupt
from tests.fakes import FakeWorld, Switch
from tests.integration.git.shed import MODES, NAMES, copy, git, order_of, picture, run, through_json

# What must fail while the fault is there; none of these commands leaves anything behind when it fails.
FAILS: dict[str, tuple[tuple[str, ...], str]] = {
    "loose-object-truncate": (("cat-file", "-p", "{object}"), ""),
    "loose-object-bitflip": (("cat-file", "-p", "{object}"), ""),
    "loose-object-missing": (("cat-file", "-p", "{object}"), "Not a valid object name"),
    "index-truncate": (("status",), "index file smaller than expected"),
    "head-garbage": (("rev-parse", "--git-dir"), "not a git repository"),
    "ref-empty": (("log", "-1"), "broken"),
    "ref-missing-object": (("log", "-1"), "bad object HEAD"),
    "index-lock": (("add", "-A"), "index.lock': File exists"),
    "ref-lock": (("update-ref", "refs/heads/thread-a", "HEAD~1"), "thread-a.lock': File exists"),
    "head-lock": (("symbolic-ref", "HEAD", "refs/heads/main"), "HEAD.lock"),
}
every_mode = pytest.mark.parametrize(("fault", "mode"), MODES, ids=NAMES)
kinds = pytest.mark.parametrize("kind", ["commit", "tree", "blob"])


def strike(fault: Any, mode: str, clone: Path, world: FakeWorld, **more: Any) -> Any:
    seed = more.pop("seed", 7)
    undo = through_json(fault(mode=mode, **more).prepare(order_of(clone, seed=seed), world))
    fault.inject(undo, world, Switch())
    return undo


def fails(mode: str, clone: Path, undo: Any) -> bool:
    command, text = FAILS[mode]
    done = run(clone, *(word.format(object=undo.victim.get("object")) for word in command))
    return done.returncode != 0 and text in done.stderr


@every_mode
def test_git_fails_while_the_fault_is_active_and_every_byte_comes_back(
    fault: Any, mode: str, clone: Path, world: FakeWorld
) -> None:
    before = picture(clone)
    undo = strike(fault, mode, clone, world)
    assert fails(mode, clone, undo)
    assert picture(clone) != before
    reversion = fault.revert(undo, world)
    assert reversion.outcome is Outcome.RESTORED
    assert picture(clone) == before
    assert git(clone, "fsck") == ""
    proofs = list(reversion.proof.values())
    assert proofs
    assert all(proof["before"] == proof["now"] for proof in proofs)


@kinds
@pytest.mark.parametrize("mode", [name for name in NAMES if name.startswith("loose")])
def test_objects_of_each_kind_are_struck(kind: str, mode: str, clone: Path, world: FakeWorld) -> None:
    before = picture(clone)
    for seed in range(8):
        undo = strike(GitCorrupt, mode, clone, world, object=kind, seed=seed)
        assert undo.victim["kind"] == kind
        assert fails(mode, clone, undo)
        assert run(clone, "fsck", "--full").returncode != 0
        GitCorrupt.revert(undo, world)
        assert git(clone, "cat-file", "-t", undo.victim["object"]) == kind
    assert picture(clone) == before


@every_mode
def test_a_sha256_repository_is_no_different(
    fault: Any, mode: str, template_sha256: Path, tmp_path: Path, world: FakeWorld
) -> None:
    clone = copy(template_sha256, tmp_path)
    before = picture(clone)
    undo = strike(fault, mode, clone, world)
    assert fails(mode, clone, undo)
    assert fault.revert(undo, world).outcome is Outcome.RESTORED
    assert picture(clone) == before


@every_mode
def test_preparing_touches_nothing_and_the_same_seed_names_the_same_victim(
    fault: Any, mode: str, clone: Path, world: FakeWorld
) -> None:
    before = picture(clone)
    first, again = (fault(mode=mode).prepare(order_of(clone, seed=3), world) for _ in range(2))
    assert picture(clone) == before
    assert first == again
    assert first.victim["repository"] == str(clone)
    assert all(str(clone) in first.actions[0] for _ in first.actions)


def test_other_seeds_name_other_victims(clone: Path, world: FakeWorld) -> None:
    victims = {GitCorrupt().prepare(order_of(clone, seed=seed), world).victim["object"] for seed in range(40)}
    assert len(victims) > 5


def test_only_objects_that_git_reads_from_loose_files_are_chosen(clone: Path, world: FakeWorld) -> None:
    git(clone, "repack", "-a", "-q")  # without -d: every loose object now has a packed twin
    after = {f"src__late{i}_js": f"late {i}\n" for i in range(3)}
    for name, text in after.items():
        (clone / name).write_text(text)
    git(clone, "add", "-A")
    git(clone, "commit", "-q", "-m", "loose again")
    for seed in range(20):
        undo = strike(GitCorrupt, "loose-object-truncate", clone, world, seed=seed)
        assert fails("loose-object-truncate", clone, undo)
        GitCorrupt.revert(undo, world)


def test_every_flipped_bit_matters(clone: Path, world: FakeWorld) -> None:
    for seed in range(60):
        undo = strike(GitCorrupt, "loose-object-bitflip", clone, world, seed=seed)
        assert fails("loose-object-bitflip", clone, undo)
        GitCorrupt.revert(undo, world)


@every_mode
def test_reverting_twice_changes_nothing_more(fault: Any, mode: str, clone: Path, world: FakeWorld) -> None:
    before = picture(clone)
    undo = strike(fault, mode, clone, world)
    fault.revert(undo, world)
    assert fault.revert(undo, world).outcome in (Outcome.RESTORED, Outcome.UNTOUCHED)
    assert picture(clone) == before


@every_mode
def test_reverting_what_never_happened_changes_nothing(
    fault: Any, mode: str, clone: Path, world: FakeWorld
) -> None:
    undo = through_json(fault(mode=mode).prepare(order_of(clone), world))
    before = picture(clone)
    assert fault.revert(undo, world).outcome is Outcome.UNTOUCHED
    assert picture(clone) == before


@every_mode
def test_a_set_stop_flag_prevents_the_injection(fault: Any, mode: str, clone: Path, world: FakeWorld) -> None:
    before = picture(clone)
    fault.inject(fault(mode=mode).prepare(order_of(clone), world), world, Switch(on=True))
    assert picture(clone) == before


@every_mode
def test_a_hard_linked_clone_is_not_damaged(
    fault: Any, mode: str, clone: Path, tmp_path: Path, world: FakeWorld
) -> None:
    sibling = tmp_path / "sibling"
    git(tmp_path, "clone", "-q", "--local", str(clone), str(sibling))
    before = picture(sibling)
    undo = strike(fault, mode, clone, world)
    assert picture(sibling) == before
    assert git(sibling, "fsck", "--full") == ""
    fault.revert(undo, world)
    assert picture(sibling) == before


@every_mode
def test_a_file_changed_since_it_was_looked_at_is_not_touched(
    fault: Any, mode: str, clone: Path, world: FakeWorld
) -> None:
    undo = fault(mode=mode).prepare(order_of(clone), world)
    path = clone / undo.victim["path"]
    content = path.read_bytes() if path.exists() else b""
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    before = picture(clone)
    with pytest.raises(RefusedError, match="not injected"):
        fault.inject(undo, world, Switch())
    fault.revert(undo, world)
    assert picture(clone) == before


@pytest.mark.parametrize("mode", ["ref-empty", "ref-missing-object", "ref-lock"])
def test_a_branch_that_exists_only_in_packed_refs_comes_back_to_that(
    mode: str, clone: Path, world: FakeWorld
) -> None:
    fault = next(f for f, name in MODES if name == mode)
    git(clone, "checkout", "-q", "-b", "feature/deep/x")
    git(clone, "pack-refs", "--all")
    shutil.rmtree(clone / ".git/refs/heads/feature", ignore_errors=True)
    before = picture(clone)
    undo = strike(fault, mode, clone, world)
    failing = ("update-ref", "refs/heads/feature/deep/x", "main") if mode == "ref-lock" else ("log", "-1")
    assert run(clone, *failing).returncode != 0
    assert fault.revert(undo, world).outcome is Outcome.RESTORED
    assert picture(clone) == before
    assert fault.revert(undo, world).outcome is Outcome.UNTOUCHED


def test_one_of_several_clones_is_chosen_and_the_others_stay_as_they_are(
    template: Path, tmp_path: Path, world: FakeWorld
) -> None:
    clones = [copy(template, tmp_path / f"worker-{i}") for i in range(3)]
    (tmp_path / "worker-none" / "clone").mkdir(parents=True)
    pattern = str(tmp_path / "worker-*" / "clone")
    chosen = {GitCorrupt().prepare(order_of(pattern, seed=seed), world).victim["repository"] for seed in range(20)}
    assert chosen == {str(clone) for clone in clones}
