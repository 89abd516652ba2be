"""What a rule does to a call of AWS that it hits: one function an effect. docs/proxy.md lists their parameters."""

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from aiohttp import ClientError, ClientResponse, web

from daemon.core.proxying import Rule
from daemon.proxy import batches, deliveries, wire
from daemon.proxy.answers import Answer, as_json, failure
from daemon.proxy.calls import Call
from daemon.proxy.delays import draw
from daemon.proxy.deliveries import Deliveries
from daemon.proxy.rules import Strike

ANY = "*"
_OK = 200


class Lane(Protocol):
    """What an effect needs of the lane."""

    @property
    def deliveries(self) -> Deliveries: ...
    async def ask(self, call: Call, body: bytes | None = None) -> ClientResponse:
        """Forward; raises UnforwardedError."""
        ...

    async def tell(self, call: Call, reply: ClientResponse) -> web.StreamResponse:
        """Pass an answer on."""
        ...

    async def whole(self, reply: ClientResponse) -> bytes:
        """Return all of an answer's body; raises UnforwardedError when it breaks off."""
        ...

    def land(self, strike: Strike) -> bool:
        """Count a late strike; False when its rule has been taken out: then the call is to be spared."""
        ...

    async def over(self, injection: str) -> None:
        """Wait until a rule is out of force, or the proxy ends."""
        ...


@dataclass(frozen=True, slots=True)
class Turn:
    """One call that is hit."""

    lane: Lane
    call: Call
    strike: Strike

    @property
    def parameters(self) -> Mapping[str, Any]:
        return self.strike.parameters

    async def send(self, answer: Answer) -> web.StreamResponse:
        return await wire.send(self.call.request, answer)


async def _error(turn: Turn) -> web.StreamResponse:
    status, code, message = _told(turn.strike.rule, turn.call.service)
    answer = failure(turn.call.service, status, code, message, form=turn.call.named.form)
    if turn.parameters.get("empty"):
        answer = Answer(status=status)
    return await turn.send(answer)


async def _latency(turn: Turn) -> web.StreamResponse:
    delay_s = draw(turn.parameters, turn.strike.dice())
    if turn.parameters.get("where") != "reply":
        await _pause(turn, delay_s)
        return await turn.lane.tell(turn.call, await turn.lane.ask(turn.call))
    reply = await turn.lane.ask(turn.call)
    await _pause(turn, delay_s)
    return await turn.lane.tell(turn.call, reply)


async def _pause(turn: Turn, delay_s: float) -> None:
    """Wait; a rule that is taken out lets go of what it holds up."""
    try:
        await asyncio.wait_for(turn.lane.over(turn.strike.rule.injection), delay_s)
    except TimeoutError:
        return


async def _reset(turn: Turn) -> web.StreamResponse:
    return wire.reset(turn.call.request)


async def _hang(turn: Turn) -> web.StreamResponse:
    await turn.lane.over(turn.strike.rule.injection)
    return wire.close(turn.call.request)


async def _truncate(turn: Turn) -> web.StreamResponse:
    reply = await turn.lane.ask(turn.call)
    if not wire.has_body(turn.call.request, reply) or not turn.lane.land(turn.strike):
        return await turn.lane.tell(turn.call, reply)
    try:
        return await wire.cut_short(turn.call.request, reply, float(turn.parameters.get("share", 0.5)))
    except (ClientError, TimeoutError):
        return wire.close(turn.call.request)
    finally:
        reply.close()


async def _lost_reply(turn: Turn) -> web.StreamResponse:
    reply = await turn.lane.ask(turn.call)
    if not turn.lane.land(turn.strike):
        return await turn.lane.tell(turn.call, reply)
    try:
        async for _ in reply.content.iter_any():
            pass
    except (ClientError, TimeoutError):
        reply.close()  # executed all the same: its head was there
    return wire.reset(turn.call.request)


async def _partial_batch(turn: Turn) -> web.StreamResponse:
    call = turn.call
    half = batches.split(call.service, call.body or b"", turn.strike.rule, turn.strike.dice())
    if half is None:  # no batch after all: the service itself says so
        return await turn.lane.tell(call, await turn.lane.ask(call))
    if half.body is None:
        return await turn.send(as_json(call.service, half.alone()))
    return await _changed(turn, await turn.lane.ask(call, half.body), half.joined)


async def _duplicate(turn: Turn) -> web.StreamResponse:
    call, place = turn.call, turn.lane.deliveries
    message = place.again(turn.strike.rule, call.named.resource)
    if message is None:
        return await turn.lane.tell(call, await turn.lane.ask(call))
    body = deliveries.room_for_one(call.body or b"")
    if body is None and turn.lane.land(turn.strike):
        return await turn.send(as_json("sqs", {"Messages": [message]}))
    reply = await turn.lane.ask(call, body)
    if not turn.lane.land(turn.strike):
        return await turn.lane.tell(call, reply)
    return await _changed(turn, reply, lambda answer: deliveries.joined(answer, message))


async def _shorter(turn: Turn) -> web.StreamResponse:
    seconds = int(turn.parameters.get("visibility_s", 0))
    body = deliveries.shortened(turn.call.named.operation, turn.call.body or b"", seconds)
    return await turn.lane.tell(turn.call, await turn.lane.ask(turn.call, body))


async def _changed(turn: Turn, reply: ClientResponse, change: Callable[[bytes], bytes]) -> web.StreamResponse:
    """Answer with a changed body; what is no success is passed on as it is."""
    if reply.status != _OK:
        return await turn.lane.tell(turn.call, reply)
    changed = change(await turn.lane.whole(reply))
    headers = wire.kept(reply)
    if "x-amz-crc32" in headers:
        headers["x-amz-crc32"] = as_crc32(changed)
    return await turn.send(Answer(status=reply.status, headers=headers, body=changed))


def as_crc32(body: bytes) -> str:
    """Return DynamoDB's check sum of a body."""
    return str(zlib.crc32(body))


BY_NAME: Mapping[str, Callable[[Turn], Awaitable[web.StreamResponse]]] = {
    "error": _error,
    "latency": _latency,
    "reset": _reset,
    "hang": _hang,
    "truncate": _truncate,
    "lost-reply": _lost_reply,
    "partial-batch": _partial_batch,
    "duplicate-delivery": _duplicate,
    "visibility-expired": _shorter,
}


def applies(rule: Rule, call: Call, place: Deliveries) -> bool:
    """Tell whether a rule that matches a call can do anything to it: what cannot is neither hit nor counted."""
    named, sqs = call.named, call.service == "sqs" and not call.named.form
    match rule.effect:
        case "error":
            return bool(_told(rule, call.service)[1])
        case "partial-batch":
            return batches.splits(call.service, named.operation, form=named.form)
        case "duplicate-delivery":
            return sqs and named.operation == deliveries.RECEIVE and place.due(rule, named.resource)
        case "visibility-expired":
            return sqs and named.operation in deliveries.VISIBLE
        case effect:
            return effect in BY_NAME


def _told(rule: Rule, service: str) -> tuple[int, str, str]:
    """Return status, code and message for a service; without a code where it is to be spared."""
    answers = rule.parameters.get("answers")
    found = answers.get(service, answers.get(ANY)) if isinstance(answers, Mapping) else None
    match found:
        case [int(status), str(code), str(message)]:
            return status, code, message
        case _:
            return 0, "", ""
