"""The monitor's branches: read from the remote through a private mirror, whatever happens to them."""

import os
import subprocess
from pathlib import Path

import pytest

from daemon.core.errors import TargetAbsentError, UnreachableError
from daemon.core.panorama import Standing
from daemon.core.target import Repository, Target
from daemon.ports.files import LocalFiles
from daemon.ports.git import LocalGit
from probes.pipeline.branches import Branches
from tests.fakes import FakeWorld


class Remote:
    """A bare remote and a clone that pushes to it; commits are a minute apart."""

    def __init__(self, root: Path) -> None:
        self.path, self.clone, self._minute = root / "remote.git", root / "clone", 0
        self.git(root, "init", "--quiet", "--bare", "--initial-branch=main", str(self.path))
        self.git(root, "clone", "--quiet", str(self.path), str(self.clone))
        self.world = FakeWorld(str(root / "private"), files=LocalFiles(), git=LocalGit())
        Path(self.world.private).mkdir()

    def git(self, where: Path, *words: str) -> str:
        when = f"{1_700_000_000 + 60 * self._minute} +0000"
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.clone.parent),
            "GIT_CONFIG_NOSYSTEM": "1",
            **{
                f"GIT_{who}_{what}": v
                for who in ("AUTHOR", "COMMITTER")
                for what, v in (("NAME", "a"), ("EMAIL", "e"), ("DATE", when))
            },
        }
        done = subprocess.run(
            ["git", *words], cwd=where, env=environment, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def commit(self, branch: str, subject: str, *, force: bool = False) -> str:
        self._minute += 1
        if branch != self.git(self.clone, "symbolic-ref", "--short", "HEAD"):
            there = self.git(self.clone, "branch", "--list", branch)
            self.git(self.clone, "checkout", "--quiet", *(() if there else ("-b",)), branch)
        self.git(self.clone, "commit", "--quiet", "--allow-empty", "-m", subject, *(["--amend"] if force else []))
        self.git(self.clone, "push", "--quiet", *(["--force"] if force else []), "origin", branch)
        return self.git(self.clone, "rev-parse", "HEAD")

    def branches(self) -> Branches:
        repository = Repository(worktree=(str(self.clone),))
        return Branches(Target(name="t", repository=repository), self.world)


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    return Remote(tmp_path)


def test_the_youngest_commits_come_first_and_what_is_new_is_seen(remote: Remote) -> None:
    branches = remote.branches()
    assert branches.newest(6) == ()
    first = remote.commit("main", "Begin")
    remote.commit("a", "Work on a")
    remote.commit("b", "Work on \x1b[31mb")
    found = branches.newest(2)
    assert [(b.name, b.subject, b.author) for b in found] == [("b", "Work on b", "a"), ("a", "Work on a", "a")]
    assert found[0].at_s == 1_700_000_000 + 180
    tip = remote.commit("main", "More")
    assert [b.name for b in branches.newest(9)] == ["main", "b", "a"]
    assert branches.standing("main", tip) == (Standing.TIP, "main", 0)
    assert branches.standing(None, tip) == (Standing.TIP, "main", 0)
    assert branches.standing("main", first[:10]) == (Standing.BEHIND, "main", 1)


def test_a_branch_that_is_gone_makes_room_for_one_below_its_name(remote: Remote) -> None:
    branches = remote.branches()
    remote.commit("main", "Begin")
    remote.commit("a", "Work")
    assert [b.name for b in branches.newest(6)] == ["a", "main"]
    remote.git(remote.clone, "push", "--quiet", "origin", "--delete", "a")
    remote.git(remote.clone, "checkout", "--quiet", "main")
    remote.git(remote.clone, "branch", "--quiet", "-D", "a")
    remote.commit("a/b", "Below")
    assert [b.name for b in branches.newest(6)] == ["a/b", "main"]


def test_a_mirror_of_an_earlier_run_is_used_again(remote: Remote) -> None:
    remote.commit("main", "Begin")
    remote.branches().newest(1)
    remote.commit("main", "More")
    again = remote.branches()
    assert [b.subject for b in again.newest(6)] == ["More"]
    assert len(list(Path(remote.world.private).iterdir())) == 1


def test_many_branches_are_fetched_by_one_pattern(remote: Remote) -> None:
    tip = remote.commit("main", "Begin")
    orders = "".join(f"create refs/heads/n{n} {tip}\n" for n in range(150))
    subprocess.run(["git", "update-ref", "--stdin"], cwd=remote.path, input=orders, text=True, check=True)
    assert len(remote.branches().newest(1000)) == 151


def test_what_was_rewritten_or_never_pushed_is_told(remote: Remote) -> None:
    remote.commit("main", "Begin")
    old = remote.commit("a", "Work")
    branches = remote.branches()
    assert branches.standing("a", old) == (Standing.TIP, "a", 0)
    remote.commit("a", "Other work", force=True)
    branches.newest(6)
    assert branches.standing("a", old) == (Standing.DIVERGED, "a", 1)
    assert branches.standing("a", "0" * 40) == (Standing.NOT_PUSHED, "a", None)
    assert branches.standing("a", "--output=/tmp/x") == (Standing.UNKNOWN, "a", None)
    assert branches.standing("nowhere", old) == (Standing.UNKNOWN, "nowhere", None)
    assert branches.standing(None, old) == (Standing.UNKNOWN, None, None)


def test_what_was_pushed_since_the_last_look_is_no_stranger(remote: Remote) -> None:
    remote.commit("main", "Begin")
    branches = remote.branches()
    branches.newest(6)
    assert branches.standing("b", remote.commit("b", "New")) == (Standing.TIP, "b", 0)


def test_while_another_thread_fetches_nothing_is_claimed(remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("probes.pipeline.branches.PATIENCE_S", 0.01)
    tip, branches = remote.commit("main", "Begin"), remote.branches()
    with branches._lock:
        assert branches.standing("main", tip) == (Standing.UNKNOWN, "main", None)


def test_the_clone_is_left_as_it_is(remote: Remote) -> None:
    remote.commit("main", "Begin")
    before = sorted((p, p.stat().st_mtime_ns) for p in remote.clone.rglob("*"))
    remote.branches().newest(6)
    assert sorted((p, p.stat().st_mtime_ns) for p in remote.clone.rglob("*")) == before


def test_a_remote_that_does_not_answer_is_an_error(remote: Remote) -> None:
    remote.commit("main", "Begin")
    branches = remote.branches()
    branches.newest(1)
    remote.path.rename(remote.path.with_name("away.git"))
    with pytest.raises(UnreachableError):
        branches.newest(1)
    with pytest.raises(TargetAbsentError):
        Branches(Target(name="t"), remote.world).newest(1)
