"""Delay by tc: a queue of our own on one device, with one slow class that only chosen packets enter.

A prio queue takes the root, with a handle made of the injection's id. Its first three bands treat packets as the
kernel's own default does; the fourth is netem. An nftables rule puts packets there, and no other way leads there:
so whom it hits, whom it spares and when it ends is decided by that rule alone (``ruleset``).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from zlib import crc32

from daemon.core.errors import RefusedError, TargetAbsentError, UndoFailedError
from daemon.core.model import Json
from faults.network.host import Host, no_netem, parsed

PACKETS_MOST = 10_000  # that netem holds at once: 1000, its default, is 12 Mbit/s at a delay of a second
_LOWEST, _SPAN = 0xC000, 0x1000  # handles of ours; tc itself gives out those from 8001 up
_DEFAULT_BANDS = tuple("1222120011111111")  # of pfifo_fast, by priority; the fourth band is nobody's
_UNKNOWN = "kind is unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A queue of ours: its device, its handle, and the words netem gets."""

    device: str
    handle: str
    netem: tuple[str, ...]

    @classmethod
    def of(cls, data: Mapping[str, Json]) -> "Queue":
        return cls(device=data["device"], handle=data["handle"], netem=tuple(data["netem"]))

    def data(self) -> dict[str, Json]:
        return {**asdict(self), "netem": list(self.netem)}

    @property
    def slow(self) -> str:
        """Return the class that is slow, as tc and nft write it."""
        return f"{self.handle}4"

    @property
    def actions(self) -> tuple[str, ...]:
        return (
            f"replace the kernel's default queue of {self.device} by one with the handle {self.handle}",
            f"let its fourth class be netem: {' '.join(self.netem)}",
        )


def handle_of(injection: str) -> str:
    """Return the handle that queues of this injection bear."""
    return f"{_LOWEST + crc32(injection.encode()) % _SPAN:x}:"


def device_of(host: Host, wanted: str | None) -> str:
    """Return the device: the wanted one, or that of the default route. Raises TargetAbsentError."""
    if wanted == "lo":
        raise RefusedError("nothing was delayed: loopback is never touched", rule="not-ours")
    if wanted:
        return wanted
    for family in ("-4", "-6"):
        routes = host.json("ip", family, "-json", "route", "show", "default")
        found = next((str(r["dev"]) for r in routes if r.get("dev")), None)
        if found:
            return found
    raise TargetAbsentError(
        f"nothing was delayed: {host.shown} has no default route, so its device is unknown",
        hint="set network.device of the target",
    )


def require_free(host: Host, device: str) -> None:
    """Raise unless the device has the queue that the kernel itself gave it, which it gives again afterwards."""
    root = _root(host, device)
    if root is None or root.get("handle") == "0:":  # whatever was set up by somebody has another handle
        return
    raise RefusedError(
        f"nothing was delayed: {device} of {host.shown} has a queue that somebody set up: "
        f"{root.get('kind')} {root.get('handle')}",
        rule="not-ours",
        hint=f"see `tc qdisc show dev {device}`; chaosd replaces only the kernel's default",
    )


def require_netem(host: Host) -> None:
    """Raise RefusedError when this kernel has no netem, tried in a namespace that ends with the command."""
    done = host.commands.run(
        ("unshare", "--net", "--", "tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"),
        timeout_s=15.0,
    )
    if done.code and _UNKNOWN in done.err:
        raise no_netem(host.shown, done.err.strip().splitlines()[0])
    # Not allowed to make a namespace? Then the strike itself finds out, before any packet is hit.


def put(host: Host, queue: Queue) -> None:
    """Make the queue. Raises RefusedError; a half of it may be there then."""
    bands = ("bands", "4", "priomap", *_DEFAULT_BANDS)
    undone = f"nothing was delayed on {queue.device}"
    for words in (
        ("root", "handle", queue.handle, "prio", *bands),
        ("parent", queue.slow, "netem", "limit", str(PACKETS_MOST), *queue.netem),
    ):
        host.require(host.run("tc", "qdisc", "add", "dev", queue.device, *words), undone)


def remove(host: Host, queue: Queue) -> bool:
    """Remove the queue when it is ours; False when it is not there. Raises UndoFailedError. Idempotent."""
    if not _ours(host, queue):
        return False
    done = host.run("tc", "qdisc", "del", "dev", queue.device, "root", "handle", queue.handle)
    if _ours(host, queue):
        enter = f"nsenter --net=/run/netns/{host.namespace} " if host.namespace else ""
        raise UndoFailedError(
            f"not undone: the queue {queue.handle} is still on {queue.device} of {host.shown}: {done.err.strip()}",
            hint=f"as root: `{enter}tc qdisc del dev {queue.device} root`; then run `chaosd recover`",
        )
    return True


def _ours(host: Host, queue: Queue) -> bool:
    root = _root(host, queue.device, absent_is_none=True)
    return root is not None and root.get("handle") == queue.handle


def _root(host: Host, device: str, *, absent_is_none: bool = False) -> dict[str, Json] | None:
    done = host.run("tc", "-json", "qdisc", "show", "dev", device)
    if done.code and "Cannot find device" in done.err:
        if absent_is_none:
            return None
        raise TargetAbsentError(
            f"nothing was delayed: {host.shown} has no device {device}", hint="see `ip link`; set network.device"
        )
    host.require(done, f"the queue of {device} is unknown")
    return next((q for q in parsed(done.out) if q.get("root")), None)
