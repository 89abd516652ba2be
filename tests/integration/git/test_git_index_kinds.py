"""Indexes of other kinds than a plain one: what is not read in full is refused, and what git needs stays in it."""

from pathlib import Path
from typing import Any

import pytest

from daemon.core.errors import RefusedError, TargetAbsentError
from daemon.core.gitindex import UnsupportedError, parse
from daemon.core.gitobjects import MalformedError
from daemon.core.model import Outcome, Status
from faults import CATALOGUE
from probes.git.integrity import GitIntegrity
from tests.fakes import FakeWorld, Switch
from tests.integration.git.shed import commit, git, order_of, picture, target_of, write

KINDS = {"split": ("update-index", "--split-index"), "version 4": ("update-index", "--index-version", "4")}
WRITERS = [
    *(("git-corrupt", mode) for mode in ("index-entry-dropped", "index-executable", "index-id-bitflip")),
    *(("git-state", mode) for mode in ("dirty-staged", "merge-conflict", "merge-uncommitted")),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("family", "mode"), WRITERS)
def test_an_index_that_is_not_read_in_full_is_not_written_either(
    kind: str, family: str, mode: str, clone: Path, world: FakeWorld
) -> None:
    git(clone, *KINDS[kind])
    write(clone, "z.txt", "z\n")
    git(clone, "add", "z.txt")
    git(clone, "status")
    before = picture(clone)
    fault: Any = CATALOGUE[family]
    with pytest.raises(RefusedError, match=f"nothing was touched: .*{kind}.* not supported") as caught:
        fault(mode=mode).prepare(order_of(clone), world)
    assert (caught.value.exit_code, caught.value.rule) == (77, "index-format")
    assert caught.value.hint
    assert picture(clone) == before


def test_a_commit_after_a_refusal_keeps_every_file(clone: Path, world: FakeWorld) -> None:
    git(clone, *KINDS["split"])
    files = git(clone, "ls-files")
    kind: Any = CATALOGUE["git-corrupt"]
    with pytest.raises(RefusedError):
        kind(mode="index-entry-dropped").prepare(order_of(clone), world)
    commit(clone, "one more", z_txt="z\n")
    assert git(clone, "ls-tree", "-r", "--name-only", "HEAD") == f"{files}\nz.txt"


@pytest.mark.parametrize("kind", KINDS)
def test_an_index_of_another_kind_is_not_called_broken(kind: str, clone: Path, world: FakeWorld) -> None:
    git(clone, *KINDS[kind])
    write(clone, "z.txt", "z\n")
    git(clone, "add", "z.txt")
    probe: Any = GitIntegrity()
    reading = probe.observe(target_of(clone), world)
    assert reading.status is Status.OK
    assert [finding.name for finding in reading.findings] == ["staged-changes"]


def test_an_extension_that_git_may_not_pass_over_is_malformed(clone: Path, world: FakeWorld) -> None:
    kind: Any = CATALOGUE["git-corrupt"]
    undo = kind(mode="index-extension").prepare(order_of(clone), world)
    kind.inject(undo, world, Switch())
    with pytest.raises(MalformedError, match="zzzz") as caught:
        parse((clone / ".git/index").read_bytes(), "sha1")
    assert not isinstance(caught.value, UnsupportedError)
    with pytest.raises(TargetAbsentError, match="zzzz"):
        kind(mode="index-executable").prepare(order_of(clone), world)


def test_a_sparse_index_stays_one(clone: Path, world: FakeWorld) -> None:
    git(clone, "sparse-checkout", "init", "--cone", "--sparse-index")
    git(clone, "sparse-checkout", "set", "docs")
    before = git(clone, "ls-files", "--sparse", "--stage", "-t")
    assert "S 040000" in before
    kind: Any = CATALOGUE["git-corrupt"]
    undo = kind(mode="index-executable").prepare(order_of(clone), world)
    kind.inject(undo, world, Switch())
    assert [name for name, _ in parse((clone / ".git/index").read_bytes(), "sha1").extensions] == [b"sdir"]
    write(clone, "docs/new.txt", "new\n")
    git(clone, "add", "docs/new.txt")
    assert kind.revert(undo, world).outcome is Outcome.RESTORED
    assert (b"sdir", b"") in parse((clone / ".git/index").read_bytes(), "sha1").extensions
    git(clone, "rm", "-q", "--cached", "docs/new.txt")
    assert git(clone, "ls-files", "--sparse", "--stage", "-t") == before
