"""Host names, and the places at which this process itself speaks to the network."""

import ipaddress
import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

from daemon.core.errors import UnreachableError
from daemon.core.wire import Own

_ENDPOINT = "AWS_ENDPOINT_URL"  # and AWS_ENDPOINT_URL_<SERVICE>: the SDK reads them, so they are chaosd's too


class LocalNames:
    """core.wire.Names of this machine's resolver."""

    def __init__(self, endpoint_url: str | None, environment: Mapping[str, str]) -> None:
        named = [value for name, value in environment.items() if name.startswith(_ENDPOINT)]
        self._endpoints = [url for url in (endpoint_url, *named) if url]

    def addresses(self, host: str) -> tuple[str, ...]:
        try:
            found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise UnreachableError(
                f"{host} has no address here: {error}",
                hint="give its address, or see whether names are resolved here",
            ) from None
        return tuple(sorted({str(address[0]).partition("%")[0] for *_, address in found}))

    def own(self) -> Own:
        from daemon.ports.processes import own_ports  # noqa: PLC0415  psutil is for those who ask only

        hosts = {urlsplit(url).hostname or "" for url in self._endpoints} - {"", "localhost"}
        return Own(hosts=tuple(sorted(h for h in hosts if not _loopback(h))), ports=own_ports())


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
