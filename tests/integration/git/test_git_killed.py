"""`kill -9` of chaosd at every journalled step of every entry of the catalogue: after `recover` nothing is left."""

import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.integration.git.mortal import STEPS, kill_and_recover
from tests.integration.git.test_git_catalogue import CASES, fresh, full_world
from tests.integration.git.yard import Stall, build_small, needs_its_own

SAMPLE = (("git-corrupt", "pack-bitflip"), ("git-state", "rebase-merge"), ("git-remote", "gone"))


def killed(cases: list[tuple[str, str]]) -> list[str]:
    """Print a line for each family; return what was not as before."""
    wrong: list[str] = []
    kills: Counter[str] = Counter()
    missed: list[str] = []
    with TemporaryDirectory(prefix="chaosd-git-") as name:
        small = Path(name, "small")
        small.mkdir()
        build_small(small)
        stall: Stall | None = None
        for number, (family, mode) in enumerate(cases):
            if stall is None or needs_its_own(mode):
                directory = Path(name, f"stall-{number}")
                directory.mkdir()
                used = Stall(fresh(small, directory, mode), full_world(directory))
            else:
                used = stall
            for step in STEPS:
                state = Path(name, f"state-{number}-{step}")
                try:
                    died = kill_and_recover(used.clone, state, family, mode, step)
                    kills[family] += died
                    missed += [] if died else [f"{family} {mode} at {step}"]
                    used.expect(f"{family} {mode}: killed at {step}")
                except AssertionError as error:
                    wrong.append(str(error))
                    used = Stall(fresh(small, Path(name, f"new-{number}-{step}"), mode), full_world(small))
            stall = stall if needs_its_own(mode) else used
    assert not missed, f"nobody was killed: {missed}"
    sys.stdout.write("".join(f"{family}: {count} kills, nothing left\n" for family, count in kills.items()))
    return wrong


def test_killed_at_every_journalled_step_a_sample_is_as_before() -> None:
    assert killed(list(SAMPLE)) == []


@pytest.mark.torture
@pytest.mark.timeout(4 * 3600)
def test_killed_at_every_journalled_step_every_entry_is_as_before() -> None:
    assert killed([(family, entry.name) for family, entry in CASES if entry.name != "disk-full"]) == []
