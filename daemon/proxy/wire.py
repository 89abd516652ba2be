"""The client's connection: whole answers, streamed ones, and the ways a connection can end badly."""

import socket
import struct
from collections.abc import AsyncIterator

from aiohttp import ClientError, ClientResponse, hdrs, web
from multidict import CIMultiDict

from daemon.proxy.answers import Answer

HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "te", "trailer", "transfer-encoding", "upgrade"}
)
SMALL = 64 << 10  # bytes: such an answer goes out in one piece
BUFFER = 8 << 20  # bytes kept of an answer of unknown length that is to be cut short
_BODILESS = (204, 304)  # RFC 9110, 6.4.1
_AT_ONCE = struct.pack("ii", 1, 0)


async def go_on(request: web.BaseRequest) -> None:
    """Ask for the body when the client waits to be asked (``Expect: 100-continue``)."""
    if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0


async def send(request: web.BaseRequest, answer: Answer) -> web.StreamResponse:
    """Send a whole answer. The connection is closed where the request's body was not read."""
    empty = request.method == hdrs.METH_HEAD
    response = web.Response(status=answer.status, headers=answer.headers, body=b"" if empty else answer.body)
    unread = request.can_read_body and not request.content.is_eof()
    if unread:
        response.force_close()
    await response.prepare(request)
    await response.write_eof()
    if unread and hdrs.EXPECT in request.headers:  # nor will it come: the client waits to be asked for it
        return close(request, response)
    return response


async def stream(request: web.BaseRequest, reply: ClientResponse) -> web.StreamResponse:
    """Send an answer on as it comes; one that breaks off breaks off here too."""
    if 0 <= _length(reply, -1) <= SMALL and request.method != hdrs.METH_HEAD:
        try:
            body = await reply.read()
        except (ClientError, TimeoutError):
            return reset(request)
        return await send(request, Answer(status=reply.status, headers=kept(reply), body=body))
    response = web.StreamResponse(status=reply.status, reason=reply.reason, headers=kept(reply, length=True))
    await response.prepare(request)
    try:
        async for chunk in reply.content.iter_any():
            await response.write(chunk)
    except (ClientError, TimeoutError):
        return close(request, response)
    await response.write_eof()
    return response


def has_body(request: web.BaseRequest, reply: ClientResponse) -> bool:
    """Tell whether an answer has a body at all."""
    return request.method != hdrs.METH_HEAD and reply.status not in _BODILESS and _length(reply, -1) != 0


async def cut_short(request: web.BaseRequest, reply: ClientResponse, share: float) -> web.StreamResponse:
    """Promise the whole body, send a share of its bytes, and close.

    A body of unknown length is counted from what comes within 8 MiB, and stays without its end.
    """
    response = web.StreamResponse(status=reply.status, reason=reply.reason, headers=kept(reply, length=True))
    known = _length(reply, -1)
    pieces: AsyncIterator[bytes] = reply.content.iter_any()
    if known < 0:
        body = b""
        while len(body) < BUFFER and (piece := await reply.content.read(BUFFER - len(body))):
            body += piece
        known, pieces = len(body), _once(body)
    left = int(known * min(1.0, max(0.0, share)))
    await response.prepare(request)
    async for chunk in pieces:
        if left <= 0:
            break
        await response.write(chunk[:left])
        left -= len(chunk)
    return close(request, response)


def reset(request: web.BaseRequest) -> web.StreamResponse:
    """End the connection with a TCP reset: what was sent is lost, and nothing more comes."""
    if request.transport is not None:
        request.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        request.transport.abort()
    return web.Response()  # the server wants one, finds the connection closed, and says nothing


def close(request: web.BaseRequest, response: web.StreamResponse | None = None) -> web.StreamResponse:
    """End the connection after what was sent, with nothing more to come."""
    if request.transport is not None:
        request.transport.close()
    return response or web.Response()


def kept(reply: ClientResponse, *, length: bool = False) -> "CIMultiDict[str]":
    """Return the headers of an answer that go on; its length only where (``length``) the body is sent as it is."""
    found: CIMultiDict[str] = CIMultiDict()
    for name, value in reply.headers.items():
        if name.lower() not in HOP_BY_HOP and (length or name.lower() != "content-length"):
            found.add(name, value)
    return found


def _length(reply: ClientResponse, otherwise: int) -> int:
    word = reply.headers.get(hdrs.CONTENT_LENGTH, "")
    return int(word) if word.isdigit() else otherwise


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body
