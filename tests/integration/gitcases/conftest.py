"""Git cases played for real: real git, real worker processes, a sandbox in the test's own directory."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from daemon import wiring
from daemon.core.evidence import Standing
from daemon.core.gitcases import Judged, Result
from daemon.core.gittable import GIT_SCENARIOS
from daemon.core.settings import Aws
from daemon.engine.gitcases.origin import Source, lay
from daemon.engine.gitcases.player import Player, Worker
from daemon.engine.gitcases.stage import Ground
from daemon.ports.world import LocalWorld

HERE = Path(__file__).parent
LAB = (sys.executable, "-P", "-m", "daemon.lab.worker.once")


@dataclass(frozen=True)
class Field:
    """A ground, and a place for every test's sandbox."""

    world: LocalWorld
    ground: Ground
    root: Path

    def play(self, case: str, *arguments: str, seed: int = 7) -> Result:
        """Play one case, named ``scenario case``, with this worker."""
        scenario, name = case.split()
        player = Player(
            world=self.world,
            ground=self.ground,
            root=str(self.root),
            worker=Worker(arguments=arguments or LAB, timeout_s=60),
            witness=wiring.git_witness,
        )
        return player.run(GIT_SCENARIOS[scenario], name, seed)


Fielder = Callable[..., Field]


def make_field(root: Path, repository: Path | None = None) -> Field:
    (root / "private").mkdir(parents=True)
    world = LocalWorld(aws=Aws(), private=root / "private")
    source = Source(
        repository=str(repository) if repository else None, mainline=None, branch="thread-{chatThreadId}"
    )
    return Field(world, lay(world, str(root), source), root)


@pytest.fixture(scope="session")
def laid(tmp_path_factory: pytest.TempPathFactory) -> Field:
    """A fresh repository, made once."""
    return make_field(tmp_path_factory.mktemp("cases") / "ground")


@pytest.fixture
def field(laid: Field, tmp_path: Path) -> Field:
    """A sandbox of the test's own on the common ground."""
    (tmp_path / "private").mkdir()
    return Field(LocalWorld(aws=Aws(), private=tmp_path / "private"), laid.ground, tmp_path)


@pytest.fixture(scope="session")
def field_on() -> Fielder:
    return make_field


def broken(result: Result) -> set[str]:
    """Return the checks that are violated."""
    assert isinstance(result, Judged), result
    return {c.name for c in result.checks if c.standing is Standing.VIOLATED}


@pytest.fixture(scope="session", name="broken")
def broken_fixture() -> Callable[[Result], set[str]]:
    return broken
