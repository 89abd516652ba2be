from pathlib import Path

import pytest

from tests.fakes import FakeWorld
from tests.integration.git.shed import build, copy, world_of


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("template"))


@pytest.fixture(scope="session")
def template_sha256(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("template256"), object_format="sha256")


@pytest.fixture
def clone(template: Path, tmp_path: Path) -> Path:
    return copy(template, tmp_path)


@pytest.fixture
def world(tmp_path: Path) -> FakeWorld:
    return world_of(tmp_path)
