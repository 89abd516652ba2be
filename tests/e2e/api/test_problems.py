"""Whatever is refused, absent or broken is said in one form: RFC 9457."""

import json
import socket
from typing import Any

import pytest

from tests.e2e.api.conftest import CONTROL, READ, Running, call

HALT, RESUME = "/api/v1/halt", "/api/v1/resume"


def raw(running: Running, text: bytes) -> tuple[int, str, dict[str, Any]]:
    """Send bytes as they are; return status, media type and content."""
    host, port = running.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(text)
        answer = b""
        while part := connection.recv(1 << 16):
            answer += part
    head, _, body = answer.decode().partition("\r\n\r\n")
    kind = next(line.split(": ")[1] for line in head.splitlines() if line.lower().startswith("content-type"))
    return int(head.split()[1]), kind, json.loads(body)


@pytest.mark.parametrize(
    ("verb", "path", "words", "status", "kind"),
    [
        ("GET", "/nowhere", {}, 404, "about:blank"),
        ("GET", "/api/v1/injections/none", {}, 404, "about:blank"),
        ("PUT", HALT, {"token": CONTROL}, 405, "about:blank"),
        ("POST", HALT, {"token": CONTROL, "Content_Type": "text/plain"}, 415, "about:blank"),
        ("POST", HALT, {}, 401, "urn:chaosd:problem:refused"),
        ("POST", HALT, {"token": READ}, 403, "urn:chaosd:problem:refused"),
        ("POST", HALT, {"token": CONTROL, "Origin": "https://evil.example"}, 403, "urn:chaosd:problem:refused"),
        ("GET", "/api/v1/status?x=1", {}, 400, "urn:chaosd:problem:malformed"),
        ("POST", RESUME, {"token": CONTROL}, 400, "urn:chaosd:problem:malformed"),
    ],
)
def test_every_refusal_has_the_one_form(
    daemon: Running, verb: str, path: str, words: dict[str, str], status: int, kind: str
) -> None:
    found, headers, text = call(daemon, verb, path, {} if verb == "POST" else None, **words)
    problem = json.loads(text)
    assert (found, headers["Content-Type"]) == (status, "application/problem+json")
    assert (problem["type"], problem["status"], problem["instance"]) == (kind, status, path.partition("?")[0])
    assert problem["title"]
    assert problem["detail"]
    beside = {name.lower() for name in headers}
    assert ("allow" in beside) is (status == 405)
    assert ("www-authenticate" in beside) is (status == 401)


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (b"GET /\x01 HTTP/1.1\r\nHost: localhost\r\nBad Header: x\r\n\r\n", 400),
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * (16 << 10), 431),
        (b"POST /api/v1/halt HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", 400),
    ],
)
def test_so_has_what_is_no_request_at_all(daemon: Running, text: bytes, status: int) -> None:
    found, kind, problem = raw(daemon, text)
    assert (found, kind) == (status, "application/problem+json")
    assert problem["status"] == status
    assert problem["detail"]
