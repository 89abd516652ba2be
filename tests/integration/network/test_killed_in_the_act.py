"""SIGKILL for a process in the midst of striking or taking back, real nft and all: the next revert is whole."""

import os
import shutil
import sys

import pytest

from tests.integration.network.netns import FAR, Pair
from tests.integration.network.striker import Striker, killed_in_the_act

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


@pytest.mark.parametrize("fault", FAULTS)
def test_killed_in_the_act_no_rule_is_left(wire: Pair, striker: Striker, fault: str) -> None:
    seen = killed_in_the_act(wire, striker, KILLS, fault, **FAULTS[fault])  # type: ignore[arg-type]
    sys.stdout.write(f"\n{fault}: killed in the act {KILLS} times ({dict(seen)}), nothing left\n")
    assert KILLS < 10 or len(seen) == 2, "every kill fell into the same state: nothing was tried"
