"""Everything that is refused or fails is answered as RFC 9457 describes: ``application/problem+json``.

``type`` is ``about:blank`` where HTTP's own status says it all, else a name under ``urn:chaosd:problem:``, of which
``title`` is the same every time. ``instance`` is the path that was asked for. ``rule``, ``hint``, ``exit_code`` and
``problems`` are ours.
"""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.wrappers import Response

from daemon.core.errors import (
    BusyError,
    ChaosdError,
    ConfigError,
    JournalError,
    RefusedError,
    TargetAbsentError,
    UndoFailedError,
    UsageError,
)

MEDIA = "application/problem+json"
STATUS_OF = {2: 400, 4: 500, 5: 404, 75: 409, 77: 403, 78: 422}
_PREFIX = "urn:chaosd:problem:"
KINDS: Mapping[type[ChaosdError], tuple[str, str]] = {
    UsageError: ("malformed", "The request is malformed"),
    RefusedError: ("refused", "Refused by a rule"),
    TargetAbsentError: ("absent", "There is nothing to hit"),
    BusyError: ("busy", "Busy with something else"),
    ConfigError: ("configuration", "The configuration or the parameters do not fit"),
    UndoFailedError: ("undo-failed", "A fault could not be taken back"),
    JournalError: ("journal", "The journal cannot be used"),
    ChaosdError: ("failed", "It could not be done"),
}


def content(error: HTTPException | ChaosdError, path: str) -> dict[str, Any]:
    """Return the problem as plain data; ``path`` is what was asked for."""
    if isinstance(error, HTTPException):
        return plain(error.code or 500, _said(error, path), path)
    rule = getattr(error, "rule", None)
    name, title = next(about for kind, about in KINDS.items() if isinstance(error, kind))
    mistakes = list(error.problems) if isinstance(error, ConfigError) and error.problems else None
    more = {"hint": error.hint or None, "exit_code": error.exit_code, "rule": rule, "problems": mistakes}
    return {
        "type": _PREFIX + name,
        "title": title,
        "status": 401 if rule == "token" else STATUS_OF.get(error.exit_code, 500),
        "detail": error.message,
        "instance": path,
        **{key: value for key, value in more.items() if value is not None},
    }


def _said(error: HTTPException, path: str) -> str:
    """Return our own words where the library has only general ones."""
    if error.description == type(error).description:
        if isinstance(error, NotFound):
            return f"there is nothing at {path}"
        if isinstance(error, MethodNotAllowed):
            return f"possible here: {', '.join(sorted(error.valid_methods or ()))}"
    return error.description or ""


def plain(status: int, detail: str, path: str, **more: object) -> dict[str, Any]:
    """Return a problem that HTTP's own status describes."""
    title = HTTPStatus(status).phrase
    return {"type": "about:blank", "title": title, "status": status, "detail": detail, "instance": path, **more}


def response(problem: Mapping[str, Any]) -> Response:
    """Return the answer for programs."""
    return Response(json.dumps(problem), status=problem["status"], content_type=MEDIA)


def dressed(answer: Response, error: HTTPException | ChaosdError) -> Response:
    """Return the answer with the headers that HTTP wants beside a 401 and a 405."""
    if answer.status_code == HTTPStatus.UNAUTHORIZED:
        answer.headers["WWW-Authenticate"] = 'Bearer realm="chaosd"'
    if isinstance(error, HTTPException):
        answer.headers.extend(h for h in error.get_headers() if h[0] == "Allow")
    return answer
