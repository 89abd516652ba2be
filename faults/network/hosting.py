"""The way over the host's own tools: prepared, struck and taken back from the undo record alone."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil

from daemon.core.errors import RefusedError
from daemon.core.model import Json, Order, Outcome, Reversion, Undo
from daemon.core.seams import Flag, World
from daemon.core.target import Network as Where
from faults.network import queueing
from faults.network.host import Host, NamespaceGoneError
from faults.network.places import Networks
from faults.network.queueing import Queue
from faults.network.ruleset import OUT, Cut, Table, queued, text

WAY = "host"
SETTLE_S = 1.0
AFTERGLOW_S = 60  # the rules outlive their time by this, so that it is the undo that ends them and not the kernel
_OURS = "chaosd"
_ANEW = "the machine was started anew since: no rule of before is left"
_NAME = re.compile(r"(?!\.)[A-Za-z0-9_.@:-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """What is asked of the host: which packets, and what becomes of them, by an nftables action or by netem."""

    cut: Cut
    action: str = ""
    netem: tuple[str, ...] = ()


def prepared(strike: Strike, where: Where, order: Order, world: World, safe: Networks) -> Mapping[str, Json]:
    """Return the record of one strike: the rules as they will be made. Looks only.

    Raises RefusedError or TargetAbsentError when the tools, the kernel, the rights or the device are not there.
    """
    _check_names(where)
    host = Host(world.commands, where.namespace)
    cut, action, queue = strike.cut, strike.action, None
    if strike.netem:
        queue = _queue(strike.netem, where, order, host)
        action, cut = queued(queue.slow), replace(cut, device=queue.device)
    elif where.device:
        cut = replace(cut, device=where.device)
    table = Table(
        name=f"{_OURS}_{re.sub('[^A-Za-z0-9]', '_', order.injection)}",
        mark=f"{_OURS}:{order.injection}",
        cut=cut,
        action=action,
        spared=safe,
        own_ports=() if where.namespace else world.names.own().ports,
        fuse_s=ceil(order.lasts_s) + AFTERGLOW_S,
    )
    rules = text(table)
    host.check(rules)
    return {
        "way": WAY,
        "namespace": where.namespace,
        "table": table.name,
        "rules": rules,
        "fuse_s": table.fuse_s,
        "queue": queue.data() if queue else None,
        "boot": world.boot,
    }


def actions(data: Mapping[str, Json], said: str) -> tuple[str, ...]:
    """Return the sentences of the dry run."""
    inside = f" in network namespace {data['namespace']}" if data["namespace"] else ""
    queue = Queue.of(data["queue"]).actions if data["queue"] else ()
    return (
        *queue,
        f"{said}, by the nftables table {data['table']}{inside}, which ends by itself after {data['fuse_s']} s",
    )


def inject(undo: Undo, world: World, stop: Flag) -> None:
    """Make the queue, then the rules that lead into it: until these are there no packet is hit."""
    host = _host(undo, world)
    if undo.data["queue"]:
        queueing.put(host, Queue.of(undo.data["queue"]))
    if not stop.is_set():
        host.make(undo.data["rules"])


def revert(undo: Undo, world: World) -> Reversion:
    """Delete the table and the queue of this record, and nothing else. Raises UndoFailedError when one stays."""
    host, table = _host(undo, world), str(undo.data["table"])
    queue = Queue.of(undo.data["queue"]) if undo.data["queue"] else None
    try:
        packets = host.packets(table)
        if packets is None:
            # A command outlives the chaosd that started it: what it was about to make may come a moment later.
            world.clock.wait(None, SETTLE_S)
            packets = host.packets(table)
        removed = host.remove(table) if packets else False
        unqueued = queueing.remove(host, queue) if queue else False
    except NamespaceGoneError:
        return _nowhere(undo, world, host)
    proof = {
        "table": table,
        "there": False,
        **({"packets": packets.packets, "bytes": packets.bytes} if packets else {}),
        **({"queue": queue.handle, "queue_there": False} if queue else {}),
    }
    if packets or removed or unqueued:
        hit = f"{packets.packets} packets had been hit" if packets else "its rules were not there"
        idle = packets is not None and packets.packets == 0
        return Reversion(outcome=Outcome.RESTORED, proof=proof, detail=f"table {table} is gone; {hit}", idle=idle)
    return _not_found(undo, world, proof)


def _not_found(undo: Undo, world: World, proof: Mapping[str, Json]) -> Reversion:
    if _another_boot(undo, world):
        return Reversion(outcome=Outcome.SUPERSEDED, proof=proof, detail=_ANEW)
    detail = f"there is no table {undo.data['table']}: it was never made, or somebody removed it"
    return Reversion(outcome=Outcome.UNTOUCHED, proof=proof, detail=detail)


def _nowhere(undo: Undo, world: World, host: Host) -> Reversion:
    """Say what is known of a namespace without its name: it may live on as long as a process is in it."""
    proof = {"namespace": host.namespace, "there": False}
    if _another_boot(undo, world):
        return Reversion(outcome=Outcome.SUPERSEDED, proof=proof, detail=_ANEW)
    ends = f"the rules in it end by themselves {undo.data['fuse_s']} s after they were made"
    stays = "; its queue stays" if undo.data["queue"] else ""
    return Reversion(
        outcome=Outcome.SUPERSEDED,
        proof=proof,
        detail=f"{host.shown} is gone",
        doubt=f"a process that is still in it is not reached any more: {ends}{stays}",
    )


def _another_boot(undo: Undo, world: World) -> bool:
    return bool(undo.data["boot"] and world.boot and undo.data["boot"] != world.boot)


def _check_names(where: Where) -> None:
    """Raise RefusedError for what is no name of a device or a namespace: both stand in commands and rules."""
    for name in (where.device, where.namespace):
        if name is not None and not _NAME.fullmatch(name):
            raise RefusedError(
                f"no packet was touched: {name!r} is the name of no device and no namespace",
                rule="unsupported",
                hint="see network.device and network.namespace of the target",
            )


def _queue(netem: tuple[str, ...], where: Where, order: Order, host: Host) -> Queue:
    device = queueing.device_of(host, where.device)
    queueing.require_free(host, device)
    queueing.require_netem(host)
    return Queue(device=device, handle=queueing.handle_of(order.injection), netem=netem)


def _host(undo: Undo, world: World) -> Host:
    return Host(world.commands, undo.data["namespace"])


def require_user(user: str, directions: tuple[str, ...]) -> None:
    """Raise ValueError for a user's packets that arrive: they are nobody's yet."""
    if user and directions != (OUT,):
        raise ValueError("user: only packets that leave belong to a user: set direction=egress")
    if user and not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\$?", user):
        raise ValueError(f"user: {user!r} is neither a user's name nor a number")
