"""The journal is cut or garbled while a fault is active and everybody is dead: `chaosd recover` undoes it."""

import json
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.e2e.journal.stage import CHAOSD, FAULTS, Stage, ended, garble, kill_all, patched, truncate

SAMPLE, FULL = 3, 100
Damage = Callable[[Path, random.Random], str]
DAMAGES: dict[str, Damage] = {"truncate": truncate, "garble": garble}
WITHOUT_COPIES = (
    "from daemon.ports.keep import Keep",
    "Keep.promise = lambda *_: None",
    "Keep.fulfil = lambda *_: None",
)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Callable[..., Stage]]:
    made: list[Stage] = []

    def make(number: int, program: Sequence[str] = CHAOSD) -> Stage:
        directory = tmp_path / str(number)
        directory.mkdir()
        made.append(Stage(directory, directory / "state", program))
        return made[-1]

    yield make
    for one in made:
        one.close()


def tear(stage: Stage, damage: Damage, dice: random.Random) -> tuple[str, str]:
    """Kill chaosd with the fault active, damage the journal, recover; return what was done and how it ended."""
    fault, mode = dice.choice(FAULTS)
    earlier = ended(stage.inject(*dice.choice(FAULTS), "0s"))  # so that there is a past to lose
    assert earlier.code in (0, 1), earlier.err
    process = stage.inject(fault, mode, "60s")
    assert stage.await_damage(process), process.communicate()
    kill_all(process)
    assert stage.residue(), "nothing was active; the harness shows nothing"
    what = damage(stage.state, dice)
    answer = stage.run("recover")
    assert answer.code in (0, 4), answer.err
    left = stage.residue()
    if left:
        return what, "residue, told" if answer.code == 4 else "RESIDUE, SILENT"
    noticed = "journal" in json.loads(answer.out)
    return what, f"whole, exit {answer.code}, {'damage told' if noticed else 'damage without effect'}"


def sweep(make: Callable[..., Stage], kind: str, rounds: int, program: Sequence[str] = CHAOSD) -> Counter[str]:
    dice, ends, lines = random.Random(kind), Counter[str](), []
    for number in range(rounds):
        what, end = tear(make(number, program), DAMAGES[kind], dice)
        ends[end] += 1
        lines.append(f"  {number:3}  {what:48}  {end}")
    table = "\n".join((*lines, *(f"  {count:3} x {end}" for end, count in ends.items())))
    sys.stdout.write(f"\n{kind}, {rounds} times:\n{table}\n")
    return ends


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_torn_journal_hides_no_fault(stage: Callable[..., Stage], kind: str) -> None:
    ends = sweep(stage, kind, SAMPLE)
    assert not [end for end in ends if not end.startswith("whole")], ends


@pytest.mark.torture
@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize("kind", DAMAGES)
def test_a_hundred_torn_journals_hide_no_fault(stage: Callable[..., Stage], kind: str) -> None:
    ends = sweep(stage, kind, FULL)
    assert not [end for end in ends if not end.startswith("whole")], ends


def test_the_harness_sees_the_residue_where_no_copies_are_kept(stage: Callable[..., Stage]) -> None:
    """Without the copy of the undo record a cut journal must leave residue: else the tests above test nothing."""

    def empty(state: Path, _: random.Random) -> str:
        for path in state.glob("journal.sqlite*"):
            path.write_bytes(b"")
        return "emptied"

    _, end = tear(stage(0, patched(*WITHOUT_COPIES)), empty, random.Random(1))
    assert end.upper().startswith("RESIDUE")
