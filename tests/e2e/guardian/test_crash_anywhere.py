"""SIGKILL for chaosd, its guardian or both, at every step and at random instants: a clone is as before."""

import random
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from faults import CATALOGUE
from tests.e2e.git.tree import changed, look, make_repository
from tests.e2e.guardian.kit import BOTH, DAEMON, REVERTER, STEPS, WHOM, Stage, Table, Victim, after, at_step, play

MODES = [(name, mode.name) for name in ("git-corrupt", "git-lock") for mode in CATALOGUE[name].modes]
INSTANTS = 37  # a mode; with those in the lab 500
LATE = str(Path(__file__).parent / "late_journal.py")


def victim_of(directory: Path, fault: str, mode: str) -> Victim:
    repository = make_repository(directory / "repository")
    before = look(repository)

    def residue() -> list[str]:
        try:
            return changed(before, look(repository))
        except FileNotFoundError:  # a temporary file went away while we looked
            return residue()

    words = ("inject", fault, "--repository", str(repository), "--mode", mode, "--for", "500ms")
    return Victim(f"{fault}/{mode}", words, residue)


@pytest.mark.parametrize("whom", WHOM)
@pytest.mark.parametrize("step", STEPS)
def test_killed_at_a_step_nothing_is_left(tmp_path: Path, step: str, whom: str) -> None:
    left = play(Stage(tmp_path), victim_of(tmp_path, "git-lock", "index-lock"), whom, at_step(step), Table())
    assert left == []


@pytest.mark.parametrize(("fault", "mode"), MODES)
def test_the_guardian_alone_restores_every_mode(tmp_path: Path, fault: str, mode: str) -> None:
    """Nobody runs `chaosd recover`: what is whole afterwards, the guardian made whole."""
    assert play(Stage(tmp_path), victim_of(tmp_path, fault, mode), DAEMON, at_step("injected"), Table()) == []


def test_a_reverter_killed_half_way_is_followed_by_another(tmp_path: Path) -> None:
    victim = victim_of(tmp_path, "git-corrupt", "head-garbage")
    assert play(Stage(tmp_path), victim, REVERTER, at_step("injected"), Table()) == []


def test_the_harness_catches_a_journal_that_is_written_after_the_injection(tmp_path: Path) -> None:
    """The natural mistake: first strike, then note it down. If this stays green, the tests above test nothing."""
    stage = Stage(tmp_path, program=(sys.executable, LATE))
    victim = victim_of(tmp_path, "git-lock", "index-lock")

    def struck(*_: object) -> None:
        at_damage(victim.residue)

    assert play(stage, victim, DAEMON, lambda *_: struck(), Table()) != [], "the late intent was not caught"
    (tmp_path / "repository/.git/index.lock").unlink()
    assert play(stage, victim, BOTH, lambda *_: struck(), Table()) != [], "the late intent was not caught"


def at_damage(residue: Callable[[], list[str]]) -> None:
    from tests.e2e.guardian.kit import wait_for  # noqa: PLC0415

    wait_for("damage", residue)


@pytest.mark.torture
@pytest.mark.timeout(3000)
def test_at_every_step_and_at_random_instants_nothing_is_left(tmp_path: Path) -> None:
    table, left = Table(), []
    for fault, mode in MODES:
        directory = tmp_path / f"{fault}-{mode}"
        directory.mkdir()
        stage, victim, dice = Stage(directory), victim_of(directory, fault, mode), random.Random(mode)
        for step in STEPS:
            for whom in (*WHOM, REVERTER):
                left += play(stage, victim, whom, at_step(step), table)
        for _ in range(INSTANTS):
            left += play(
                stage, victim, dice.choice((*WHOM, REVERTER)), after(dice.uniform(0, victim.lasts_s)), table
            )
    sys.stdout.write(f"\n{table}\n")
    assert left == []
