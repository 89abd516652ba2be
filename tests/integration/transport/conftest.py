"""Fixtures: a yard for each protocol."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.transport.wire import SERVERS, Yard, yard


@pytest.fixture(params=SERVERS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Yard]:
    with yard(tmp_path, request.param) as made:
        yield made
