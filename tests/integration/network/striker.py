"""Faults that strike in a namespace of the test's own, and how many packets get through there."""

import json
import random
import socket
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from daemon.core.model import Order, Reversion, Undo
from daemon.core.parameters import build
from daemon.core.target import Network, Target
from daemon.ports.world import LocalWorld
from faults import CATALOGUE
from tests.fakes import Switch
from tests.integration.network.netns import Pair

PACKETS = 2000


class Striker:
    """One fault after the other on the worker's namespace, each from its record alone."""

    def __init__(self, wire: Pair, world: LocalWorld) -> None:
        self.wire, self.world = wire, world

    def prepare(self, fault: str, *, where: str = "", device: str | None = None, **parameters: Any) -> Undo:
        network = Network(through="host", namespace=where or self.wire.near, device=device)
        order = Order(
            injection="20261129T000000-abc123",
            target=Target(name="editor", network=network),
            dice=random.Random(1),
        )
        made: Any = build(CATALOGUE[fault], parameters, where=fault)
        raw = json.loads(json.dumps(asdict(made.prepare(order, self.world))))
        return Undo(**{**raw, "actions": tuple(raw["actions"])})

    def strike(self, fault: str, **how: Any) -> Undo:
        undo = self.prepare(fault, **how)
        CATALOGUE[fault].inject(undo, self.world, Switch())
        return undo

    def revert(self, undo: Undo) -> Reversion:
        return CATALOGUE[undo.fault].revert(undo, self.world)


def lost(wire: Pair, where: str, to: str) -> int:
    """Send datagrams one by one and return how many did not arrive."""
    there = wire.listen(wire.far if where == wire.near else wire.near, to, 9001, kind=socket.SOCK_DGRAM)
    there.settimeout(0)
    came = 0
    with wire.client(where, socket.SOCK_DGRAM) as caller:
        for number in range(PACKETS):
            with suppress(PermissionError):  # what nftables drops on its way out is told to the sender
                caller.sendto(number.to_bytes(4, "big"), (to, 9001))
            with suppress(BlockingIOError):
                while there.recv(10):
                    came += 1
    there.settimeout(0.3)
    with suppress(TimeoutError):
        while there.recv(10):
            came += 1
    there.close()
    return PACKETS - came
