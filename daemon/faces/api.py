"""HTTP: metrics and health for everybody who reaches the port, control with a token or over the private socket."""

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request, Response

from daemon.core import plan
from daemon.core.access import Caller
from daemon.core.errors import ChaosdError, RefusedError, UsageError
from daemon.core.model import Observation
from daemon.core.parameters import duration
from daemon.core.redact import redact
from daemon.core.seams import Fault
from daemon.engine.control import Control, Run
from daemon.faces import shapes
from daemon.faces.metrics import Metrics
from daemon.faces.serving.auditing import Auditor
from daemon.faces.serving.bodies import (
    YEAR_S,
    InjectBody,
    InjectionsQuery,
    ReasonBody,
    SettleBody,
    WaitQuery,
    read_body,
    read_query,
)
from daemon.faces.serving.gate import Gate
from daemon.faces.serving.openapi import document
from daemon.faces.serving.routes import BY_NAME, ROUTES, Route, Scope
from daemon.faces.serving.server import BODY_MAX, Server
from daemon.ports.journal import Journal

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

__all__ = ["Application", "Desk", "Server"]

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
FAILED_MOST = 64  # injections that ended in an error nobody has asked for yet
STATUS_OF = {2: 400, 4: 500, 5: 404, 75: 409, 77: 403, 78: 422}


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What the API shows and moves."""

    control: Control
    journal: Journal
    metrics: Metrics
    faults: Mapping[str, type[Fault]]
    latest: Callable[[], Mapping[str, Observation]]
    next_times: Callable[[], Mapping[str, float]]
    facts: Mapping[str, Any]
    ready: threading.Event
    audit: Auditor


class Application:
    """The WSGI application behind one gate: who may is the gate's business, what happens is the control desk's."""

    def __init__(self, desk: Desk, gate: Gate) -> None:
        self._desk = desk
        self._gate = gate
        self._runs: dict[str, Run] = {}

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        request = Request(environ)
        request.max_content_length = BODY_MAX
        try:
            response = self._answer(request)
        except HTTPException as error:
            response = _problem(error.code or 500, error.name, error.description or "")
            response.headers.extend(h for h in error.get_headers() if h[0] == "Allow")
        except ChaosdError as error:
            response = _refusal(error)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response(environ, start_response)

    def _answer(self, request: Request) -> Response:
        self._gate.check_origin(request)
        name, values = ROUTES.bind_to_environ(request.environ).match()
        route, caller = BY_NAME[name], self._gate.identify(request)
        verb: Callable[..., Response] = getattr(self, f"_{name}")
        what = values.get("name", "")
        try:
            self._gate.admit(request, caller, route.scope)
            given = _given(request, route)
            if route.scope is not Scope.CONTROL:
                return verb(given, request=request, **values)
            what = _object(given) or what
            self._desk.audit.accepted(caller, name, what)
            return verb(given, caller=caller, **values)
        except ChaosdError as error:
            if route.scope is Scope.CONTROL or isinstance(error, RefusedError):
                self._desk.audit.ended(caller, name, what, error)
            raise

    # --- reading -----------------------------------------------------------------------------------------

    def _metrics(self, _: object, *, request: Request) -> Response:
        body, content_type = self._desk.metrics.render(request.headers.get("Accept", ""))
        return Response(body, content_type=content_type)

    def _healthy(self, _: object, **__: object) -> Response:
        return Response("chaosd is healthy\n")

    def _ready(self, _: object, **__: object) -> Response:
        ready = self._desk.ready.is_set()
        return Response("ready\n" if ready else "starting\n", status=200 if ready else 503)

    def _status(self, _: object, **__: object) -> Response:
        desk = self._desk
        return _json(
            shapes.document(
                daemon={**desk.facts, "halted": desk.control.halted},
                active=shapes.injections(desk.journal.running()),
                outstanding=shapes.injections(desk.journal.outstanding()),
                runs=shapes.scenario_runs(desk.journal.scenarios.open_runs()),
                observations=[shapes.observation(o) for _, o in sorted(desk.latest().items())],
                next=[{"experiment": n, "at": shapes.stamp(s)} for n, s in sorted(desk.next_times().items())],
            )
        )

    def _faults(self, _: object, **__: object) -> Response:
        return _json(shapes.document(faults=[shapes.fault(kind) for _, kind in sorted(self._desk.faults.items())]))

    def _observations(self, _: object, **__: object) -> Response:
        latest = sorted(self._desk.latest().items())
        return _json(shapes.document(observations=[shapes.observation(o) for _, o in latest]))

    def _openapi(self, _: object, **__: object) -> Response:
        return _json(document(str(self._desk.facts["version"])))

    def _injections(self, asked: InjectionsQuery, **_: object) -> Response:
        found = self._desk.journal.recent(since_s=asked.since_s, most=asked.most)
        return _json(shapes.document(injections=shapes.injections(found)))

    def _injection(self, asked: WaitQuery, *, name: str, **_: object) -> Response:
        run = self._runs.get(name)
        if run is not None and run.done.wait(asked.wait):
            self._runs.pop(name, None)
            return _json(shapes.document(**shapes.injection(run.outcome())))
        found = self._desk.journal.injection(name)
        if found is not None:
            return _json(shapes.document(**shapes.injection(found)))
        if run is not None:
            return _json(shapes.document(injection={"id": name, "state": "proposed"}, verdict=None), 202)
        return _unknown(name)

    # --- control -----------------------------------------------------------------------------------------

    def _inject(self, body: InjectBody, *, caller: Caller) -> Response:
        try:
            asked = plan.Request(
                fault=body.fault,
                target=body.target,
                parameters=dict(body.parameters or {}),
                duration_s=_seconds(body.duration_s),
                origin="api",
                by=_by(caller, body.by),
                seed=body.seed,
                workload=plan.workload(body.workload),
            )
        except ValueError as error:
            raise UsageError(f"not injecting: the request is malformed: {error}") from error
        run = self._desk.control.start(asked)
        self._forget_ended()
        self._runs[run.injection] = run
        return _json(shapes.document(id=run.injection), 202)

    def _forget_ended(self) -> None:
        """Let go of what ended and nobody asked for: its end is in the journal. An error is not, so some stay."""
        ended = [(name, run) for name, run in list(self._runs.items()) if run.done.is_set()]
        failed = [name for name, run in ended if run.error is not None]
        for name, run in ended:
            if run.error is None or name in failed[:-FAILED_MOST]:
                self._runs.pop(name, None)

    def _revert(self, _: object, *, name: str, **__: object) -> Response:
        if name not in self._runs and self._desk.journal.injection(name) is None:
            return _unknown(name)
        found = self._desk.control.revert(name, "reverted by request")
        return _json(shapes.document(**shapes.injection(found)))

    def _settle(self, body: SettleBody, *, name: str, caller: Caller) -> Response:
        found = self._desk.control.settle(name, by=_by(caller, body.by), because=redact(body.because))
        return _json(shapes.document(**shapes.injection(found)))

    def _recover(self, _: object, **__: object) -> Response:
        found = self._desk.control.recover()
        return _json(
            shapes.document(injections=shapes.injections(found.injections), runs=shapes.scenario_runs(found.runs))
        )

    def _halt(self, body: ReasonBody, **_: object) -> Response:
        self._desk.control.halt(redact(body.reason or body.because or "no reason given"))
        return _json(shapes.document(halted=self._desk.control.halted))

    def _resume(self, body: ReasonBody, **_: object) -> Response:
        self._desk.control.resume(redact(body.because or body.reason or ""))
        return _json(shapes.document(halted=None))


def _given(request: Request, route: Route) -> Any:
    """Return the body of what takes one, else the query; raises UsageError."""
    query = None if route.any_query else read_query(request, route.query)
    return query if route.body is None else read_body(request, route.body)


def _object(given: Any) -> str:
    """Return what a request is about, for the audit log."""
    if isinstance(given, InjectBody):
        return f"{given.fault} on {given.target}"
    if isinstance(given, SettleBody):
        return given.because
    if isinstance(given, ReasonBody):
        return given.because or given.reason or ""
    return ""


def _by(caller: Caller, claimed: str | None) -> str:
    """Return who asks, for the journal: what the kernel or the token says, and what the request claims besides."""
    claimed = redact(claimed or "")
    return str(caller) if claimed in ("", str(caller)) else f"{claimed} ({caller})"


def _seconds(given: float | str) -> float:
    seconds = duration(given)
    if seconds > YEAR_S:
        raise ValueError(f"duration_s is more than a year: {given!r}")
    return seconds


def _refusal(error: ChaosdError) -> Response:
    rule = getattr(error, "rule", None)
    status = 401 if rule == "token" else STATUS_OF.get(error.exit_code, 500)
    response = _problem(
        status, type(error).__name__, error.message, hint=error.hint, exit_code=error.exit_code, rule=rule
    )
    if status == 401:  # noqa: PLR2004  HTTP's own number
        response.headers["WWW-Authenticate"] = 'Bearer realm="chaosd"'
    return response


def _json(content: object, status: int = 200) -> Response:
    return Response(json.dumps(content), status=status, content_type="application/json")


def _unknown(name: str) -> Response:
    return _problem(404, "Not Found", f"no injection {name!r}", hint="see `chaosd history`", exit_code=2)


def _problem(status: int, title: str, detail: str, **more: object) -> Response:
    content = {
        "title": title,
        "status": status,
        "detail": detail,
        **{k: v for k, v in more.items() if v is not None},
    }
    return Response(json.dumps(content), status=status, content_type="application/problem+json")
