"""A stand-in for AWS that recomputes every signature by itself and refuses what AWS would refuse.

Written from the description of Signature Version 4, without botocore: the code under test signs with that.
"""

import hashlib
import hmac
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote, unquote

SKEW = timedelta(minutes=5)
KEY, SECRET, TOKEN = "AKIDREAL", "the real secret", "the-real-token"
_SCOPE = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, ?"
    r"SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})"
)


class RefusedError(Exception):
    """AWS would not take this request; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One request that was accepted."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    size: int
    digest: str
    service: str
    region: str
    port: int

    @property
    def operation(self) -> str:
        return self.headers.get("x-amz-target", "").rpartition(".")[2]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    breaks_off: bool = False  # promises more than it sends


Answerer = Callable[[Seen], Reply]


def check(method: str, target: str, headers: Mapping[str, str], digest: str) -> tuple[str, str]:
    """Return service and region of a good signature; raises RefusedError for any other. Names are in lower case."""
    found = _SCOPE.fullmatch(headers.get("authorization", ""))
    if found is None:
        raise RefusedError("MissingAuthenticationToken")
    key, day, region, service, names, signature = found.groups()
    stamp = headers.get("x-amz-date", "")
    made = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    if abs(datetime.now(UTC) - made) > SKEW or not stamp.startswith(day):  # noqa: TID251 - AWS's clock
        raise RefusedError("RequestTimeTooSkewed")
    if key != KEY or headers.get("x-amz-security-token") != TOKEN:
        raise RefusedError("InvalidClientTokenId")
    signed = names.split(";")
    unsigned = [name for name in headers if name.startswith("x-amz-") and name not in signed]
    if "host" not in signed or unsigned:
        raise RefusedError(f"headers that must be signed are not: {unsigned or 'host'}")
    payload = _payload(service, headers, digest)
    path, _, query = target.partition("?")
    lines = [f"{name}:{' '.join(headers[name].split())}\n" for name in sorted(signed)]
    uri = quote(unquote(path), safe="/-_.~") if service == "s3" else quote(path, safe="/-_.~")
    request = "\n".join([method, uri, _query(query), "".join(lines), ";".join(sorted(signed)), payload])
    scope = f"{day}/{region}/{service}/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(request.encode()).hexdigest()])
    secret = f"AWS4{SECRET}".encode()
    for part in (day, region, service, "aws4_request"):
        secret = hmac.digest(secret, part.encode(), "sha256")
    if not hmac.compare_digest(hmac.digest(secret, text.encode(), "sha256").hex(), signature):
        raise RefusedError("SignatureDoesNotMatch")
    return service, region


def _payload(service: str, headers: Mapping[str, str], digest: str) -> str:
    told = headers.get("x-amz-content-sha256")
    if service == "s3" and told is None:
        raise RefusedError("S3 wants x-amz-content-sha256")
    if told is None or told == digest:
        return digest
    if told not in ("UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"):
        raise RefusedError("XAmzContentSHA256Mismatch")
    return told


def _query(query: str) -> str:
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    encoded = sorted((quote(unquote(k), safe="-_.~"), quote(unquote(v), safe="-_.~")) for k, _, v in pairs)
    return "&".join(f"{k}={v}" for k, v in encoded)


@dataclass
class Upstream:
    """What came in and was good, what was refused, and who answers."""

    url: str = ""
    answer: Answerer = lambda _: Reply()
    seen: list[Seen] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    keep_bodies: int = 1 << 20

    def operations(self) -> list[str]:
        return [one.operation for one in self.seen]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    upstream: Upstream

    def _do(self) -> None:
        headers: dict[str, str] = {}
        for name, value in self.headers.items():
            low = name.lower()
            headers[low] = f"{headers[low]},{value}" if low in headers else value
        body, size, digest = self._body(headers)
        try:
            service, region = check(self.command, self.path, headers, digest)
        except RefusedError as error:
            self.upstream.refused.append(str(error))
            self._send(Reply(status=403, body=json.dumps({"__type": str(error), "message": "refused"}).encode()))
            return
        seen = Seen(
            method=self.command,
            path=self.path,
            headers=headers,
            body=body,
            size=size,
            digest=digest,
            service=service,
            region=region,
            port=self.client_address[1],
        )
        self.upstream.seen.append(seen)
        self._send(self.upstream.answer(seen))

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _do  # noqa: N815 - their names

    def _body(self, headers: Mapping[str, str]) -> tuple[bytes, int, str]:
        digest, size, kept = hashlib.sha256(), 0, bytearray()
        for piece in self._pieces(headers):
            digest.update(piece)
            size += len(piece)
            if size <= self.upstream.keep_bodies:
                kept += piece
        return bytes(kept), size, digest.hexdigest()

    def _pieces(self, headers: Mapping[str, str]) -> Iterator[bytes]:
        if headers.get("transfer-encoding") == "chunked":
            while length := int(self.rfile.readline(), 16):
                yield self.rfile.read(length)
                self.rfile.readline()
            self.rfile.readline()
            return
        left = int(headers.get("content-length", 0))
        while left:
            piece = self.rfile.read(min(left, 1 << 16))
            if not piece:
                return
            left -= len(piece)
            yield piece

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if "Content-Length" not in reply.headers and "Transfer-Encoding" not in reply.headers:
            self.send_header("Content-Length", str(len(reply.body) + (100 if reply.breaks_off else 0)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)
        if reply.breaks_off:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def verifying(answer: Answerer = lambda _: Reply()) -> Iterator[Upstream]:
    """Run a stand-in on loopback."""
    upstream = Upstream(answer=answer)
    handler = type("Handler", (_Handler,), {"upstream": upstream})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that has gone is no news
    upstream.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield upstream
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
