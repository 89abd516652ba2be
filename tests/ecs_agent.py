"""A stand-in for the fault endpoints of the ECS agent: its answers, its rate limit, and its traps.

``Agent`` is the state behind them and answers one request; ``serve`` puts it on loopback over real HTTP. It takes
time from a clock that a test may turn. What it keeps of the real one: no fault ends by itself; a second start of a
blackhole changes nothing; a stop of the wrong kind says `stopped` and leaves the fault on; a start of latency or
loss that breaks off leaves the root queue, which no `/stop` takes away and at which every later start fails.
"""

import ipaddress
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from daemon.core.errors import UnreachableError
from daemon.core.whereabouts import OwnTask
from daemon.ports.agent import VARIABLE, LocalAgent
from daemon.ports.local import Answer, Message
from tests.ecs_metadata import TASK

BLACKHOLE, LATENCY, LOSS = "network-blackhole-port", "network-latency", "network-packet-loss"
RATE_S = 5.0
ARN = f"arn:aws:ecs:eu-west-1:1:task/w/{TASK}"
Reply = tuple[int, Mapping[str, str], bytes]


class _BadRequestError(Exception):
    """What the agent answers 400 with."""


@dataclass
class Agent:
    """One task's faults. ``breaks``: so many next starts of latency or loss break off half-way.

    ``deaf``: so many next starts are carried out and answered only after the caller has hung up.
    """

    now_s: Callable[[], float]
    enabled: bool = True
    mode: str = "awsvpc"
    breaks: int = 0
    deaf: int = 0
    every_s: float = RATE_S
    holes: dict[tuple[str, str, int], tuple[str, ...]] = field(default_factory=dict)
    shaping: tuple[str, dict[str, Any]] | None = None
    root_queue: bool = False
    calls: list[tuple[str, str, int]] = field(default_factory=list)
    _filled: dict[tuple[str, str], float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def state(self) -> object:
        return dict(self.holes), self.shaping, self.root_queue

    def answer(self, method: str, path: str, raw: bytes) -> Reply:
        with self._lock:
            reply = self._answer(method, path, raw)
            kind, verb = path.rsplit("/", 2)[-2:]
            self.calls.append((kind, verb, reply[0]))
            return reply

    def _answer(self, method: str, path: str, raw: bytes) -> Reply:
        parts = path.strip("/").split("/")
        if len(parts) < 4 or parts[-4:-2] != ["fault", "v1"] or method != "POST":
            return _said(404, "no such page")
        kind, verb = parts[-2:]
        if not self._may(kind, verb):
            limit = {"X-Rate-Limit-Limit": "0.20", "X-Rate-Limit-Duration": "1"}
            return 429, {**limit, "Content-Type": "text/plain"}, b"You have reached maximum request limit"
        try:
            self._allowed()
            return self._hole(verb, _port(raw)) if kind == BLACKHOLE else self._shape(kind, verb, raw)
        except _BadRequestError as error:
            return _said(400, str(error))

    def _allowed(self) -> None:
        if not self.enabled:
            raise _BadRequestError(f"enableFaultInjection is not enabled for task: {ARN}")
        if self.mode == "bridge":
            raise _BadRequestError("bridge mode is not supported. Please use either host or awsvpc mode.")

    def _may(self, kind: str, verb: str) -> bool:
        """A bucket of one call for each kind and verb, filled again after five seconds."""
        now_s = self.now_s()
        if now_s < self._filled.get((kind, verb), now_s):
            return False
        self._filled[kind, verb] = now_s + self.every_s
        return True

    def _hole(self, verb: str, body: dict[str, Any]) -> Reply:
        chain = (body["TrafficType"], body["Protocol"], body["Port"])
        if verb == "start":
            # The filter of a chain that is there stays what it was; `-d` in both directions, as in the documents.
            self.holes.setdefault(chain, tuple(body.get("SourcesToFilter") or ()))
            return _status("running")
        if verb == "stop":
            self.holes.pop(chain, None)
            return _status("stopped")
        return _status("running" if chain in self.holes else "not-running")

    def _shape(self, kind: str, verb: str, raw: bytes) -> Reply:
        mine = self.shaping is not None and self.shaping[0] == kind
        if verb == "status":
            return _status("running" if mine else "not-running")
        if verb == "stop":
            if mine:
                self.shaping, self.root_queue = None, False
            return _status("stopped")
        body = _latency(raw) if kind == LATENCY else _loss(raw)
        if self.shaping is not None:
            word = {LATENCY: "latency", LOSS: "packet loss"}[self.shaping[0]]
            return _said(409, f"There is already one network {word} fault running")
        if self.root_queue:
            return _said(500, "internal error")
        self.root_queue = True
        if self.breaks:
            self.breaks -= 1
            return _said(500, f"start {kind}: request timed out")
        self.shaping = (kind, body)
        return _status("running")


# --- bodies ----------------------------------------------------------------------------------------------


def _object(raw: bytes) -> dict[str, Any]:
    if not raw:
        raise _BadRequestError("required request body is missing")
    try:
        return dict(json.loads(raw))
    except ValueError as error:
        raise _BadRequestError(f"invalid character: {error}") from None


def _require(body: dict[str, Any], *names: str) -> None:
    for name in names:
        if body.get(name) is None:
            raise _BadRequestError(f"required parameter {name} is missing")


def _port(raw: bytes) -> dict[str, Any]:
    body = _object(raw)
    _require(body, "Port", "Protocol", "TrafficType")
    for name, known in (("Protocol", ("tcp", "udp")), ("TrafficType", ("ingress", "egress"))):
        if body[name] not in known:
            raise _BadRequestError(f"invalid value {body[name]} for parameter {name}")
    if not isinstance(body["Port"], int) or not 0 <= body["Port"] <= 65535:
        raise _BadRequestError(f"json: cannot unmarshal number {body['Port']} into Go value of type uint16")
    _addresses(body, "SourcesToFilter")
    return body


def _latency(raw: bytes) -> dict[str, Any]:
    body = _object(raw)
    _require(body, "DelayMilliseconds", "JitterMilliseconds")
    for name in ("DelayMilliseconds", "JitterMilliseconds"):
        if not isinstance(body[name], int) or body[name] < 0:
            raise _BadRequestError(f"json: cannot unmarshal {body[name]} into Go value of type uint64")
    if not body["DelayMilliseconds"] and not body["JitterMilliseconds"]:
        raise _BadRequestError("required either DelayMilliseconds or JitterMilliseconds to be non-zero")
    return _shared(body)


def _loss(raw: bytes) -> dict[str, Any]:
    body = _object(raw)
    _require(body, "LossPercent")
    if not isinstance(body["LossPercent"], int) or not 1 <= body["LossPercent"] <= 100:
        raise _BadRequestError(f"invalid value {body['LossPercent']} for parameter LossPercent")
    return _shared(body)


def _shared(body: dict[str, Any]) -> dict[str, Any]:
    if not body.get("Sources"):
        raise _BadRequestError("required parameter Sources is missing")
    for name in ("Sources", "SourcesToFilter"):
        _addresses(body, name)
    if not 1 <= body.setdefault("FlowsPercent", 100) <= 100:
        raise _BadRequestError(f"invalid value {body['FlowsPercent']} for parameter flowsPercent")
    return body


def _addresses(body: dict[str, Any], name: str) -> None:
    for one in body.get(name) or ():
        try:
            ipaddress.ip_network(one, strict=False)
        except ValueError:
            raise _BadRequestError(f"invalid value {one} for parameter {name}") from None


def _status(word: str) -> Reply:
    return 200, {"Content-Type": "application/json"}, json.dumps({"Status": word}).encode()


def _said(status: int, text: str) -> Reply:
    return status, {"Content-Type": "application/json"}, json.dumps({"Error": text}).encode()


# --- two lines to it -------------------------------------------------------------------------------------


class Line:
    """Carries requests to an agent without a network: time passes on the test's own clock."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent

    def send(self, message: Message, *, timeout_s: float) -> Answer:
        path = message.url.partition("://")[2].partition("/")[2]
        status, headers, body = self._agent.answer(message.method, path, message.body or b"")
        if self._agent.deaf and path.endswith("/start"):
            self._agent.deaf -= 1
            raise UnreachableError(f"no answer within {timeout_s:g} s")
        return Answer(status=status, headers=headers, body=body)


def own_task(agent: Agent) -> OwnTask:
    return OwnTask(
        arn=ARN,
        id=TASK,
        cluster="w",
        region="eu-west-1",
        account="1",
        family="git-worker",
        revision="7",
        container="chaosd",
        service="git-service",
        launch="FARGATE",
        faults=agent.enabled,
        network=agent.mode,
    )


def asked(agent: Agent, clock: Any) -> LocalAgent:
    """Return the real port, with an agent at the end of the line and a clock that a test turns."""
    return LocalAgent({VARIABLE: "http://agent/api/id"}, Line(agent), clock, lambda: own_task(agent))


@contextmanager
def serve(agent: Agent, answers_after: Callable[[str], threading.Event | None] = lambda _: None) -> Iterator[str]:
    """Serve an agent on loopback and yield the address for the variable; a request may wait for an event."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, headers, body = agent.answer("POST", self.path, raw)
            held = answers_after(self.path)
            if held is not None:
                held.wait(60)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            with suppress(BrokenPipeError):  # the caller has hung up
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/api/id"
    finally:
        server.shutdown()
        server.server_close()
