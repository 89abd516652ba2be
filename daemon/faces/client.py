"""Talks to a running daemon over the Unix socket in its state directory.

HTTP/1.0 over a plain socket, written out: the standard client brings the e-mail and TLS packages along, a fifth
of what `chaosd status` costs in all (docs/benchmarks.md).
"""

import json
import socket
from pathlib import Path
from typing import Any

from daemon.core.errors import (
    BusyError,
    ChaosdError,
    ConfigError,
    RefusedError,
    TargetAbsentError,
    UndoFailedError,
    UsageError,
)
from daemon.ports.state import socket_name

_BY_EXIT: dict[int, type[ChaosdError]] = {
    kind.exit_code: kind for kind in (UsageError, UndoFailedError, TargetAbsentError, BusyError, ConfigError)
}


class Client:
    """A connection to the daemon that owns a state directory; ``find`` returns None when there is none."""

    def __init__(self, socket_path: Path) -> None:
        self._path = socket_path

    @classmethod
    def find(cls, socket_path: Path) -> "Client | None":
        """Return a client when somebody answers on the socket, else None."""
        client = cls(socket_path)
        try:
            client.call("GET", "/-/healthy", timeout_s=2.0)
        except (OSError, ChaosdError):
            return None
        return client

    def call(self, verb: str, path: str, body: object = None, *, timeout_s: float = 30.0) -> Any:
        """Send one request and return the decoded answer; raises the ChaosdError the daemon answered with."""
        text = b"" if body is None else json.dumps(body).encode()
        head = f"{verb} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection, socket_name(self._path) as name:
            connection.settimeout(timeout_s)
            connection.connect(name)
            connection.sendall(f"{head}Content-Length: {len(text)}\r\n\r\n".encode() + text)
            answer = _read(connection)
        return _decode(answer)


def _read(connection: socket.socket) -> bytes:
    parts = []
    while part := connection.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


def _decode(answer: bytes) -> Any:
    """Return the content of an HTTP/1.0 answer: it ends with the connection, and is never chunked."""
    head, found, data = answer.partition(b"\r\n\r\n")
    words = head.split(b"\r\n")[0].split()
    if not found or len(words) < 2 or not words[1].isdigit():  # noqa: PLR2004  version and status
        raise ChaosdError("the daemon's answer was cut off", hint="`chaosd health` tells whether it still runs")
    content = json.loads(data) if b"json" in head.lower() else data.decode()
    if int(words[1]) >= 400:  # noqa: PLR2004  HTTP's own line between fine and not
        raise _error(content, int(words[1]))
    return content


def _error(found: Any, status: int) -> ChaosdError:
    if not isinstance(found, dict):
        return ChaosdError(f"the daemon answered HTTP {status}: {found}")
    message, hint = str(found.get("detail", "")), str(found.get("hint", ""))
    code = int(found.get("exit_code", 1))
    if code == RefusedError.exit_code:
        return RefusedError(message, rule=str(found.get("rule", "daemon")), hint=hint)
    return _BY_EXIT.get(code, ChaosdError)(message, hint=hint)
