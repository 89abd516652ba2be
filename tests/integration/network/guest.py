"""What runs in an emulated machine whose kernel has netem: latency and loss by tc, measured, in lines of JSON.

python -m tests.integration.network.guest [KILLS]
"""

import json
import sys
import tempfile
import time  # noqa: TID251 - measures round trips
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from daemon.core.errors import RefusedError
from daemon.core.settings import Aws
from daemon.ports.world import LocalWorld
from faults import CATALOGUE
from faults.network import host, hosting
from tests.fakes import Death, Mortal, Switch
from tests.integration.network.netns import FAR, OTHER, Pair, pair
from tests.integration.network.striker import PACKETS, Striker, killed_in_the_act, lost
from tests.waiting import wait_for

PORT = 8080
MARK = "measured: "
DELAY_S = 0.4  # an emulated processor needs milliseconds for a connection


def main() -> None:
    host.WAIT_S = 300.0  # an emulated processor on a busy machine
    with tempfile.TemporaryDirectory() as private, pair() as wire:
        for address in (FAR, OTHER):
            wire.listen(wire.far, address, PORT)
        striker = Striker(wire, LocalWorld(aws=Aws(), private=Path(private)))
        if sys.argv[1:]:
            for so_far in kills(wire, striker, int(sys.argv[1])):
                tell("kills", so_far)
            return
        for measure in (round_trip, latency, jitter, loss, fuse, deaths, round_trip):
            tell(measure.__name__, measure(wire, striker))


def tell(name: str, found: object) -> None:
    sys.stdout.write(f"\n{MARK}{json.dumps({name: found})}\n")
    sys.stdout.flush()


def round_trip(wire: Pair, _: Striker) -> float:
    return connecting_s(wire, FAR)


def connecting_s(wire: Pair, address: str) -> float:
    """Return the median time of a few connections: one round trip each."""
    taken = []
    for _ in range(5):
        began_s = time.monotonic()
        assert wire.connects(address, PORT, wait_s=30) == "open"
        taken.append(time.monotonic() - began_s)
    return median(taken)


def latency(wire: Pair, striker: Striker) -> dict[str, Any]:
    """Delay what is sent to one host and not to another; refuse a second queue on the same device."""
    before = wire.rules()
    undo = striker.strike("network-latency", delay=DELAY_S, hosts=FAR)
    during = {"hit_s": connecting_s(wire, FAR), "spared_s": connecting_s(wire, OTHER)}
    try:
        striker.prepare("network-latency", delay=DELAY_S)
        second = ""
    except RefusedError as error:
        second = error.rule
    reversion = striker.revert(undo)
    return {
        **during,
        "second": second,
        "outcome": reversion.outcome,
        "packets": reversion.proof["packets"],
        "as_before": wire.rules() == before,
        "again": striker.revert(undo).outcome,
    }


def jitter(wire: Pair, striker: Striker) -> dict[str, Any]:
    undo = striker.strike("network-latency", delay=DELAY_S, jitter=DELAY_S / 2, exempt=OTHER)
    during = {"hit_s": connecting_s(wire, FAR), "spared_s": connecting_s(wire, OTHER)}
    striker.revert(undo)
    return during


def loss(wire: Pair, striker: Striker) -> dict[str, Any]:
    before = wire.rules()
    undo = striker.strike("network-packet-loss", by="netem", percent=30)
    missing = lost(wire, wire.near, FAR)
    striker.revert(undo)
    return {
        "of": PACKETS,
        "lost": missing,
        "afterwards": lost(wire, wire.near, FAR),
        "as_before": wire.rules() == before,
    }


def fuse(wire: Pair, striker: Striker) -> dict[str, Any]:
    """Nobody reverts: the rules burn out, nothing is late any more, and the queue is still there to be removed."""
    before, kept_s = wire.rules(), hosting.AFTERGLOW_S
    hosting.AFTERGLOW_S = 5  # type: ignore[misc]
    try:
        undo = striker.strike("network-latency", delay=DELAY_S)
    finally:
        hosting.AFTERGLOW_S = kept_s  # type: ignore[misc]
    during_s = connecting_s(wire, FAR)
    wait_for("nothing is late any more", lambda: connecting_s(wire, FAR) < DELAY_S / 2, 60)
    queue = undo.data["queue"]["handle"] in wire.rules()
    return {
        "hit_s": during_s,
        "queue_stayed": queue,
        "outcome": striker.revert(undo).outcome,
        "as_before": wire.rules() == before,
    }


def deaths(wire: Pair, striker: Striker) -> dict[str, int]:
    """Die before and after every command of inject and of revert; count what is left after the next revert."""
    fault, before, left, died = CATALOGUE["network-latency"], wire.rules(), 0, 0
    undo = striker.prepare("network-latency", delay=DELAY_S)
    counting = Mortal(striker.world)
    fault.inject(undo, counting, Switch())
    of_inject = counting.moments
    fault.revert(undo, counting)
    for moment in range(1, counting.moments + 1):
        mortal = Mortal(striker.world, dies_at=moment)
        try:
            fault.inject(undo, mortal, Switch())
            fault.revert(undo, mortal)
        except Death:
            died += 1
        striker.revert(undo)
        left += wire.rules() != before
    return {"moments": counting.moments, "of_inject": of_inject, "died": died, "left": left}


def kills(wire: Pair, striker: Striker, times: int) -> Iterator[Counter[str]]:
    """Kill so often, in turns of five with a delay and five with loss; yield what was there, and then was not."""
    seen = Counter[str]()
    for turn in range(times // 10):
        seen += killed_in_the_act(wire, striker, 5, "network-latency", turn, delay=DELAY_S)
        seen += killed_in_the_act(wire, striker, 5, "network-packet-loss", turn, by="netem", percent=30)
        yield seen


if __name__ == "__main__":
    main()
