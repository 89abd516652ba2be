"""The lock files: each holds every package that pyproject.toml asks for, or what is built from it does not run."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
RUN = PROJECT["project"]["dependencies"]
LAB = PROJECT["project"]["optional-dependencies"]["lab"]
DEVELOPMENT = PROJECT["dependency-groups"]["dev"]


@pytest.mark.parametrize(
    ("lock", "wanted"),
    [
        ("deploy/docker/requirements.lock", RUN),
        ("requirements.lock", [*RUN, *LAB]),
        ("requirements-dev.lock", [*RUN, *LAB, *DEVELOPMENT]),
    ],
)
def test_a_lock_holds_a_fitting_version_of_everything_asked_for(lock: str, wanted: list[str]) -> None:
    held = dict(re.findall(r"^([a-z0-9._-]+)(?:\[.*\])?==([^\s;\\]+)", (ROOT / lock).read_text(), re.MULTILINE))
    for needed in map(Requirement, wanted):
        version = held.get(canonicalize_name(needed.name))
        assert version is not None, f"{needed.name} is missing from {lock}: run `make lock`"
        assert needed.specifier.contains(version, prereleases=True), f"{needed} but {version} in {lock}"
