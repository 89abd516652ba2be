"""The whole catalogue of git faults: each strikes, git and the probes notice, and every byte comes back.

By default each mode is tried once on a small repository, and those in which chaosd dies at every moment are the
modes of the contract suite, one for each way of changing something. `make torture FILES=tests/integration/git` lets
every mode die at every moment, tries other kinds of repositories and a worker at work, and prints tables.
"""

import importlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from daemon.core.errors import ChaosdError, RefusedError, TargetAbsentError
from daemon.core.model import Outcome
from daemon.ports.clock import SystemClock
from daemon.ports.marked import LocalHolders
from daemon.ports.processes import LocalProcesses
from faults import CATALOGUE
from faults.git.entry import Entry
from faults.git.kinds import Dress, Edit, FileEdit, Hold, Make, Move, Patch
from faults.git.records import Record
from tests.contract.scenarios import SAMPLES
from tests.fakes import Death, FakeWorld, Switch
from tests.integration.git.kinds import KINDS, build_kind
from tests.integration.git.shed import ENVIRONMENT, Doomed, git, order_of, picture, run, through_json, world_of
from tests.integration.git.yard import Stall, build_small, equip, needs_its_own, replaces_the_clone, try_out

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
SHARED = (
    "loose-object-bitflip",
    "loose-object-unreadable",
    "pack-unreadable",
    "pack-bitflip",
    "pack-zero-page",
    "idx-swap",
    "pack-truncate",
    "graph-wrong-tree",
)
DIRECTORIES = ("index-lock-directory", "name-taken", "config-hooks-path")  # made, and then used
every_mode = pytest.mark.parametrize(("family", "entry"), CASES, ids=NAMES)


@pytest.fixture(scope="session")
def open_directory() -> Iterator[Path]:
    """Return a directory into which another user can look; pytest keeps its own to itself."""
    with TemporaryDirectory(prefix="chaosd-git-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="session")
def small(open_directory: Path) -> Path:
    root = open_directory / "built-once"
    root.mkdir()
    build_small(root)
    return root


@pytest.fixture
def clone(small: Path, tmp_path: Path, entry: Entry) -> Iterator[Path]:
    """Copy the small repository, with what the mode needs to find something to strike."""
    yield fresh(small, tmp_path, entry.name)
    shutil.rmtree(tmp_path / "here", ignore_errors=True)


def fresh(small: Path, directory: Path, mode: str) -> Path:
    here = directory / "here"
    subprocess.run(["cp", "-a", str(small), str(here)], check=True)
    directory.chmod(0o755)
    git(here / "clone", "status")  # before everything may be given to another user: status writes the index anew
    equip(here / "clone", mode)
    return here / "clone"


class Lender:
    """Lends the same stall for as long as every mode leaves it as it was: a copy costs more than a mode."""

    def __init__(self, small: Path, directory: Path) -> None:
        self._small, self._directory, self._made = small, directory, 0
        self._stall: Stall | None = None

    @contextmanager
    def lend(self, mode: str) -> Iterator[tuple[Stall, FakeWorld]]:
        stall, self._stall = self._stall, None
        if stall is None or needs_its_own(mode):
            self._made += 1
            directory = self._directory / f"stall-{self._made}"
            directory.mkdir()
            lent = Stall(fresh(self._small, directory, mode), full_world(directory))
        else:
            lent = stall
        yield lent, full_world(lent.root)  # not lent again after a failure
        self._stall = stall if needs_its_own(mode) else lent


@pytest.fixture(scope="session")
def lender(small: Path, open_directory: Path) -> Lender:
    return Lender(small, open_directory)


def full_world(directory: Path, files: Any = None) -> FakeWorld:
    world = world_of(directory, files)
    world.holders = LocalHolders(SystemClock(), LocalProcesses())  # type: ignore[assignment]
    return world


def test_the_catalogue_is_as_large_as_it_says() -> None:
    said = re.search(r"(\d+) modes in `git-corrupt`", (Path(__file__).parents[3] / "CHANGELOG.md").read_text())
    assert said is not None
    assert len(CASES) == int(said[1])
    assert len(set(NAMES)) == len(CASES)
    assert set(FAMILIES) == {name for name in CATALOGUE if name.startswith("git-")} - {"git-transport"}


def test_every_line_of_the_table_says_everything() -> None:
    for family, entry in CASES:
        whole = (len(entry.summary) > 5, entry.fails, entry.repair, entry.seen)
        assert all(whole), f"{family}:{entry.name}"
        assert entry.often in ("daily", "common", "seen", "rare"), entry.name
        assert entry.harmless or entry.tells or entry.silent, entry.name
        assert not (entry.silent and entry.harmless), entry.name


@every_mode
def test_it_shows_as_its_line_says_and_every_byte_comes_back(family: str, entry: Entry, lender: Lender) -> None:
    with lender.lend(entry.name) as (stall, world):
        if entry.name == "disk-full":
            with pytest.raises(RefusedError) as refused:
                CATALOGUE[family](mode=entry.name).prepare(order_of(stall.clone), world)
            assert refused.value.exit_code == 77
            assert "file system" in refused.value.message
        else:
            assert try_out(CATALOGUE[family], entry, stall, world) == "ok"


def test_the_contract_suite_dies_in_every_way_of_changing_something(lender: Lender) -> None:
    """A mode that changes something in a way of its own belongs to ``scenarios.SAMPLES``."""
    tried: set[str] = set()
    others: dict[str, str] = {}
    for family, entry in CASES:
        if entry.name == "disk-full":
            continue
        with lender.lend(entry.name) as (stall, world):
            undo = CATALOGUE[family](mode=entry.name).prepare(order_of(stall.clone), world)
        ways = {way(edit) for edit in Record.load(through_json(undo).data).edits}
        if entry.name in SAMPLES[family]:
            tried |= ways
        else:
            others |= dict.fromkeys(ways, f"{family}:{entry.name}")
    missing = {name: which for name, which in others.items() if name not in tried}
    assert not missing, missing


def way(edit: Edit) -> str:
    """Name the way in which an edit is made and taken back."""
    match edit:
        case FileEdit():
            unlinked = "unlink" if edit.recipe.action == "unlink" else "replace"
            what = "create" if edit.before is None else unlinked
            flags = ("guarded " * edit.guarded, "immutable " * edit.immutable, edit.merge)
            return f"file {what} {''.join(flags)}".strip()
        case Make():
            return f"make {edit.what.partition(':')[0]}"
        case Patch():
            return "patch a copy" if edit.source else "patch in place"
        case Move():
            return f"move a {edit.stat.kind} {edit.joins and 'that joins'}".strip()
        case Dress():
            return "chown" if edit.before.uid != edit.after.uid else "chmod"
        case Hold():
            return "hold files" if edit.what == "files" else "hold a port"


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


def dies_at_every_moment(family: str, entry: Entry, clone: Path, tmp_path: Path) -> None:
    for dies_in in ("inject", "revert"):
        moment, most = 1, 600
        while undone(family, entry, clone, tmp_path, dies_in, moment):
            moment += 1
            assert moment < most
        sys.stdout.write(
            f"{family} {entry.name}: died at {moment - 1} moments of {dies_in}, nothing was left" + "\n"
        )


@pytest.mark.parametrize(("family", "entry"), [case for case in CASES if case[1].name in DIRECTORIES])
def test_a_death_between_a_directory_and_what_it_is_made_for_leaves_nothing(
    family: str, entry: Entry, clone: Path, tmp_path: Path
) -> None:
    dies_at_every_moment(family, entry, clone, tmp_path)


@pytest.mark.torture
@pytest.mark.timeout(1200)
@every_mode
def test_a_death_at_every_moment_leaves_nothing(family: str, entry: Entry, clone: Path, tmp_path: Path) -> None:
    if entry.name != "disk-full":
        dies_at_every_moment(family, entry, clone, tmp_path)


def damages_nobody_else(family: str, entry: Entry, clone: Path, tmp_path: Path) -> str:
    """Strike while clones and a snapshot of clone and remote share their files; say what became of it."""
    others, trusting = tmp_path / "others", tmp_path / "gitconfig"
    trusting.write_text("[safe]\n\tdirectory = *\n")  # the other side of `git clone` sees no GIT_CONFIG_KEY
    for name, more in (("clone", ()), ("remote.git", ("--bare",))):
        words = ("git", "clone", "-q", "--local", *more, str(clone.parent / name), str(others / name))
        subprocess.run(words, env=ENVIRONMENT | {"GIT_CONFIG_GLOBAL": str(trusting)}, check=True)
    subprocess.run(["cp", "-al", str(clone.parent), str(others / "snapshot")], check=True)
    before, theirs = picture(clone.parent), picture(others)
    kind: Any = CATALOGUE[family]
    world = full_world(tmp_path)
    try:
        undo = through_json(kind(mode=entry.name).prepare(order_of(clone), world))
        kind.inject(undo, world, Switch())
    except (TargetAbsentError, RefusedError) as reason:
        assert (picture(clone.parent), picture(others)) == (before, theirs)
        return f"not here: {reason.message}"
    assert picture(others) == theirs
    for name in ("clone", "remote.git"):
        assert run(others / name, "fsck", "--full").returncode == 0
    assert kind.revert(undo, world).outcome is Outcome.RESTORED
    assert picture(clone.parent) == before
    assert picture(others) == theirs
    return "ok"


@pytest.mark.parametrize(
    ("family", "entry"),
    [c for c in CASES if c[1].name in SHARED and c[0] == "git-corrupt"],
    ids=lambda v: getattr(v, "name", v),
)
def test_a_clone_that_shares_the_files_is_not_damaged(
    family: str, entry: Entry, clone: Path, tmp_path: Path
) -> None:
    assert damages_nobody_else(family, entry, clone, tmp_path) == "ok"


@pytest.mark.torture
@every_mode
def test_no_mode_damages_a_clone_that_shares_the_files(
    family: str, entry: Entry, clone: Path, tmp_path: Path
) -> None:
    sys.stdout.write(f"{family} {entry.name}: {damages_nobody_else(family, entry, clone, tmp_path)}" + "\n")


@pytest.mark.torture
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("which", KINDS)
def test_every_mode_on_every_kind_of_repository(which: str, open_directory: Path) -> None:
    """Print what became of every mode; what cannot strike there says why, before anything is touched."""
    rows, wrong = [], []
    here = open_directory / which
    here.mkdir()
    clone = build_kind(which, here / "made")
    stall, sound = Stall(clone, full_world(here)), run(clone, "fsck", "--full").stdout
    for family, entry in sorted(CASES, key=lambda case: needs_its_own(case[1].name)):
        if needs_its_own(entry.name) and not replaces_the_clone(entry.name):
            equip(clone, entry.name)
            stall, sound = Stall(clone, full_world(here)), run(clone, "fsck", "--full").stdout
        try:
            word = try_out(CATALOGUE[family], entry, stall, full_world(here), thorough=True, which=which)
        except (TargetAbsentError, RefusedError) as reason:
            stall.expect(f"{entry.name}: refused, but not untouched")
            word = f"not here: {reason.message}"
        except (AssertionError, ChaosdError) as problem:
            wrong.append(f"{family} {entry.name}: {problem}")
            word = "WRONG"
        if run(clone, "fsck", "--full").stdout != sound:
            wrong.append(f"{family} {entry.name}: fsck says something else afterwards")
        rows.append(f"{which:10} {family:12} {entry.name:32} {word[:100]}")
    sys.stdout.write("\n".join(rows) + "\n")
    assert not wrong, "\n".join(wrong)
