"""HTTP: metrics and health for everybody who reaches the port, control with a token or over the private socket."""

import hmac
import json
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import waitress
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from daemon.core import plan
from daemon.core.errors import ChaosdError, RefusedError, UsageError
from daemon.core.model import Observation
from daemon.core.parameters import duration
from daemon.core.seams import Fault
from daemon.core.settings import Tcp
from daemon.engine.control import Control, Run
from daemon.faces import shapes
from daemon.faces.metrics import Metrics
from daemon.ports.journal import Journal
from daemon.ports.state import socket_name

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

BODY_MAX = 1 << 20
WAIT_MAX_S = 25.0
LOOP_S = 30
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


ROUTES = Map(
    [
        Rule("/metrics", endpoint="metrics", methods=["GET"]),
        Rule("/-/healthy", endpoint="healthy", methods=["GET"]),
        Rule("/-/ready", endpoint="ready", methods=["GET"]),
        Rule("/api/v1/status", endpoint="status", methods=["GET"]),
        Rule("/api/v1/faults", endpoint="faults", methods=["GET"]),
        Rule("/api/v1/observations", endpoint="observations", methods=["GET"]),
        Rule("/api/v1/injections", endpoint="injections", methods=["GET"]),
        Rule("/api/v1/injections/<name>", endpoint="injection", methods=["GET"]),
        Rule("/api/v1/injections", endpoint="inject", methods=["POST"]),
        Rule("/api/v1/injections/<name>/revert", endpoint="revert", methods=["POST"]),
        Rule("/api/v1/recover", endpoint="recover", methods=["POST"]),
        Rule("/api/v1/halt", endpoint="halt", methods=["POST"]),
        Rule("/api/v1/resume", endpoint="resume", methods=["POST"]),
    ]
)


class Application:
    """The WSGI application. ``trusted`` callers (the private socket) need no token; others need ``token``."""

    def __init__(self, desk: Desk, *, trusted: bool, token: str | None = None, hosts: Iterable[str] = ()) -> None:
        self._desk = desk
        self._trusted = trusted
        self._token = token
        self._hosts = frozenset(hosts)
        self._runs: dict[str, Run] = {}

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        request = Request(environ)
        request.max_content_length = BODY_MAX
        try:
            self._check_host(request)
            endpoint, values = ROUTES.bind_to_environ(environ).match()
            if request.method == "POST":
                self._check_token(request)
            response: Response = getattr(self, f"_{endpoint}")(request, **values)
        except HTTPException as error:
            response = _problem(error.code or 500, error.name, error.description or "")
        except ChaosdError as error:
            response = _problem(
                STATUS_OF.get(error.exit_code, 500),
                type(error).__name__,
                error.message,
                hint=error.hint,
                exit_code=error.exit_code,
                rule=getattr(error, "rule", None),
            )
        return response(environ, start_response)

    # --- reading -----------------------------------------------------------------------------------------

    def _metrics(self, request: Request) -> Response:
        body, content_type = self._desk.metrics.render(request.headers.get("Accept", ""))
        return Response(body, content_type=content_type)

    def _healthy(self, _: Request) -> Response:
        return Response("chaosd is healthy\n")

    def _ready(self, _: Request) -> Response:
        ready = self._desk.ready.is_set()
        return Response("ready\n" if ready else "starting\n", status=200 if ready else 503)

    def _status(self, _: Request) -> Response:
        desk = self._desk
        return _json(
            shapes.document(
                daemon={**desk.facts, "halted": desk.control.halted},
                active=shapes.injections(desk.journal.running()),
                outstanding=shapes.injections(desk.journal.outstanding()),
                runs=shapes.scenario_runs(desk.journal.open_runs()),
                observations=[shapes.observation(o) for _, o in sorted(desk.latest().items())],
                next=[{"experiment": n, "at": shapes.stamp(s)} for n, s in sorted(desk.next_times().items())],
            )
        )

    def _faults(self, _: Request) -> Response:
        return _json(shapes.document(faults=[shapes.fault(kind) for _, kind in sorted(self._desk.faults.items())]))

    def _observations(self, _: Request) -> Response:
        latest = sorted(self._desk.latest().items())
        return _json(shapes.document(observations=[shapes.observation(o) for _, o in latest]))

    def _injections(self, request: Request) -> Response:
        since_s = request.args.get("since_s", 0.0, float)
        most = min(max(request.args.get("most", 100, int), 1), 1000)
        found = self._desk.journal.recent(since_s=since_s, most=most)
        return _json(shapes.document(injections=shapes.injections(found)))

    def _injection(self, request: Request, name: str) -> Response:
        run = self._runs.get(name)
        wait_s = min(max(request.args.get("wait", 0.0, float), 0.0), WAIT_MAX_S)
        if run is not None and run.done.wait(wait_s):
            self._runs.pop(name, None)
            return _json(shapes.document(**shapes.injection(run.outcome())))
        found = self._desk.journal.injection(name)
        if found is not None:
            return _json(shapes.document(**shapes.injection(found)))
        if run is not None:
            return _json(shapes.document(injection={"id": name, "state": "proposed"}, verdict=None), 202)
        return _problem(404, "Not Found", f"no injection {name!r}", hint="see `chaosd history`", exit_code=2)

    # --- control -----------------------------------------------------------------------------------------

    def _inject(self, request: Request) -> Response:
        body = _body(request)
        try:
            asked = plan.Request(
                fault=str(body["fault"]),
                target=str(body["target"]),
                parameters=dict(body.get("parameters") or {}),
                duration_s=duration(body.get("duration_s", 30)),
                origin="api",
                by=str(body.get("by") or ("socket" if self._trusted else "token")),
                seed=None if body.get("seed") is None else int(body["seed"]),
                workload=plan.workload(body.get("workload")),
            )
        except (KeyError, ValueError, TypeError) as error:
            raise UsageError(f"not injecting: the request is malformed: {error}") from error
        run = self._desk.control.start(asked)
        self._runs[run.injection] = run
        return _json(shapes.document(id=run.injection), 202)

    def _revert(self, _: Request, name: str) -> Response:
        found = self._desk.control.revert(name, "reverted by request")
        return _json(shapes.document(**shapes.injection(found)))

    def _recover(self, _: Request) -> Response:
        found = self._desk.control.recover()
        return _json(
            shapes.document(injections=shapes.injections(found.injections), runs=shapes.scenario_runs(found.runs))
        )

    def _halt(self, request: Request) -> Response:
        self._desk.control.halt(str(_body(request).get("reason") or "no reason given"))
        return _json(shapes.document(halted=self._desk.control.halted))

    def _resume(self, _: Request) -> Response:
        self._desk.control.resume()
        return _json(shapes.document(halted=None))

    # --- who may -----------------------------------------------------------------------------------------

    def _check_host(self, request: Request) -> None:
        # A page in the operator's browser can reach loopback under a name of its own (DNS rebinding).
        name = request.host.rsplit(":", 1)[0].strip("[]")
        if self._hosts and name not in self._hosts:
            raise RefusedError(f"refused: Host {name!r} is not one this daemon answers to", rule="host")

    def _check_token(self, request: Request) -> None:
        if self._trusted:
            return
        if self._token is None:
            raise RefusedError(
                "refused: this daemon takes control only over its socket",
                rule="token",
                hint="set api.token_file, or use the command line on the same host",
            )
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), self._token.encode()):
            raise RefusedError("refused: the bearer token is missing or wrong", rule="token")


class Server:
    """Serves one application on one address, on threads of its own."""

    def __init__(self, application: Application, listen: Tcp | Path) -> None:
        # Its loop looks around at this interval though nothing happens; sockets wake it whenever something does.
        common: dict[str, Any] = {"threads": 4, "map": {}, "ident": "chaosd", "asyncore_loop_timeout": LOOP_S}
        if isinstance(listen, Tcp):
            self._server = waitress.create_server(application, host=listen.host, port=listen.port, **common)
        else:
            listen.unlink(missing_ok=True)  # the state directory's lock says that nobody else serves here
            with socket_name(listen) as name:
                self._server = waitress.create_server(
                    application, unix_socket=name, unix_socket_perms="600", **common
                )
        self._thread = threading.Thread(target=self._server.run, name="http", daemon=True)

    @property
    def port(self) -> int:
        """Return the TCP port really bound."""
        return int(self._server.effective_port)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Stop listening; requests under way are cut off."""
        self._server.close()


def _body(request: Request) -> dict[str, Any]:
    text = request.get_data()
    try:
        body = json.loads(text) if text else {}
    except ValueError as error:
        raise UsageError(f"the request's body is no JSON: {error}") from error
    if not isinstance(body, dict):
        raise UsageError("the request's body must be a JSON object")
    return body


def _json(content: object, status: int = 200) -> Response:
    return Response(json.dumps(content), status=status, content_type="application/json")


def _problem(status: int, title: str, detail: str, **more: object) -> Response:
    content = {
        "title": title,
        "status": status,
        "detail": detail,
        **{k: v for k, v in more.items() if v is not None},
    }
    return Response(json.dumps(content), status=status, content_type="application/problem+json")
