"""Who is hit and who is spared: names, addresses and networks, as parameters name them."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Network,
    IPv6Network,
    collapse_addresses,
    ip_network,
)
from typing import TypeAlias

from daemon.core.errors import RefusedError
from daemon.core.seams import World

Network: TypeAlias = IPv4Network | IPv6Network

METADATA = ("169.254.170.2/32", "169.254.169.254/32", "fd00:ec2::254/128")
"""Where credentials and metadata come from, of a task and of an instance: without them nobody can do anything."""
LOOPBACK4, LOOPBACK6 = "127.0.0.0/8", "::1/128"
"""What no fault of the network can hit: the rules of a host pass the whole of ``lo``, the agent is told."""
_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?")


@dataclass(frozen=True, slots=True)
class Networks:
    """Networks of both families, none inside another."""

    all: tuple[str, ...]

    @classmethod
    def of(cls, found: Iterable[str]) -> "Networks":
        networks = [ip_network(one, strict=False) for one in found]
        fours = collapse_addresses(n for n in networks if isinstance(n, IPv4Network))
        sixes = collapse_addresses(n for n in networks if isinstance(n, IPv6Network))
        return cls((*map(str, fours), *map(str, sixes)))

    @property
    def v4(self) -> tuple[str, ...]:
        return tuple(n for n in self.all if ":" not in n)

    @property
    def v6(self) -> tuple[str, ...]:
        return tuple(n for n in self.all if ":" in n)

    def covers(self, other: str) -> bool:
        """Tell whether all of a network lies in these."""
        network = ip_network(other)
        return any(_inside(network, ip_network(one)) for one in self.all)


def _inside(one: Network, other: Network) -> bool:
    if isinstance(one, IPv4Network) and isinstance(other, IPv4Network):
        return one.subnet_of(other)
    return isinstance(one, IPv6Network) and isinstance(other, IPv6Network) and one.subnet_of(other)


def split(given: Sequence[str]) -> tuple[str, ...]:
    """Return the entries of a list that may come as one text with commas, as from ``--set``."""
    return tuple(part.strip() for one in given for part in one.split(",") if part.strip())


def checked(name: str, given: Sequence[str]) -> None:
    """Raise ValueError for what is neither address nor network nor host name."""
    for one in split(given):
        if not _is_network(one) and not (_NAME.fullmatch(one) and not one.replace(".", "").isdigit()):
            raise ValueError(f"{name}: {one!r} is no address, no network (10.0.0.0/8) and no host name")


def resolved(given: Sequence[str], world: World) -> Networks:
    """Return the networks of what was named; raises UnreachableError for a name without an address."""
    found: list[str] = []
    for one in split(given):
        found += [one] if _is_network(one) else world.names.addresses(one)
    return Networks.of(found)


def spared(exempt: Sequence[str], world: World, *, own: bool) -> Networks:
    """Return who must stay in reach: metadata, ``exempt``, and chaosd's own AWS endpoint where ``own``."""
    hosts = world.names.own().hosts if own else ()
    return Networks.of((*METADATA, *resolved(exempt, world).all, *resolved(hosts, world).all))


def require_victims(hosts: Networks, safe: Networks, where: str) -> None:
    """Raise RefusedError when every host that is to be hit is spared, or on loopback."""
    never = Networks.of((*safe.all, LOOPBACK4, LOOPBACK6))
    if hosts.all and all(never.covers(one) for one in hosts.all):
        raise RefusedError(
            f"nothing was done to the network of {where}: all of {', '.join(hosts.all)} is spared",
            rule="target-absent",
            hint="never hit: loopback, metadata, `exempt` and, unless spare_aws=false, chaosd's own AWS endpoint",
        )


def _is_network(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True
