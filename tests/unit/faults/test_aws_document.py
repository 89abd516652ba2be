"""docs/aws-faults.md is what the catalogue and the measured table say; every fault is in both."""

import re
import shlex
from typing import Any

import pytest

from daemon.core.parameters import build
from faults import CATALOGUE
from tests.integration.proxy.document import PAGE, document
from tests.integration.proxy.sdk_table import CASES

RECIPE = re.compile(r"^chaosd inject (aws-.+)$", re.MULTILINE)


def test_the_page_is_made_from_the_code() -> None:
    assert PAGE.read_text() == document(), "run `python -m tests.integration.proxy.document`"


def test_every_fault_of_aws_calls_was_measured() -> None:
    assert {case.fault for case in CASES} == {name for name in CATALOGUE if name.startswith("aws-")}


@pytest.mark.parametrize("words", RECIPE.findall(document()))
def test_every_command_of_the_page_is_one_the_fault_takes(words: str) -> None:
    name, *rest = shlex.split(words, comments=True)
    given: dict[str, Any] = {}
    pairs = iter(rest)
    for word in pairs:
        value = next(pairs)
        if word == "--set":
            key, _, text = value.partition("=")
            given[key] = text
        elif word == "--mode":
            given["mode"] = value
        else:
            assert word in {"--target", "--for", "--when"}
    build(CATALOGUE[name], given, where=name)
