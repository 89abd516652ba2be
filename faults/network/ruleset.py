"""The text of one nftables table: which packets, and what becomes of them. Pure.

The table ends by itself: its chains work while two elements of the set ``fuse`` are there, and the kernel takes
these out when their time is over. Whoever is dead by then, what remains is a table that lets every packet pass.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from faults.network.places import Networks

OUT, IN = "egress", "ingress"
DROP, REJECT = "drop", "reject"
ALL = 100  # percent
_PRIORITY = -190  # after connection tracking, before other people's filters: what is cut here reaches none of them
_NEIGHBOURS = "nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, nd-router-advert"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Which packets are hit. Empty or 0: all. ``port`` is the destination's, of ``answers`` the source's."""

    directions: tuple[str, ...] = (OUT,)
    protocols: tuple[str, ...] = ()
    port: int = 0
    hosts: Networks = Networks(())  # noqa: RUF009  frozen
    user: str = ""
    answers: bool = False
    device: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """All that a table is made of. ``action`` is what becomes of a packet that is hit, ``fuse_s`` for how long.

    ``own_ports`` are those at which chaosd answers; ``mark`` says whose it is.
    """

    name: str
    mark: str
    cut: Cut
    action: str
    spared: Networks
    own_ports: tuple[int, ...] = ()
    fuse_s: int


def text(table: Table) -> str:
    """Return the table as nft reads it from a file: made as a whole or, should its name be taken, not at all."""
    sets = [_set("nf_proto", "fuse", "timeout", [f"ipv{v} timeout {table.fuse_s}s" for v in (4, 6)])]
    for name, networks in (("hosts", table.cut.hosts), ("spared", table.spared)):
        sets += [_set(f"ipv{v}_addr", f"{name}{v}", "interval", found) for v, found in _families(networks)]
    chains = [line for direction in table.cut.directions for line in _chains(table, direction)]
    return "\n".join((f"create table inet {table.name}", f"table inet {table.name} {{", *sets, *chains, "}", ""))


def _set(kind: str, name: str, flag: str, elements: object) -> str:
    return f"  set {name} {{ type {kind}; flags {flag}; elements = {{ {', '.join(map(str, elements))} }} }}"  # type: ignore[call-overload]


def _families(networks: Networks) -> Iterator[tuple[int, tuple[str, ...]]]:
    if networks.v4:
        yield 4, networks.v4
    if networks.v6:
        yield 6, networks.v6


def _chains(table: Table, direction: str) -> Iterator[str]:
    """Yield the chain that works, and the one that sends packets into it while the fuse burns."""
    far, interface, own = ("daddr", "oifname", "sport") if direction == OUT else ("saddr", "iifname", "dport")
    hook = "output" if direction == OUT else "input"
    yield f"  chain work_{direction} {{"
    yield f'    {interface} "lo" accept'
    yield f"    icmpv6 type {{ {_NEIGHBOURS} }} accept"
    for version, _ in _families(table.spared):
        yield f"    {_ip(version)} {far} @spared{version} accept"
    if table.own_ports:
        yield f"    tcp {own} {{ {', '.join(map(str, table.own_ports))} }} accept"
    for rule in _rules(table, far, interface):
        yield f'    {rule} comment "{table.mark}"'
    yield "  }"
    yield f"  chain {direction} {{"
    yield f"    type filter hook {hook} priority {_PRIORITY}; policy accept;"
    yield f"    meta nfproto @fuse jump work_{direction}"
    yield "  }"


def _rules(table: Table, far: str, interface: str) -> Iterator[str]:
    cut = table.cut
    hosts = [f"{_ip(version)} {far} @hosts{version}" for version, _ in _families(cut.hosts)] or [""]
    for host in hosts:
        for protocol, action in _actions(table.action):
            words = (
                host,
                f'{interface} "{cut.device}"' if cut.device else "",
                f'meta skuid "{cut.user}"' if cut.user else "",
                _protocols(cut.protocols, protocol),
                f"th {'sport' if cut.answers else 'dport'} {cut.port}" if cut.port else "",
                action,
            )
            if protocol is None or not cut.protocols or protocol in cut.protocols:
                yield " ".join(word for word in words if word)


def _actions(action: str) -> tuple[tuple[str | None, str], ...]:
    """Return what becomes of packets, by protocol where it differs: a connection is refused by a reset."""
    if action != REJECT:
        return ((None, action),)
    return (("tcp", "counter reject with tcp reset"), (None, "counter reject with icmpx type port-unreachable"))


def _protocols(wanted: tuple[str, ...], only: str | None) -> str:
    named = (only,) if only else wanted
    return f"meta l4proto {{ {', '.join(named)} }}" if named else ""


def _ip(version: int) -> str:
    return "ip" if version == 4 else "ip6"  # noqa: PLR2004


def dropped() -> str:
    """Return the action that lets a packet vanish."""
    return "counter drop"


def lost(percent: int) -> str:
    """Return the action that lets a share of the packets vanish, each by a throw of its own."""
    return f"numgen random mod 100 < {percent} counter drop" if percent < ALL else dropped()


def queued(classid: str) -> str:
    """Return the action that puts a packet into one class of the device's queue."""
    return f"counter meta priority set {classid}"
