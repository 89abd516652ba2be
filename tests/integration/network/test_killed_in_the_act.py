"""SIGKILL for a process in the midst of striking or taking back, real nft and all: the next revert leaves nothing.

Much denser than killing the whole of chaosd (``tests/e2e/network``): no instant falls before the first command or
after the last, and a command under way outlives its process.
"""

import multiprocessing
import os
import random
import shutil
import signal
import sys
import time  # noqa: TID251 - kills at instants
from collections import Counter
from pathlib import Path

import pytest

from daemon.core.model import Undo
from daemon.core.settings import Aws
from daemon.ports.world import LocalWorld
from faults import CATALOGUE
from tests.fakes import Switch
from tests.integration.network.netns import FAR, Pair
from tests.integration.network.striker import Striker

KILLS = int(os.environ.get("CHAOSD_INSTANTS", "4"))  # a fault
FAULTS = {
    "network-blackhole": {"port": 8080},
    "network-dns": {"mode": "refuse"},
    "network-packet-loss": {"percent": 30},
    "network-partition": {"hosts": FAR},
}
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, ("nft", "tc", "nsenter"))),
    reason="makes network namespaces: needs root, nftables and iproute2",
)


def act(undo: Undo, private: Path) -> None:
    """Strike and take back in a world of its own, again and again until somebody ends it."""
    world, fault = LocalWorld(aws=Aws(), private=private), CATALOGUE[undo.fault]
    while True:
        fault.inject(undo, world, Switch())
        fault.revert(undo, world)


@pytest.mark.parametrize("fault", FAULTS)
def test_killed_in_the_act_no_rule_is_left(wire: Pair, striker: Striker, tmp_path: Path, fault: str) -> None:
    before, dice, seen = wire.rules(), random.Random(fault), Counter[str]()
    undo = striker.prepare(fault, **FAULTS[fault])
    forked = multiprocessing.get_context("fork")
    began_s = time.monotonic()
    striker.revert(striker.strike(fault, **FAULTS[fault]))
    lasts_s = time.monotonic() - began_s  # of one round, here and now
    for _ in range(KILLS):
        process = forked.Process(target=act, args=(undo, tmp_path))
        process.start()
        process.join(dice.uniform(0, 2 * lasts_s))
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join(30)
        seen["struck" if undo.data["table"] in wire.rules() else "not struck"] += 1
        striker.revert(undo)
        assert wire.rules() == before, seen
    sys.stdout.write(f"\n{fault}: killed in the act {KILLS} times ({dict(seen)}), nothing left\n")
    assert KILLS < 10 or len(seen) == 2, "every kill fell into the same state: nothing was tried"
