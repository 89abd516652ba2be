"""Talks to a running daemon over the Unix socket in its state directory."""

import json
import socket
from http.client import HTTPConnection, HTTPException
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

_BY_EXIT: dict[int, type[ChaosdError]] = {
    kind.exit_code: kind for kind in (UsageError, UndoFailedError, TargetAbsentError, BusyError, ConfigError)
}


class _UnixConnection(HTTPConnection):
    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


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
        except (OSError, ChaosdError, HTTPException):
            return None
        return client

    def call(self, verb: str, path: str, body: object = None, *, timeout_s: float = 30.0) -> Any:
        """Send one request and return the decoded answer; raises the ChaosdError the daemon answered with."""
        connection = _UnixConnection(self._path, timeout_s)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(verb, path, text, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        found = json.loads(data) if "json" in answer.headers.get("Content-Type", "") else data.decode()
        if answer.status >= 400:  # noqa: PLR2004  HTTP's own line between fine and not
            raise _error(found, answer.status)
        return found


def _error(found: Any, status: int) -> ChaosdError:
    if not isinstance(found, dict):
        return ChaosdError(f"the daemon answered HTTP {status}: {found}")
    message, hint = str(found.get("detail", "")), str(found.get("hint", ""))
    code = int(found.get("exit_code", 1))
    if code == RefusedError.exit_code:
        return RefusedError(message, rule=str(found.get("rule", "daemon")), hint=hint)
    return _BY_EXIT.get(code, ChaosdError)(message, hint=hint)
