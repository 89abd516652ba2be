"""One AWS call as it came in: what it is, for whom, and what of it may go on. Refuses what must not go on."""

import hmac
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from aiohttp import ClientResponse, hdrs, web
from multidict import CIMultiDict

from daemon.core.addresses import is_loopback
from daemon.core.proxying import SERVICES
from daemon.proxy import naming, wire
from daemon.proxy.answers import Answer, failure, plain
from daemon.proxy.naming import Named, Scope, UnsignedError
from daemon.proxy.queues import Address
from daemon.proxy.signing import HASH, UNSIGNED

BODY_MAX = 32 << 20  # bytes: twice the largest request that one of these services (S3 apart) takes
_SIGNED_CHUNKS = "STREAMING-AWS4-"
_NOT_OURS = frozenset(
    {"authorization", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256", "date", "host", "expect"}
) | {*wire.HOP_BY_HOP, "proxy-authorization", "proxy-connection"}
_PRESIGNED = re.compile(r"(^|&)(X-Amz-Signature|AWSAccessKeyId)=")  # of today's kind, and of the one before
_TO_SIGN = re.compile(r"content-type|content-md5|x-amz-.*|x-amzn-.*", re.IGNORECASE)


class RefusedCallError(Exception):
    """The call is not forwarded. ``why`` is the word that is counted, ``answer`` what the client is told."""

    def __init__(self, why: str, text: str, answer: Answer) -> None:
        super().__init__(text)
        self.why, self.answer = why, answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call. ``body`` None is streamed (S3); ``hash`` is then what the client said of it."""

    request: web.BaseRequest
    scope: Scope
    named: Named
    address: Address
    target: str
    headers: CIMultiDict[str]
    body: bytes | None
    hash: str
    name: str
    replies: list[ClientResponse] = field(default_factory=list)
    """What was answered to it; given back when the call is over."""

    @property
    def service(self) -> str:
        return self.scope.service

    @property
    def url(self) -> str:
        return self.address.real + self.target

    def to_sign(self) -> dict[str, str]:
        """Return the headers that a signature must cover; those of one name joined, as they are signed."""
        found: dict[str, str] = {}
        for key, value in self.headers.items():
            if _TO_SIGN.fullmatch(key):
                found[key] = f"{found[key]},{value}" if key in found else value
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Who is let in, and where each service really is. ``upstream`` empty: AWS itself."""

    services: Collection[str]
    upstream: str = ""
    secret: str = ""

    def real(self, scope: Scope) -> str:
        """Return the base of the service's real address."""
        if self.upstream:
            return self.upstream.rstrip("/")
        domain = "amazonaws.com.cn" if scope.region.startswith("cn-") else "amazonaws.com"
        return f"https://{scope.service}.{scope.region}.{domain}"

    async def admit(self, request: web.BaseRequest, names: Collection[str]) -> Call:
        """Read one call, its body too where that is small; raises RefusedCallError."""
        target = self._unlocked(request, names)
        scope = self._scope(request, target)
        body = None if scope.service == "s3" else await _body(request, scope)
        named = naming.name(scope.service, request.method, target, request.headers, body)
        prefix = f"/{self.secret}" if self.secret else ""
        found = {*names, request.host.lower()}  # whoever is let in has found us there, and is told queues there
        address = Address(ours=f"http://{request.host}{prefix}", real=self.real(scope), names=found, prefix=prefix)
        headers = _forwarded(request.headers, streamed=body is None)
        call = Call(
            request=request,
            scope=scope,
            named=named,
            address=address,
            target=target,
            headers=headers,
            body=body,
            hash=request.headers.get(HASH, UNSIGNED),
            name=request.headers.get("amz-sdk-invocation-id", ""),
        )
        if call.hash.startswith(_SIGNED_CHUNKS):
            text = (
                "chunks of a body signed one by one cannot be signed anew: switch chunked encoding off in the SDK"
            )
            raise _refused("signed-chunks", scope.service, 501, text)
        return call

    def _unlocked(self, request: web.BaseRequest, names: Collection[str]) -> str:
        """Return path and query without the secret; raises RefusedCallError to who does not know it."""
        target = request.raw_path
        if target.startswith("http"):  # the form in which clients speak to a forward proxy
            target = re.sub(r"^https?://[^/?]*", "", target) or "/"
        if self.secret:
            first, _, rest = target.removeprefix("/").partition("/")
            if not hmac.compare_digest(first.partition("?")[0].encode(), self.secret.encode()):
                text = "nothing was forwarded: this proxy wants its secret as the first part of the path"
                raise RefusedCallError("secret", text, plain(403, text))
            return f"/{rest}" if "?" not in first else f"/?{first.partition('?')[2]}"
        host = urlsplit(f"//{request.host}").hostname or ""
        if request.host.lower() not in names and not is_loopback(host) and not _address(host):
            # A page in somebody's browser can let its own name lead to 127.0.0.1; no SDK calls us by such a name.
            text = f"nothing was forwarded: this proxy is not called {host!r}"
            raise RefusedCallError("host", text, plain(403, text))
        return target

    def _scope(self, request: web.BaseRequest, target: str) -> Scope:
        if _PRESIGNED.search(target.partition("?")[2]):
            text = "a presigned URL holds a signature for our address: make it without an endpoint of ours"
            raise _refused("presigned", "s3", 403, text)
        try:
            scope = naming.scope(request.headers.get(hdrs.AUTHORIZATION, ""))
        except UnsignedError as error:
            raise _refused("unsigned", _guess(request), 403, str(error)) from error
        if scope.service not in self.services:
            known = ", ".join(one for one in SERVICES if one in self.services)
            text = f"{scope.service!r} is no service that this proxy forwards (it forwards {known})"
            raise _refused("service", _guess(request), 403, text)
        return scope


async def _body(request: web.BaseRequest, scope: Scope) -> bytes:
    too_large = f"its body is larger than the {BODY_MAX >> 20} MiB that this proxy holds for {scope.service}"
    if (request.content_length or 0) > BODY_MAX:
        raise _refused("too-large", scope.service, 413, too_large)
    await wire.go_on(request)
    pieces, size = [], 0
    async for piece in request.content.iter_any():
        size += len(piece)
        if size > BODY_MAX:
            raise _refused("too-large", scope.service, 413, too_large)
        pieces.append(piece)
    return b"".join(pieces)


def _forwarded(headers: Mapping[str, str], *, streamed: bool) -> CIMultiDict[str]:
    """Return the headers that go on. Of small bodies length and sum are ours to say; answers must be readable."""
    dropped = _NOT_OURS if streamed else {*_NOT_OURS, "content-length", "content-md5", "accept-encoding"}
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in dropped)


def _refused(why: str, service: str, status: int, text: str) -> RefusedCallError:
    text = f"nothing was forwarded by chaosd's proxy: {text}"
    return RefusedCallError(why, text, failure(service, status, "ChaosdProxyRefused", text))


def _guess(request: web.BaseRequest) -> str:
    """Return a service whose wire format the client is likely to read."""
    kind = request.headers.get(hdrs.CONTENT_TYPE, "")
    if kind.startswith(naming.FORM):
        return "sts"
    return "ecs" if "json" in kind else "s3"


def _address(host: str) -> bool:
    """Tell whether this is an address rather than a name."""
    return ":" in host or re.fullmatch(r"[0-9.]+", host) is not None
