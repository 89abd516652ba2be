"""What of the workers' traffic goes through a fault proxy, and how the lab's ``chaosd.yaml`` says so."""

import json
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from daemon.lab.errors import LabError

RELAY = "origin"  # what the fault proxy calls it
_ADDRESS = re.compile(r"[\w.-]+:[1-9]\d{0,4}")
_STARTED = "`chaosd run` starts it, or `chaosd proxy` alone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Detour:
    """The workers' SQS and S3 at ``behind``, a proxy's URL; their git remote at ``relay`` (``HOST:PORT``).

    None: straight to the emulator, and to the bare repository's path. The proxy may be started later. Raises
    LabError for what is no such address.
    """

    behind: str | None = None
    relay: str | None = None

    def __post_init__(self) -> None:
        if self.behind is not None and not _is_address(self.behind):
            raise LabError(
                f"The lab was not started: {self.behind!r} is no address of a proxy. Write http://127.0.0.1:4510."
            )
        if self.relay is not None and not _ADDRESS.fullmatch(self.relay):
            raise LabError(
                f"The lab was not started: {self.relay!r} is no address of a relay. Write 127.0.0.1:9419."
            )

    @property
    def routes(self) -> str:
        """Return the line of the target in ``chaosd.yaml``; empty when nothing goes through the proxy."""
        found = [*(["aws: true"] if self.behind else []), *([f"git: {RELAY}"] if self.relay else [])]
        return f"\n    proxy: {{{', '.join(found)}}}" if found else ""

    def section(self, remote_port: int) -> str:
        """Return the section of the proxy itself; ``remote_port`` is where the lab serves its remote."""
        if not (self.behind or self.relay):
            return ""
        listen = urlsplit(self.behind).netloc if self.behind else "127.0.0.1:0"
        relay = {"name": RELAY, "listen": self.relay, "upstream": f"127.0.0.1:{remote_port}"}
        # JSON is YAML, so nothing has to be quoted by hand.
        whole = {"listen": listen, **({"relays": [relay]} if self.relay else {})}
        what = " and ".join([*(["SQS and S3"] if self.behind else []), *(["git remote"] if self.relay else [])])
        verb = "is" if what == "git remote" else "are"
        return f"# The workers' {what} {verb} behind the fault proxy: {_STARTED}.\nproxy: {json.dumps(whole)}\n"


STRAIGHT = Detour()


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return (
            parts.scheme == "http" and bool(parts.hostname and parts.port) and not (parts.query or parts.fragment)
        )
    except ValueError:  # a port that is none
        return False
