"""Real namespaces, and faults that strike in them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.core.settings import Aws
from daemon.ports.world import LocalWorld
from tests.integration.network.netns import Pair, pair
from tests.integration.network.striker import Striker


@pytest.fixture
def wire() -> Iterator[Pair]:
    with pair() as made:
        yield made


@pytest.fixture
def striker(wire: Pair, tmp_path: Path) -> Striker:
    return Striker(wire, LocalWorld(aws=Aws(), private=tmp_path))
