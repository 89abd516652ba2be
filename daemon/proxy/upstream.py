"""The way out: a call goes to the real service under our own signature, its body streamed where it is large."""

import os
import ssl
from typing import Self

import aiohttp
from aiohttp import hdrs
from multidict import CIMultiDict
from yarl import URL

from daemon.proxy.calls import Call
from daemon.proxy.naming import Scope
from daemon.proxy.signing import Signer
from daemon.proxy.wire import go_on

CONNECT_S = 10.0
SILENCE_S = 75.0  # a long poll lasts 20 s, and the SDKs themselves give up after 60
IDLE_S = 15.0  # below what AWS's own ends keep an idle connection
HEADER_MAX = 64 << 10


class UnforwardedError(Exception):
    """The service could not be asked, or broke off before it answered; the text says why."""


class Upstream:
    """Connections to the services, kept open. An async context manager."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        trusted = ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE") or None)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_S, ssl=trusted),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=SILENCE_S),
            skip_auto_headers=(hdrs.ACCEPT, hdrs.ACCEPT_ENCODING, hdrs.USER_AGENT, hdrs.CONTENT_TYPE),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            max_line_size=HEADER_MAX,
            max_field_size=HEADER_MAX,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def ask(self, call: Call, body: bytes | None = None) -> aiohttp.ClientResponse:
        """Sign, send, and return the answer once its head is there. ``body`` takes the place of the call's own.

        Raises UnforwardedError; UnreachableError when there are no credentials to sign with.
        """
        assert self._session is not None  # noqa: S101  entered
        content = call.body if body is None else body
        streamed = content is None
        hashed = call.hash if content is None else content
        signed = await self._signer.headers(call.scope, call.request.method, call.url, call.to_sign(), hashed)
        headers = CIMultiDict(call.headers)
        for name, value in signed.items():
            headers[name] = value
        has_body = streamed and call.request.can_read_body
        if has_body:
            await go_on(call.request)
        try:
            return await self._session.request(
                call.request.method,
                URL(call.url, encoded=True),
                headers=headers,
                data=call.request.content if has_body else content or None,
                allow_redirects=False,
            )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise UnforwardedError(_why(call.scope, error)) from error


def _why(scope: Scope, error: Exception) -> str:
    said = str(error) or type(error).__name__
    return f"{scope.service} in {scope.region} gave no answer: {said}"
