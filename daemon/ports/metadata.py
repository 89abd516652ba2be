"""The ECS task metadata endpoint, version 4: what tells a container which task it is part of."""

import json
from collections.abc import Mapping
from typing import Any

from daemon.core.errors import UnreachableError
from daemon.core.seams import Http
from daemon.core.whereabouts import OwnTask, own_task
from daemon.ports.world import VARIABLE

WAIT_S = 5.0
_OK = 200


def discover(environment: Mapping[str, str], http: Http) -> OwnTask | None:
    """Return the task this process runs in, None outside ECS; raises UnreachableError when it cannot be told."""
    base = environment.get(VARIABLE, "").rstrip("/")
    if not base:
        return None
    try:
        return own_task(_get(http, f"{base}/task"), _get(http, base))
    except ValueError as error:
        raise _unknown(f"its answer makes no sense: {error}") from error


def _get(http: Http, url: str) -> Mapping[str, Any]:
    try:
        status, body = http.get(url, timeout_s=WAIT_S)
    except UnreachableError as error:
        raise _unknown(error.message) from error
    if status != _OK:
        raise _unknown(f"{url} answers {status}")
    found = json.loads(body)  # a JSONDecodeError is a ValueError
    if not isinstance(found, dict):
        raise ValueError("it is no JSON object")  # noqa: TRY004  one kind of error for one kind of trouble
    return found


def _unknown(why: str) -> UnreachableError:
    return UnreachableError(
        f"it cannot be told which ECS task this is: {why}",
        hint=f"see whether {VARIABLE} is right; outside ECS it must not be set",
    )
