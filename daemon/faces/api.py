"""HTTP: metrics and health for everybody who reaches the port, control with a token or over the private socket."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request, Response

from daemon.core.errors import ChaosdError, ConfigError, RefusedError
from daemon.faces.serving import problems
from daemon.faces.serving.bodies import InjectBody, ReasonBody, SettleBody, read_body, read_query
from daemon.faces.serving.controlling import Controlling
from daemon.faces.serving.desk import Desk
from daemon.faces.serving.gate import Gate
from daemon.faces.serving.probing import Probing
from daemon.faces.serving.reading import Reading
from daemon.faces.serving.routes import BY_NAME, ROUTES, Route, Scope
from daemon.faces.serving.server import BODY_MAX, Server
from daemon.faces.serving.streaming import Streams
from daemon.faces.web.pages import Pages, wanted

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


class Application:
    """The WSGI application behind one gate: who may is the gate's business, what happens is the control desk's."""

    def __init__(self, desk: Desk, gate: Gate) -> None:
        self._desk = desk
        self._gate = gate
        self._pages = Pages(desk, gate.keyring)
        self._verbs = (Reading(desk), Controlling(desk), Probing(desk), Streams(desk.news), self._pages)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        request = Request(environ)
        request.max_content_length = BODY_MAX
        try:
            response = self._answer(request)
        except (HTTPException, ChaosdError) as error:
            response = self._problem(request, error)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response(environ, start_response)

    def _answer(self, request: Request) -> Response:
        try:
            name, values = ROUTES.bind_to_environ(request.environ).match()
        except HTTPException:
            self._gate.check_origin(request)
            raise
        route, caller = BY_NAME[name], self._gate.identify(request)
        what = values.get("name", "")
        try:
            self._gate.check_origin(request)
            self._gate.admit(request, caller, route.scope)
            given = _given(request, route)
            if route.scope is not Scope.CONTROL:
                return self._verb(name)(given, request=request, **values)
            what = _object(given) or what
            self._desk.audit.accepted(caller, name, what)
            return self._verb(name)(given, request=request, caller=caller, **values)
        except ChaosdError as error:
            if route.scope is Scope.CONTROL or isinstance(error, RefusedError):
                self._desk.audit.ended(caller, name, what, error)
            raise

    def _problem(self, request: Request, error: HTTPException | ChaosdError) -> Response:
        found = problems.content(error, request.path)
        if isinstance(error, ConfigError) and request.path == "/-/reload":
            found["status"] = 400  # what was sent is the file
        answer = self._pages.refusal(found) if wanted(request) else problems.response(found)
        return problems.dressed(answer, error)

    def _verb(self, name: str) -> Callable[..., Response]:
        """Return what answers a route: the method of its name."""
        for one in self._verbs:
            verb: Callable[..., Response] | None = getattr(one, name, None)
            if verb is not None:
                return verb
        raise LookupError(f"the table of routes names {name}, and nothing answers it")


def _given(request: Request, route: Route) -> Any:
    """Return the body of what takes one, else the query; raises UsageError."""
    query = None if route.any_query else read_query(request, route.query)
    return query if route.body is None else read_body(request, route.body)


def _object(given: Any) -> str:
    """Return what a request is about, for the audit log."""
    if isinstance(given, InjectBody):
        return f"{given.fault} on {given.target or 'the only target'}"
    if isinstance(given, SettleBody):
        return given.because
    if isinstance(given, ReasonBody):
        return given.because or given.reason or ""
    return ""
