"""SIGKILL for chaosd, its guardian or both, at every step and at random instants: a clone is as before."""

import random
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.git.tree import MODES, changed, git, look, make_repository
from tests.e2e.guardian.killing import (
    BOTH,
    DAEMON,
    INSTANT,
    INSTANTS,
    REVERTER,
    STEP,
    STEPS,
    WHOM,
    Moment,
    Table,
    Victim,
    at_step,
    kill_once,
    play,
    sweep,
)
from tests.e2e.guardian.kit import Stage
from tests.waiting import wait_for

# Besides, one of each of the other families; in tests/integration/git every mode of theirs dies at every step.
KILLED = (
    *MODES,
    ("git-hook", "pre-commit-fail"),
    ("git-remote", "rewound"),
    ("git-state", "merge-conflict"),
    ("git-worktree", "file-deleted"),
)
FAULTS = sorted({fault for fault, _ in KILLED})
# Every step and every victim, each with some of the others; the whole table is the torture's.
SOME = [*((step, WHOM[n % 3]) for n, step in enumerate(STEPS)), ("planned", BOTH), ("injected", BOTH)]
LATE = str(Path(__file__).parent / "late_journal.py")


def victim_of(directory: Path, fault: str, mode: str) -> Victim:
    place = directory / "place"
    repository = make_repository(place / "repository")
    git(place, "clone", "-q", "--bare", str(repository), str(place / "remote.git"))
    git(repository, "remote", "add", "origin", "../remote.git")
    git(repository, "fetch", "-q")
    before = look(place)

    def residue() -> list[str]:
        try:
            return changed(before, look(place))
        except FileNotFoundError:  # a temporary file went away while we looked
            return residue()

    words = ("inject", fault, "--repository", str(repository), "--mode", mode, "--for", "500ms")
    return Victim(f"{fault}/{mode}", words, residue)


def always(scene: tuple[Stage, Victim]) -> Callable[[], tuple[Stage, Victim]]:
    return lambda: scene


@pytest.mark.parametrize(("step", "whom"), SOME)
def test_killed_at_a_step_nothing_is_left(tmp_path: Path, step: str, whom: str) -> None:
    victim = victim_of(tmp_path, "git-lock", "index-lock")
    assert kill_once(Stage(tmp_path), victim, whom, at_step(step)) == []


@pytest.mark.parametrize(("fault", "mode"), list({fault: (fault, mode) for fault, mode in KILLED}.values()))
def test_the_guardian_alone_restores_it(tmp_path: Path, fault: str, mode: str) -> None:
    """Nobody runs `chaosd recover`: what is whole afterwards, the guardian made whole."""
    assert kill_once(Stage(tmp_path), victim_of(tmp_path, fault, mode), DAEMON, at_step("injected")) == []


def test_a_reverter_killed_half_way_is_followed_by_another(tmp_path: Path) -> None:
    victim = victim_of(tmp_path, "git-corrupt", "head-garbage")
    assert kill_once(Stage(tmp_path), victim, REVERTER, at_step("injected")) == []


def test_the_harness_catches_a_journal_that_is_written_after_the_injection(tmp_path: Path) -> None:
    """The natural mistake: first strike, then note it down. If this stays green, the tests above test nothing."""
    stage = Stage(tmp_path, program=(sys.executable, LATE))
    victim = victim_of(tmp_path, "git-lock", "index-lock")

    struck = Moment(STEP, lambda *_: wait_for("damage", victim.residue) and None)
    assert play(stage, victim, DAEMON, struck, Table()) != [], "the late intent was not caught"
    (tmp_path / "place/repository/.git/index.lock").unlink()
    assert play(stage, victim, BOTH, struck, Table()) != [], "the late intent was not caught"


def test_a_short_sweep_counts_what_it_killed(tmp_path: Path) -> None:
    """The long one below, with two instants: a kill is counted once, and a run that was over is none."""
    scene, table = (Stage(tmp_path), victim_of(tmp_path, "git-lock", "ref-lock")), Table()
    assert sweep(always(scene), table, random.Random(2), 2, steps=["injected"]) == []
    row = table.rows["git-lock/ref-lock"]
    assert row[INSTANT] == 2
    assert row[STEP] == 4
    assert row["kills"] == row[STEP] + row[INSTANT] == sum(row[whom] for whom in (*WHOM, REVERTER))


@pytest.mark.torture
@pytest.mark.timeout(6 * 3600)
@pytest.mark.parametrize("fault", FAULTS)
def test_at_every_step_and_at_random_instants_nothing_is_left(tmp_path: Path, fault: str) -> None:
    modes = [mode for name, mode in KILLED if name == fault]
    table, left = Table(), []
    try:
        for mode in modes:
            directory = tmp_path / mode
            directory.mkdir()
            scene = (Stage(directory), victim_of(directory, fault, mode))
            left += sweep(always(scene), table, random.Random(mode), -(-INSTANTS // len(modes)))
    finally:
        sys.stdout.write(f"\n{table}\n")
    assert left == []
