"""The whole catalogue of git faults: each strikes, git and the probes notice, and every byte comes back.

By default each mode is tried on one small repository, and dies at one moment of injecting and one of reverting.
`make torture` tries every moment, other kinds of repositories, and a worker at work, and prints tables.
"""

import hashlib
import importlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daemon.core.errors import ChaosdError, RefusedError, TargetAbsentError
from daemon.core.model import Outcome
from daemon.ports.clock import SystemClock
from daemon.ports.marked import LocalHolders
from daemon.ports.processes import LocalProcesses
from faults import CATALOGUE
from faults.git.entry import Entry
from tests.fakes import Death, FakeWorld, Switch
from tests.integration.git.glance import glance
from tests.integration.git.kinds import KINDS, build_kind
from tests.integration.git.shed import Doomed, git, order_of, picture, run, through_json, world_of
from tests.integration.git.yard import build_small, equip, try_out

FAMILIES = {
    "git-corrupt": "corrupt",
    "git-hook": "hook",
    "git-lock": "lock",
    "git-remote": "remote",
    "git-state": "state",
    "git-worktree": "worktree",
}
CASES: list[tuple[str, Entry]] = [
    (family, entry)
    for family, module in FAMILIES.items()
    for entry in importlib.import_module(f"faults.git.{module}").ENTRIES
]
NAMES = [f"{family}:{entry.name}" for family, entry in CASES]
SHARED = ("loose-object-bitflip", "pack-bitflip", "pack-zero-page", "idx-swap", "pack-truncate", "graph-wrong-tree")
every_mode = pytest.mark.parametrize(("family", "entry"), CASES, ids=NAMES)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("small")
    for directory in (root, *root.parents):
        if str(directory).startswith(str(tmp_path_factory.getbasetemp().parent)):
            directory.chmod(0o755)  # another user looks at what is below
    build_small(root)
    return root


@pytest.fixture
def clone(small: Path, tmp_path: Path, entry: Entry) -> Iterator[Path]:
    """Copy the small repository, with what the mode needs to find something to strike."""
    here = tmp_path / "here"
    subprocess.run(["cp", "-a", str(small), str(here)], check=True)
    tmp_path.chmod(0o755)
    equip(here / "clone", entry.name)
    git(here / "clone", "status")
    yield here / "clone"
    shutil.rmtree(here, ignore_errors=True)


def full_world(directory: Path, files: Any = None) -> FakeWorld:
    world = world_of(directory, files)
    world.holders = LocalHolders(SystemClock(), LocalProcesses())  # type: ignore[assignment]
    return world


def test_the_catalogue_is_as_large_as_it_says() -> None:
    assert len(CASES) >= 150
    assert len(set(NAMES)) == len(CASES)
    assert set(FAMILIES) == {name for name in CATALOGUE if name.startswith("git-")}


@every_mode
def test_a_line_of_the_table_says_everything(family: str, entry: Entry) -> None:
    assert family in CATALOGUE
    assert len(entry.summary) > 10
    assert entry.fails
    assert entry.repair
    assert entry.seen
    assert entry.often in ("daily", "common", "seen", "rare")
    assert entry.harmless or entry.tells or entry.silent
    assert not (entry.silent and entry.harmless)


@every_mode
def test_it_shows_as_its_line_says_and_every_byte_comes_back(
    family: str, entry: Entry, clone: Path, tmp_path: Path
) -> None:
    if entry.name == "disk-full":
        with pytest.raises(RefusedError) as refused:
            CATALOGUE[family](mode=entry.name).prepare(order_of(clone), full_world(tmp_path))
        assert refused.value.exit_code == 77
        assert "file system" in refused.value.message
        return
    before = run(clone, "fsck", "--full").stdout
    outcome = try_out(CATALOGUE[family], entry, clone, full_world(tmp_path), probes=glance)
    assert outcome == "ok"
    assert run(clone, "fsck", "--full").stdout == before


def undone(family: str, entry: Entry, clone: Path, tmp_path: Path, dies_in: str, moment: int) -> bool:
    """Die at a moment of injecting or reverting, then revert as whoever comes next does; True when it died."""
    kind: Any = CATALOGUE[family]
    before = picture(clone.parent)
    world = full_world(tmp_path)
    undo = through_json(kind(mode=entry.name).prepare(order_of(clone), world))
    mortal = full_world(tmp_path, Doomed(moment))
    died = True
    try:
        if dies_in == "inject":
            kind.inject(undo, mortal, Switch())
        else:
            kind.inject(undo, world, Switch())
            kind.revert(undo, mortal)
    except Death:
        reversion = kind.revert(undo, world)
    else:
        died = False
        reversion = kind.revert(undo, world)
    after = picture(clone.parent)
    wrong = {k for k in before.keys() | after.keys() if before.get(k) != after.get(k)}
    assert not wrong, f"{entry.name}: died at moment {moment} of {dies_in}: {sorted(wrong)}: {reversion.detail}"
    assert not died or reversion.outcome is not Outcome.SUPERSEDED
    return died


@every_mode
def test_a_death_in_the_middle_leaves_nothing(family: str, entry: Entry, clone: Path, tmp_path: Path) -> None:
    if entry.name == "disk-full":
        return
    moment = 2 + hashlib.sha256(entry.name.encode()).digest()[0] % 5
    for dies_in in ("inject", "revert"):
        undone(family, entry, clone, tmp_path, dies_in, moment)


@pytest.mark.torture
@pytest.mark.timeout(1200)
@every_mode
def test_a_death_at_every_moment_leaves_nothing(family: str, entry: Entry, clone: Path, tmp_path: Path) -> None:
    if entry.name == "disk-full":
        return
    for dies_in in ("inject", "revert"):
        moment, most = 1, 600
        while undone(family, entry, clone, tmp_path, dies_in, moment):
            moment += 1
            assert moment < most
        sys.stdout.write(
            f"{family} {entry.name}: died at {moment - 1} moments of {dies_in}, nothing was left" + "\n"
        )


@pytest.mark.parametrize(
    ("family", "entry"),
    [c for c in CASES if c[1].name in SHARED and c[0] == "git-corrupt"],
    ids=lambda v: getattr(v, "name", v),
)
def test_a_clone_that_shares_the_files_is_not_damaged(
    family: str, entry: Entry, clone: Path, tmp_path: Path
) -> None:
    sibling = tmp_path / "sibling"
    git(tmp_path, "clone", "-q", "--local", str(clone), str(sibling))
    before, theirs = picture(clone.parent), picture(sibling)
    kind, world = CATALOGUE[family], full_world(tmp_path)
    undo = through_json(kind(mode=entry.name).prepare(order_of(clone), world))
    kind.inject(undo, world, Switch())
    assert picture(clone.parent) != before
    assert picture(sibling) == theirs
    assert run(sibling, "fsck", "--full").returncode == 0
    assert kind.revert(undo, world).outcome is Outcome.RESTORED
    assert picture(clone.parent) == before
    assert picture(sibling) == theirs


@pytest.mark.torture
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("which", KINDS)
def test_every_mode_on_another_kind_of_repository(which: str, tmp_path: Path) -> None:
    """Print what became of every mode; what cannot strike there says why, before anything is touched."""
    rows, wrong = [], []
    clone = build_kind(which, tmp_path / "made")
    for family, entry in CASES:
        before = picture(clone.parent)
        try:
            word = try_out(CATALOGUE[family], entry, clone, full_world(tmp_path), probes=glance)
        except (TargetAbsentError, RefusedError) as reason:
            assert picture(clone.parent) == before
            word = f"not here: {reason.message}"
        except (AssertionError, ChaosdError) as problem:
            wrong.append(f"{family} {entry.name}: {problem}")
            word = "WRONG"
        rows.append(f"{which:10} {family:12} {entry.name:32} {word[:100]}")
    sys.stdout.write("\n".join(rows) + "\n")
    assert not wrong, "\n".join(wrong)
