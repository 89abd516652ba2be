"""Clones with what others do not have: borrowed objects, odd characters in paths and names."""

from pathlib import Path
from typing import Any

import pytest

from daemon.core.model import Outcome, Undo
from faults import CATALOGUE
from tests.fakes import FakeWorld, Switch
from tests.integration.git.shed import git, order_of, picture, run, through_json


def strike(family: str, mode: str, clone: Path, world: FakeWorld) -> tuple[Any, Undo]:
    kind: Any = CATALOGUE[family]
    undo = through_json(kind(mode=mode).prepare(order_of(clone), world))
    kind.inject(undo, world, Switch())
    return kind, undo


@pytest.mark.parametrize("end", ["\n", ""])
def test_a_store_that_does_not_exist_is_named_beside_the_one_that_is_borrowed_from(
    end: str, clone: Path, world: FakeWorld, tmp_path: Path
) -> None:
    borrower = tmp_path / "borrower"
    git(tmp_path, "clone", "-q", "--shared", str(clone), str(borrower))
    (borrower / ".git/objects/info/alternates").write_text(f"{clone}/.git/objects{end}")
    before = picture(borrower)
    kind, undo = strike("git-corrupt", "alternates-dangling", borrower, world)
    said = run(borrower, "log", "--oneline")
    assert (said.returncode, f"{borrower}/.git/no-such-store" in said.stderr) == (0, True)
    assert kind.revert(undo, world).outcome is Outcome.RESTORED
    assert picture(borrower) == before
