"""Who may: tokens compared in constant time, and what a browser must not be talked into. Pure."""

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A bearer token, by its SHA-256. ``control`` includes reading."""

    name: str
    control: bool
    digest: bytes

    def __repr__(self) -> str:
        return f"Token({self.name!r}, control={self.control})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks. ``kind`` is ``socket``, ``token``, ``cli`` or ``anonymous``; ``address`` where it came over TCP."""

    kind: str
    name: str
    uid: int | None = None
    address: str | None = None

    def __str__(self) -> str:
        return self.name if self.kind in ("socket", "cli") else f"{self.kind} {self.name}".strip()


class Keyring:
    """The tokens in force. ``replace`` puts others in their place at once, for a reload."""

    def __init__(self, tokens: Iterable[Token] = ()) -> None:
        self._tokens = tuple(tokens)

    def replace(self, tokens: Iterable[Token]) -> None:
        """Take other tokens; requests under way keep the answer they got. Idempotent."""
        self._tokens = tuple(tokens)

    @property
    def controls(self) -> bool:
        """Tell whether any token may control."""
        return any(token.control for token in self._tokens)

    def find(self, offered: str) -> Token | None:
        """Return the token that was offered, or None.

        All are compared, as digests of one length and with no early end: the time tells neither which token came
        near nor how long one is.
        """
        digest = hashlib.sha256(offered.encode("utf-8", "surrogateescape")).digest()
        found = None
        for token in self._tokens:
            if hmac.compare_digest(digest, token.digest):
                found = token
        return found


def bearer(header: str) -> str | None:
    """Return what an Authorization header offers, or None when it is no bearer token."""
    scheme, _, offered = header.partition(" ")
    return offered.strip() if scheme.lower() == "bearer" and offered.strip() else None


def known_host(header: str, names: Collection[str]) -> bool:
    """Tell whether a Host header may reach us.

    A page in somebody's browser can reach an inner address under a name of its own (DNS rebinding), so names must
    be known; an address cannot be rebound and may always be used.
    """
    found = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\[\]:/@\s]+))(?::\d{1,5})?", header)
    if found is None:
        return False
    name = (found[1] or found[2]).lower().rstrip(".")
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name in names
    return True


def from_elsewhere(origin: str | None, fetch_site: str | None, host: str) -> bool:
    """Tell whether a browser says that a page of another site, or of none it can name, sends this request."""
    if fetch_site is not None and fetch_site not in ("same-origin", "none"):
        return True
    return origin is not None and urlsplit(origin).netloc.lower() != host.lower()
