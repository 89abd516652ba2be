"""Prometheus's instant queries: the address to ask and the strict reading of the answer. Pure."""

import json
import math
from typing import Any
from urllib.parse import urlencode

from daemon.core.errors import ChaosdError, UnreachableError

OK = 200


def address(server: str, query: str) -> str:
    """Return the address of an instant query at the server's own time."""
    return f"{server.rstrip('/')}/api/v1/query?{urlencode({'query': query})}"


def samples(status: int, body: bytes, query: str) -> tuple[float, ...]:
    """Return the values of all series of an instant vector, or of a scalar.

    Raises UnreachableError for whatever is no complete answer (warnings of a partial one included), and ChaosdError
    when Prometheus refuses the query.
    """
    try:
        found = json.loads(body)
    except ValueError:
        raise _unanswered(query, f"HTTP {status}, and no JSON") from None
    if not isinstance(found, dict):
        raise _unanswered(query, f"HTTP {status}, and no Prometheus")
    if found.get("status") == "error":
        raise ChaosdError(f"not known: Prometheus refuses the query {query!r}: {found.get('error')}")
    if status != OK or found.get("status") != "success" or found.get("warnings"):
        raise _unanswered(query, f"HTTP {status} {found.get('status')} {found.get('warnings') or ''}".strip())
    return _values(found.get("data"), query)


def _values(data: Any, query: str) -> tuple[float, ...]:
    try:
        kind, result = data["resultType"], data["result"]
        if kind not in ("scalar", "vector"):
            raise ChaosdError(f"not known: {query!r} is a {kind}, not a number: aggregate it over time")
        pairs = [result] if kind == "scalar" else [series["value"] for series in result]
        values = tuple(float(text) for _, text in pairs)
    except (KeyError, TypeError, ValueError):
        raise _unanswered(query, "an answer of another form") from None
    if any(math.isnan(value) for value in values):
        raise _unanswered(query, "NaN")
    return values


def _unanswered(query: str, found: str) -> UnreachableError:
    return UnreachableError(f"not known: the answer to {query!r} is {found}")
