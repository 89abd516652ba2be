"""The fault endpoints of the ECS agent: its answers translated, its rate limit kept.

``${ECS_AGENT_URI}/fault/v1/<kind>/<start|stop|status>``, always POST. The agent takes one call per kind and verb in
five seconds, from everybody at this address; so a call waits for its turn, and comes again when another had it.
"""

import json
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Protocol

from daemon.core.errors import BrokenStartError, ChaosdError, RefusedError, TargetAbsentError, UnreachableError
from daemon.core.model import Json
from daemon.core.seams import Clock
from daemon.core.whereabouts import OwnTask
from daemon.core.wire import BLACKHOLE, CALL_S, ONCE_S, AgentTask
from daemon.ports.local import Answer, Message

VARIABLE = "ECS_AGENT_URI"
PACE_S = ONCE_S + 0.1  # its bucket fills by the agent's clock, not by ours
TURNS = 4  # a call finds the agent busy with somebody else's of the same kind at most so often
_OK, _BAD, _ABSENT, _CONFLICT, _LIMIT, _BROKEN = 200, 400, 404, 409, 429, 500
_SAID_MOST = 300


class Sender(Protocol):
    """What carries a request: ``LocalHttp``."""

    def send(self, message: Message, *, timeout_s: float) -> Answer: ...


class LocalAgent:
    """core.wire.Agent of the task this process runs in."""

    def __init__(
        self,
        environment: Mapping[str, str],
        http: Sender,
        clock: Clock,
        whereabouts: Callable[[], OwnTask | None],
    ) -> None:
        self._base = environment.get(VARIABLE, "").rstrip("/")
        self._http = http
        self._clock = clock
        self._whereabouts = whereabouts
        self._lock = Lock()
        self._next_s: dict[str, float] = {}

    @property
    def here(self) -> bool:
        return bool(self._base)

    def task(self) -> AgentTask:
        found = self._whereabouts() if self.here else None
        if found is None:
            raise TargetAbsentError(
                f"no network fault was started: chaosd is in no ECS task, or {VARIABLE} is not set",
                hint="run chaosd in the worker's task, or set network: {through: host}",
            )
        return AgentTask(id=found.id, enabled=found.faults, network=found.network)

    def running(self, kind: str, body: Mapping[str, Json]) -> bool:
        answer = self._call(kind, "status", body)
        if answer.status != _OK:
            raise _failure(answer, f"it is not known whether {kind} runs")
        return _state(answer) == "running"

    def start(self, kind: str, body: Mapping[str, Json]) -> None:
        try:
            answer = self._call(kind, "start", body)
        except UnreachableError as error:  # no answer in time: it may have come to pass all the same
            why = error.message
        else:
            if answer.status < _BROKEN:
                _require(answer, f"{kind} was not started")
                return
            why = f"the agent answers {answer.status}: {_said(answer)}"
        if not self.running(kind, body):
            raise BrokenStartError(f"{kind} was not started, and the agent says it does not run: {why}")

    def stop(self, kind: str, body: Mapping[str, Json]) -> None:
        _require(self._call(kind, "stop", body), f"{kind} was not stopped")

    # --- one call ----------------------------------------------------------------------------------------

    def _call(self, kind: str, verb: str, body: Mapping[str, Json]) -> Answer:
        if not self.here:
            raise UnreachableError(
                f"the ECS agent was not asked to {verb} {kind}: {VARIABLE} is not set here",
                hint="only a process in the task itself can ask: run `chaosd recover` in chaosd's container",
            )
        path = f"/fault/v1/{kind}/{verb}"
        # Only a start, and whatever concerns a port, has a body; without one there the agent answers 400.
        sent = json.dumps(dict(body)).encode() if verb == "start" or kind == BLACKHOLE else None
        headers = {"Content-Type": "application/json"} if sent is not None else {}
        message = Message("POST", self._base + path, sent, headers)
        for _ in range(TURNS):
            self._await_turn(path)
            answer = self._http.send(message, timeout_s=CALL_S)
            if answer.status != _LIMIT:
                return answer
        raise UnreachableError(
            f"the ECS agent took no {verb} of {kind} in {TURNS} tries: somebody else keeps asking it",
            hint="one call per kind and verb goes through in 5 s: stop whoever polls it",
        )

    def _await_turn(self, path: str) -> None:
        """Wait until this call may be made; whoever comes meanwhile waits for the turn after it."""
        with self._lock:
            now_s = self._clock.instant().mono_s
            turn_s = max(now_s, self._next_s.get(path, now_s))
            self._next_s[path] = turn_s + PACE_S
        if turn_s > now_s:
            self._clock.wait(None, turn_s - now_s)


def _require(answer: Answer, undone: str) -> None:
    if answer.status != _OK:
        raise _failure(answer, undone)
    _state(answer)


def _state(answer: Answer) -> str:
    found = _read(answer).get("Status")
    if not isinstance(found, str):
        raise UnreachableError(f"the ECS agent's answer makes no sense: {_said(answer)}")
    return found


def _failure(answer: Answer, undone: str) -> ChaosdError:
    said = _said(answer)
    match answer.status:
        case code if code == _BAD and "enableFaultInjection" in said:
            return RefusedError(
                f"{undone}: the task does not allow fault injection ({said})",
                rule="permission",
                hint="set enableFaultInjection: true in the task definition, and start new tasks",
            )
        case code if code == _BAD and "bridge mode" in said:
            return RefusedError(f"{undone}: {said}", rule="unsupported", hint="use networkMode awsvpc or host")
        case code if code == _CONFLICT:
            return RefusedError(
                f"{undone}: {said}",
                rule="overlap",
                hint="it is somebody else's, an experiment of FIS perhaps: wait for its end",
            )
        case code if code == _ABSENT:
            return TargetAbsentError(f"{undone}: the agent does not know this container: {said}")
        case code if code < _BROKEN:
            return RefusedError(f"{undone}: the agent refuses ({answer.status}): {said}", rule="unsupported")
    return UnreachableError(f"{undone}: the agent answers {answer.status}: {said}")


def _read(answer: Answer) -> Mapping[str, Json]:
    try:
        found = json.loads(answer.body)
    except ValueError:  # the rate limiter speaks plain text
        return {}
    return found if isinstance(found, dict) else {}


def _said(answer: Answer) -> str:
    return str(_read(answer).get("Error") or answer.body.decode(errors="replace"))[:_SAID_MOST]
