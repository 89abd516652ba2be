"""git-integrity over several looks: quiet beside ordinary work, never content with what it has not looked at."""

import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from daemon.core.errors import TargetAbsentError
from daemon.core.model import Reading, Status
from daemon.core.seams import FileStat
from daemon.ports.files import LocalFiles
from probes.git import stores
from probes.git.fsck import GitFsck
from probes.git.health import GitHealth
from probes.git.integrity import GitIntegrity
from tests.fakes import FakeWorld
from tests.integration.git.shed import Counting, commit, git, target_of, world_of, write


def names(reading: Reading) -> set[str]:
    return {finding.name for finding in reading.findings}


def stash_and_pop(clone: Path) -> None:
    write(clone, "README.md", "stashed\n")
    git(clone, "stash", "push", "-q")


def pop(clone: Path) -> None:
    git(clone, "stash", "pop", "-q")
    git(clone, "checkout", "-q", "--", "README.md")


def make_branch(clone: Path) -> None:
    git(clone, "branch", "done")


def delete_branch(clone: Path) -> None:
    git(clone, "branch", "-q", "-D", "done")


@pytest.mark.parametrize(("begin", "end"), [(stash_and_pop, pop), (make_branch, delete_branch)])
def test_what_git_itself_takes_away_is_no_loss(
    begin: Callable[[Path], None], end: Callable[[Path], None], clone: Path, world: FakeWorld
) -> None:
    probe = GitIntegrity()
    begin(clone)
    probe.observe(target_of(clone), world)
    end(clone)
    assert probe.observe(target_of(clone), world).status is Status.OK
    after = probe.observe(target_of(clone), world)
    assert (after.status, names(after) & {"refs-lost", "stash-lost"}) == (Status.OK, set())


def test_a_ref_gone_without_its_reflog_is_lost_until_it_is_back(clone: Path, world: FakeWorld) -> None:
    probe = GitIntegrity()
    git(clone, "branch", "kept")
    probe.observe(target_of(clone), world)
    ref = clone / ".git/refs/heads/kept"
    value = ref.read_text()
    ref.unlink()
    for _ in range(2):
        found = probe.observe(target_of(clone), world)
        assert (found.status, "refs-lost" in names(found)) == (Status.FAILING, True)
    ref.write_text(value)
    assert probe.observe(target_of(clone), world).status is Status.OK


def test_a_loose_commit_that_goes_after_the_first_look_is_missed(clone: Path, world: FakeWorld) -> None:
    commit(clone, "one more", README_md="# more\n")
    probe = GitIntegrity()
    assert probe.observe(target_of(clone), world).status is Status.OK
    before = git(clone, "rev-parse", "HEAD~1")
    (clone / ".git/objects" / before[:2] / before[2:]).unlink()
    found = probe.observe(target_of(clone), world)
    assert (found.status, "object-missing" in names(found)) == (Status.FAILING, True)


def test_what_was_not_hashed_yet_is_unknown_and_a_file_above_the_budget_has_its_turn(
    clone: Path, world: FakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(clone, "gc", "-q")
    (pack,) = (clone / ".git/objects/pack").glob("*.pack")
    pack.chmod(0o644)
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 1
    pack.write_bytes(data)
    monkeypatch.setattr(stores, "_BUDGET_BYTES", 100)
    probe, looks = GitIntegrity(), []
    while not looks or looks[-1] is Status.UNKNOWN:
        looks.append(probe.observe(target_of(clone), world).status)
        assert len(looks) < 50
    assert looks[-1] is Status.FAILING


@pytest.mark.parametrize("probe", [GitIntegrity, GitHealth, GitFsck])
def test_names_that_are_not_utf_8_are_neither_a_fault_nor_an_error(
    probe: Callable[[], GitIntegrity], clone: Path, world: FakeWorld
) -> None:
    odd = os.fsencode(clone) + b"/\xff.txt"
    with open(odd, "wb") as file:  # noqa: PTH123  a Path cannot say this name
        file.write(b"x\n")
    os.symlink(b"\xfe-nowhere", os.fsencode(clone) + b"/link")  # noqa: PTH211
    commit(clone, "odd names", README_md="# odd\n")
    git(clone, "push", "-q", "--force", "origin", "HEAD")
    with (clone / ".git/config").open("ab") as config:
        config.write(b'[remote "origin"]\n\tpushurl = ../remote-\xe9.git\n')
    seen = probe()
    found = seen.observe(target_of(clone), world)
    assert found.status is not Status.UNKNOWN
    assert not names(found) & {"staged-deletion", "worktree-changed", "object-corrupt"}
    with open(odd, "wb") as file:  # noqa: PTH123
        file.write(b"changed\n")
    msgspec.json.encode(seen.observe(target_of(clone), world))


def looking(probe: GitIntegrity, clone: Path, tmp_path: Path) -> tuple[set[str], int]:
    """Look once; return what was found, and how many files were read."""
    files = Counting()
    return names(probe.observe(target_of(clone), world_of(tmp_path, files))), files.reads


def test_where_nothing_changed_neither_trees_nor_the_index_are_read_again(clone: Path, tmp_path: Path) -> None:
    probe = GitIntegrity()
    _, first = looking(probe, clone, tmp_path)
    _, again = looking(probe, clone, tmp_path)
    for number in range(40):
        write(clone, f"d{number}/file.txt", f"{number}\n")
    git(clone, "add", "-A")
    git(clone, "commit", "-q", "-m", "forty directories, each a tree")
    _, changed = looking(probe, clone, tmp_path)
    _, same = looking(probe, clone, tmp_path)
    assert changed > first > again
    assert same <= again + 5, "a few more for one more commit, none for forty trees"


@pytest.mark.parametrize("times", [1, 3])
def test_what_was_found_is_found_again_until_it_is_mended(times: int, clone: Path, tmp_path: Path) -> None:
    probe = GitIntegrity()
    quiet, _ = looking(probe, clone, tmp_path)
    git(clone, "rm", "-q", "--cached", "README.md")
    write(clone, "src/app.js", "changed\n")
    for _ in range(times):
        found, _ = looking(probe, clone, tmp_path)
        assert {"staged-deletion", "worktree-changed"} <= found - quiet
    git(clone, "reset", "-q", "--hard")
    assert looking(probe, clone, tmp_path)[0] == quiet
    write(clone, "src/app.js", "changed again\n")
    assert "worktree-changed" in looking(probe, clone, tmp_path)[0], "after a look that found nothing new"


def test_what_could_not_be_read_is_looked_at_again(clone: Path, tmp_path: Path) -> None:
    """HEAD's tree is away for one look: whether the index lacks files is not known then, and not forgotten."""
    probe = GitIntegrity()
    git(clone, "rm", "-q", "--cached", "README.md")
    tree = git(clone, "rev-parse", "HEAD^{tree}")
    path = clone / ".git/objects" / tree[:2] / tree[2:]
    away = path.rename(path.with_suffix(".away"))
    assert "staged-deletion" not in looking(probe, clone, tmp_path)[0]
    away.rename(path)
    assert "staged-deletion" in looking(probe, clone, tmp_path)[0]


def test_what_a_branch_held_once_is_forgotten(clone: Path, tmp_path: Path) -> None:
    probe = GitIntegrity()
    for number in range(5):
        commit(clone, f"again {number}", README_md=f"{number}\n")
        looking(probe, clone, tmp_path)
    (watch,) = probe._watched.values()
    heads = git(clone, "for-each-ref", "--format=%(objectname)", "refs/heads").split()
    assert set(watch.others._trees) <= set(heads)
    assert len(watch.work._same) == len(git(clone, "ls-files").splitlines())


def test_another_branch_s_file_in_the_way_is_seen_whenever_it_comes(clone: Path, tmp_path: Path) -> None:
    git(clone, "checkout", "-q", "-b", "thread-z")
    commit(clone, "theirs", only__theirs_txt="theirs\n")
    git(clone, "checkout", "-q", "-")
    probe = GitIntegrity()
    assert "in-the-way" not in looking(probe, clone, tmp_path)[0]
    write(clone, "only/theirs.txt", "mine\n")
    assert "in-the-way" in looking(probe, clone, tmp_path)[0]
    (clone / "only/theirs.txt").unlink()
    assert "in-the-way" not in looking(probe, clone, tmp_path)[0]


class Once(LocalFiles):
    """Cannot read one file, once, as when every descriptor is taken."""

    def __init__(self, path: Path) -> None:
        self.left = {str(path)}

    def read(self, path: str, *, offset: int = 0, limit: int = 1 << 30, straight: bool = False) -> bytes:
        if path in self.left:
            self.left.discard(path)
            raise TargetAbsentError(f"{path} cannot be read")
        return super().read(path, offset=offset, limit=limit, straight=straight)


class Fleeting(LocalFiles):
    """A file goes away after it was seen, before it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, path: str, *, offset: int = 0, limit: int = 1 << 30, straight: bool = False) -> bytes:
        if path == str(self.path):
            self.path.unlink(missing_ok=True)
        return super().read(path, offset=offset, limit=limit, straight=straight)


class Closed(LocalFiles):
    """Nobody may enter one directory; root may always, so it is played."""

    def __init__(self, path: Path) -> None:
        self.inside = f"{path}/"

    def lstat(self, path: str) -> FileStat | None:
        if path.startswith(self.inside):
            raise TargetAbsentError(f"{path} cannot be looked at")
        return super().lstat(path)


def test_a_file_that_could_not_be_read_once_is_well_at_the_next_look(clone: Path, tmp_path: Path) -> None:
    probe = GitIntegrity()
    found = probe.observe(target_of(clone), world_of(tmp_path, Once(clone / "README.md")))
    assert "permission-lost" in names(found)
    assert probe.observe(target_of(clone), world_of(tmp_path)).status is Status.OK


def test_a_file_that_goes_while_it_is_looked_at_has_changed_and_lost_no_rights(clone: Path, tmp_path: Path) -> None:
    found = GitIntegrity().observe(target_of(clone), world_of(tmp_path, Fleeting(clone / "README.md")))
    assert "worktree-changed" in names(found)
    assert "permission-lost" not in names(found)


def test_a_directory_that_may_not_be_entered_hides_only_itself(clone: Path, tmp_path: Path) -> None:
    git(clone, "rm", "-q", "--cached", "README.md")
    found = GitIntegrity().observe(target_of(clone), world_of(tmp_path, Closed(clone / "src")))
    assert found.status is Status.FAILING
    assert "staged-changes" in names(found), "the rest was looked at"


def test_a_tree_that_is_another_than_its_id_says_is_not_remembered(clone: Path, tmp_path: Path) -> None:
    probe = GitIntegrity()
    commit(clone, "one more", new__txt="new\n")
    tree, other = git(clone, "rev-parse", "HEAD^{tree}"), git(clone, "rev-parse", "HEAD:src")
    path, wrong = (clone / ".git/objects" / name[:2] / name[2:] for name in (tree, other))
    good = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(wrong.read_bytes())
    assert probe.observe(target_of(clone), world_of(tmp_path)).status is Status.FAILING
    path.write_bytes(good)
    path.chmod(0o444)
    for _ in range(2):
        found = probe.observe(target_of(clone), world_of(tmp_path))
        assert (found.status, "staged-deletion" in names(found)) == (Status.OK, False)


def test_what_lies_in_a_borrowed_store_does_not_hide_the_rest(clone: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    git(tmp_path, "clone", "-q", "--shared", str(clone), str(shared))
    git(shared, "config", "user.name", "W")
    git(shared, "config", "user.email", "w@example.com")
    commit(shared, "mine", n_txt="n\n")
    git(shared, "rm", "-q", "--cached", "n.txt")
    assert "staged-deletion" in looking(GitIntegrity(), shared, tmp_path)[0]


def test_a_linked_tree_that_points_nowhere_hides_no_configuration(clone: Path, tmp_path: Path) -> None:
    git(clone, "config", "core.bare", "true")
    lost = tmp_path / "lost"
    lost.mkdir()
    (lost / ".git").write_text("gitdir: /nowhere/at/all\n")
    found = GitIntegrity().observe(target_of(lost, clone), world_of(tmp_path))
    assert {"config-suspicious", "repository-absent"} <= names(found)
