"""What every fault promises, once more for those that can also be carried out by the ECS agent."""

from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp

import pytest

from tests.contract import test_faults
from tests.contract.scenarios import Scene, in_task
from tests.contract.test_faults import Case

BY_AGENT = (
    ("network-blackhole", "drop"),
    ("network-dns", "drop"),
    ("network-latency", "delay"),
    ("network-packet-loss", "random"),
)
PROMISES = [
    check
    for name, check in vars(test_faults).items()
    if name.startswith("test_") and list(check.__annotations__) == ["case", "return"]
]


class InTask(Case):
    """A fault in a task whose network only the agent reaches."""

    def scene(self) -> Scene:
        return in_task(Path(mkdtemp(dir=self.root)))


def test_there_are_promises() -> None:
    assert len(PROMISES) >= 9


@pytest.mark.parametrize("promise", PROMISES, ids=lambda check: check.__name__)
@pytest.mark.parametrize(("name", "mode"), BY_AGENT)
def test_through_the_agent(promise: Callable[[Case], None], name: str, mode: str, tmp_path: Path) -> None:
    promise(InTask(name, mode, tmp_path))
