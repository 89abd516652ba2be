"""Signatures of our own: with credentials found as every SDK finds them, on what a client has signed for us.

Made at the last moment before a request goes out: a delay that a rule asks for must not make a signature stale.
"""

import asyncio
from collections.abc import Mapping
from hashlib import sha256
from urllib.parse import urlsplit

import botocore.session
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials, ReadOnlyCredentials
from botocore.exceptions import BotoCoreError

from daemon.core.errors import ConfigError, UnreachableError
from daemon.proxy.naming import Scope

HASH = "X-Amz-Content-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
_HINT = "give chaosd credentials as any AWS SDK takes them: environment, profile, container or instance role"


class _Signature(SigV4Auth):
    """Takes the body's hash from who asks: of one that is streamed there is nothing else to take."""

    def payload(self, request: AWSRequest) -> str:
        return str(request.context["payload"])


class _S3Signature(S3SigV4Auth):
    """The same for S3, which wants the hash in a header too, and the path as it is."""

    payload = _Signature.payload


class Signer:
    """Signs with the default chain's credentials, which are renewed when they are about to expire.

    Raises ConfigError when there are none: without them nothing could be forwarded.
    """

    def __init__(self) -> None:
        try:
            found = botocore.session.Session().get_credentials()
        except BotoCoreError as error:
            raise ConfigError(f"no proxy was started: no usable AWS credentials: {error}", hint=_HINT) from error
        if found is None:
            raise ConfigError("no proxy was started: it has no AWS credentials to sign with", hint=_HINT)
        self._credentials: Credentials = found

    async def headers(
        self, scope: Scope, method: str, url: str, headers: Mapping[str, str], body: bytes | str
    ) -> dict[str, str]:
        """Return these headers with a signature. ``body`` is the body, or (S3) the hash that the client gave.

        Raises UnreachableError when credentials cannot be renewed.
        """
        credentials = await self._current()
        host = urlsplit(url).netloc  # it is sent as it is signed
        request = AWSRequest(method=method, url=url, headers={**headers, "Host": host})
        request.context["payload"] = body if isinstance(body, str) else sha256(body).hexdigest()
        kind = _S3Signature if scope.service == "s3" else _Signature
        kind(credentials, scope.service, scope.region).add_auth(request)
        return dict(request.headers.items())

    async def _current(self) -> ReadOnlyCredentials:
        found = self._credentials
        needed = getattr(found, "refresh_needed", None)  # of the kinds that expire
        try:
            if needed is not None and needed():
                return await asyncio.to_thread(found.get_frozen_credentials)
            return found.get_frozen_credentials()
        except BotoCoreError as error:
            raise UnreachableError(
                f"nothing was forwarded: no current AWS credentials: {error}", hint=_HINT
            ) from error
