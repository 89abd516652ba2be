"""Faults that strike in a namespace of the test's own, and how many packets get through there."""

import json
import multiprocessing
import os
import random
import signal
import socket
import time  # noqa: TID251 - kills at instants
from collections import Counter
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


def _act(undo: Undo, world: LocalWorld) -> None:
    """Strike and take back, again and again until somebody ends it."""
    fault = CATALOGUE[undo.fault]
    while True:
        fault.inject(undo, world, Switch())
        fault.revert(undo, world)


def killed_in_the_act(
    wire: Pair, striker: Striker, kills: int, fault: str, seed: int = 0, **how: Any
) -> Counter[str]:
    """Kill (SIGKILL) who strikes and takes back so many times; return what was found, and fail when it stays.

    Much denser than killing the whole of chaosd (``tests/e2e/network``): no instant falls before the first command
    or after the last, and a command under way outlives its process.
    """
    before, dice, seen = wire.rules(), random.Random(f"{fault} {seed}"), Counter[str]()
    undo = striker.prepare(fault, **how)
    forked = multiprocessing.get_context("fork")
    began_s = time.monotonic()
    striker.revert(striker.strike(fault, **how))
    lasts_s = time.monotonic() - began_s  # of one round, here and now
    for _ in range(kills):
        process = forked.Process(target=_act, args=(undo, striker.world))
        process.start()
        process.join(dice.uniform(0, 2 * lasts_s))
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join(30)
        seen["struck" if wire.rules() != before else "not struck"] += 1
        striker.revert(undo)
        assert wire.rules() == before, seen
    return seen


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
