"""Questions to the running daemon; a daemon that goes away meanwhile is one clear error."""

from typing import Any

from daemon.core.errors import ChaosdError, UsageError
from daemon.faces.client import Client

UNDO_S = 600.0


def address(injection: str, verb: str) -> str:
    """Return the path of what can be asked of an injection, whatever somebody typed for its id."""
    from urllib.parse import quote

    if not injection or "/" in injection:  # would be another path, and the answer would speak of that
        raise UsageError(f"no injection {injection!r}", hint="`chaosd history` lists them")
    return f"/api/v1/injections/{quote(injection, safe='')}/{verb}"


def ask(client: Client, verb: str, path: str, body: object = None, *, timeout_s: float = 30.0) -> Any:
    """Return the daemon's answer; raises the ChaosdError it answered with, or one that says that it is gone."""
    try:
        return client.call(verb, path, body, timeout_s=timeout_s)
    except OSError as error:
        raise ChaosdError(
            f"the daemon did not answer: {error or type(error).__name__}",
            hint="see its log; `chaosd status` tells what is outstanding, `chaosd recover` undoes it",
        ) from error
