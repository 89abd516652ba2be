import shutil
from pathlib import Path

import pytest

from tests.fakes import FakeWorld
from tests.integration.git.shed import build, copy, git, world_of
from tests.integration.git.yard import build_small


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("template"))


@pytest.fixture(scope="session")
def template_sha256(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("template256"), object_format="sha256")


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("small")
    build_small(root)
    return root


@pytest.fixture
def small_clone(small: Path, tmp_path: Path) -> Path:
    """Copy the small repository of ``yard``, which has something of everything."""
    shutil.copytree(small, tmp_path / "here", symlinks=True)
    git(tmp_path / "here/clone", "status")  # the index learns the new inodes now, not in the middle of a test
    return tmp_path / "here/clone"


@pytest.fixture
def clone(template: Path, tmp_path: Path) -> Path:
    return copy(template, tmp_path)


@pytest.fixture
def world(tmp_path: Path) -> FakeWorld:
    return world_of(tmp_path)
