"""Every `chaosd inject` in the documentation is one that the command line and the fault take."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from daemon.core.moments import read
from daemon.core.parameters import build
from daemon.core.workloads import SCENARIOS
from daemon.faces.cli.inject import inject
from faults import CATALOGUE

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMAND = re.compile(r"chaosd (?:-c \S+ )?inject ([a-z][a-z0-9-]+(?:[^`\n#|]|(?<=\\)\|)*)")
SHORTENED = ("...", "FAULT")  # a page about faults in general


def commands() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for words in COMMAND.findall(page.read_text()):
            if not any(part in words for part in SHORTENED):
                yield f"{page.relative_to(ROOT)}: {words.strip()}", words.strip()


@pytest.mark.parametrize("words", [pytest.param(words, id=where) for where, words in commands()])
def test_what_the_pages_tell_to_type_is_taken(words: str) -> None:
    found = inject.make_context("inject", shlex.split(words), resilient_parsing=False).params
    assert found["fault"] in CATALOGUE
    given = dict(found["settings"]) | ({"mode": found["mode"]} if found["mode"] else {})
    build(CATALOGUE[found["fault"]], given, where=found["fault"])
    assert found["scenario"] is None or found["scenario"] in SCENARIOS
    assert not found["when"] or not read(found["when"]).problem


def test_every_fault_has_a_command_in_the_recipes() -> None:
    told = (ROOT / "docs/recipes.md").read_text()
    assert [name for name in CATALOGUE if f"inject {name} " not in told and f"`{name}`" not in told] == []


def test_a_command_that_is_none_is_found_out() -> None:
    with pytest.raises(click.UsageError):
        inject.make_context("inject", ["git-lock", "--no-such-option"])
