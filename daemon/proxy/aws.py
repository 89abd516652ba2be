"""The AWS lane: an HTTP server in front of AWS that signs anew, forwards, and does what the rules say."""

import asyncio
import logging
from collections.abc import Collection
from contextlib import AsyncExitStack

from aiohttp import ClientError, ClientResponse, web

from daemon.core.addresses import Tcp
from daemon.core.errors import UnreachableError
from daemon.core.proxying import AWS
from daemon.proxy import effects, wire
from daemon.proxy.answers import Answer, failure
from daemon.proxy.calls import BODY_MAX, Call, Door, RefusedCallError
from daemon.proxy.deliveries import RECEIVE, Deliveries
from daemon.proxy.effects import Turn
from daemon.proxy.queues import TELL_URLS, in_answer, in_request
from daemon.proxy.rules import RuleBook, Strike
from daemon.proxy.signing import Signer
from daemon.proxy.tally import Tally
from daemon.proxy.upstream import HEADER_MAX, UnforwardedError, Upstream

END_S = 10.0  # for what is under way when the proxy ends
_log = logging.getLogger("chaosd.proxy")


class AwsLane:
    """One port. ``start`` then ``close``, each once, in one event loop."""

    name = AWS

    def __init__(self, listen: Tcp, door: Door, book: RuleBook, signer: Signer, tally: Tally) -> None:
        self._listen, self._door, self._book = listen, door, book
        self._upstream = Upstream(signer)
        self._stack = AsyncExitStack()
        self._ending = asyncio.Event()
        self._names: Collection[str] = ()
        self._told: set[str] = set()
        self.deliveries = Deliveries()
        self.tally = tally

    async def start(self) -> str:
        """Listen; return the address as a URL. Raises OSError when the port cannot be had."""
        await self._stack.enter_async_context(self._upstream)
        server = web.Server(
            self._handle,
            handler_cancellation=True,  # a worker that dies in a long poll must not get messages any more
            access_log=None,
            auto_decompress=False,
            max_line_size=HEADER_MAX,
            max_field_size=HEADER_MAX,
        )
        runner = web.ServerRunner(server, handle_signals=False, shutdown_timeout=END_S)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, self._listen.host, self._listen.port, backlog=1024)
        await site.start()
        host, port = runner.addresses[0][:2]
        shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._names = frozenset({shown, f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}"})
        return f"http://{shown}"

    async def close(self) -> None:
        """Take nothing more, let what is under way end within some seconds, and close. Idempotent."""
        self._ending.set()
        await self._stack.aclose()

    # --- what effects need -------------------------------------------------------------------------------

    async def ask(self, call: Call, body: bytes | None = None) -> ClientResponse:
        if call.service == "sqs":
            content = call.body or b"" if body is None else body
            body = in_request(content, call.address, form=call.named.form)
        reply = await self._upstream.ask(call, body)
        call.replies.append(reply)
        return reply

    async def tell(self, call: Call, reply: ClientResponse) -> web.StreamResponse:
        watched = self._watched(call)
        if not watched and not (call.service == "sqs" and call.named.operation in TELL_URLS):
            return await wire.stream(call.request, reply)
        body = await self.whole(reply)
        for injection in watched:
            self.deliveries.remember(injection, call.named.resource, body)
        changed = in_answer(body, call.address) if call.named.operation in TELL_URLS else body
        return await wire.send(call.request, Answer(status=reply.status, headers=wire.kept(reply), body=changed))

    async def whole(self, reply: ClientResponse) -> bytes:
        pieces, size = [], 0
        try:
            async for piece in reply.content.iter_any():
                pieces.append(piece)
                size += len(piece)
                if size > BODY_MAX:
                    reply.close()
                    raise UnforwardedError(f"its answer is larger than {BODY_MAX >> 20} MiB")
        except (ClientError, TimeoutError) as error:
            raise UnforwardedError(f"its answer broke off: {error}") from error
        return b"".join(pieces)

    def land(self, strike: Strike) -> bool:
        return self._book.land(strike)

    async def over(self, injection: str) -> None:
        waits = [asyncio.ensure_future(one) for one in (self._book.over(injection), self._ending.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()

    # --- inside ------------------------------------------------------------------------------------------

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            call = await self._door.admit(request, self._names)
        except RefusedCallError as refused:
            self._refuse(refused)
            return await wire.send(request, refused.answer)
        except (ClientError, web.RequestPayloadError):
            return wire.close(request)  # the client broke off
        self._watch(call)
        named = call.named
        strike = self._book.hit(
            AWS,
            call=call.name,
            service=call.service,
            operation=named.operation,
            resource=named.resource,
            applies=lambda rule: effects.applies(rule, call, self.deliveries),
        )
        end = strike.rule.effect if strike else "cancelled"
        try:
            if strike:
                return await effects.BY_NAME[strike.rule.effect](Turn(self, call, strike))
            reply = await self.ask(call)
            end = f"{reply.status // 100}xx"
            return await self.tell(call, reply)
        except (UnforwardedError, UnreachableError) as error:
            end = end if strike else "unforwarded"
            _log.warning("not forwarded: %s %s: %s", call.service, named.operation, error)
            text = f"chaosd's proxy could not forward this: {error}"
            return await wire.send(
                request, failure(call.service, 502, "ChaosdProxyUnforwarded", text, form=named.form)
            )
        finally:
            self.tally.count(call.service, named.operation, end)
            for reply in call.replies:
                reply.release()

    def _refuse(self, refused: RefusedCallError) -> None:
        self.tally.refused[refused.why] += 1
        if refused.why not in self._told:
            self._told.add(refused.why)
            _log.warning("a call was refused (%s; told once, counted always): %s", refused.why, refused)

    def _watch(self, call: Call) -> None:
        """Count a receive for the rules that may deliver its messages again."""
        for injection in self._watched(call):
            self.deliveries.asked(injection, call.named.resource)

    def _watched(self, call: Call) -> tuple[str, ...]:
        """Return the rules in force that must know what this call is answered."""
        named = call.named
        if call.service != "sqs" or named.operation != RECEIVE or named.form:
            return ()
        rules = [rule for rule in self._book.standing(AWS) if rule.effect == "duplicate-delivery"]
        self.deliveries.keep_only(frozenset(rule.injection for rule in rules))
        fitting = (r for r in rules if r.match.fits("sqs", named.operation, named.resource))
        return tuple(rule.injection for rule in fitting)
