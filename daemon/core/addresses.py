"""Where something listens, and who can reach it."""

import ipaddress
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class Tcp:
    """A TCP address to listen on. Port 0 lets the system choose."""

    host: str = "127.0.0.1"
    port: int = 9876

    @property
    def loopback(self) -> bool:
        return is_loopback(self.host)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnixSocket:
    """A Unix socket to listen on, by absolute path."""

    path: str


Listen: TypeAlias = Tcp | UnixSocket


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach ``host``; a name other than ``localhost`` counts as reachable."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
