"""Talks to a running daemon over the Unix socket in its state directory."""

import json
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
from daemon.ports.unix_http import exchange, parts

_BY_EXIT: dict[int, type[ChaosdError]] = {
    kind.exit_code: kind for kind in (UsageError, UndoFailedError, TargetAbsentError, BusyError, ConfigError)
}


class Client:
    """A connection to the daemon that owns a state directory; ``find`` returns None when there is none."""

    def __init__(self, socket_path: Path) -> None:
        self._path = socket_path

    @classmethod
    def find(cls, socket_path: Path) -> "Client | None":
        """Return a client when somebody answers on the socket, however well it is, else None."""
        client = cls(socket_path)
        try:
            answer = client._ask("GET", "/-/healthy", None, 2.0)
        except OSError:
            return None
        return client if answer.startswith(b"HTTP/") else None

    def call(self, verb: str, path: str, body: object = None, *, timeout_s: float = 30.0) -> Any:
        """Send one request and return the decoded answer; raises the ChaosdError the daemon answered with."""
        return _decode(self._ask(verb, path, body, timeout_s))

    def _ask(self, verb: str, path: str, body: object, timeout_s: float) -> bytes:
        return exchange(self._path, verb, path, body, timeout_s=timeout_s)


def _decode(answer: bytes) -> Any:
    try:
        status, head, data = parts(answer)
    except ValueError:
        raise ChaosdError(
            "the daemon's answer was cut off", hint="`chaosd health` tells whether it still runs"
        ) from None
    content = json.loads(data) if b"json" in head.lower() else data.decode()
    if status >= 400:  # noqa: PLR2004  HTTP's own line between fine and not
        raise _error(content, status)
    return content


def _error(found: Any, status: int) -> ChaosdError:
    if not isinstance(found, dict):
        return ChaosdError(f"the daemon answered HTTP {status}: {str(found).strip()}")
    message, hint = str(found.get("detail", "")), str(found.get("hint", ""))
    code = int(found.get("exit_code", 1))
    if code == RefusedError.exit_code:
        return RefusedError(message, rule=str(found.get("rule", "daemon")), hint=hint)
    return _BY_EXIT.get(code, ChaosdError)(message, hint=hint)
