"""The one table of routes: path, verb, who may, what is read and answered; API and document come from it."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from msgspec import Struct
from werkzeug.routing import Map, Rule

from daemon.faces.serving import answers
from daemon.faces.serving.bodies import (
    InjectBody,
    InjectionsQuery,
    Nothing,
    ProbeQuery,
    ReasonBody,
    SettleBody,
    WaitQuery,
)


class Scope(StrEnum):
    """What a caller may: ``control`` includes ``read``; ``open`` needs nothing."""

    OPEN = "open"
    READ = "read"
    CONTROL = "control"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One verb on one path. ``body`` None: it takes none; an ``answer`` that is a text is its media type."""

    path: str
    name: str
    summary: str
    scope: Scope = Scope.READ
    method: str = "GET"
    query: type[Struct] = Nothing
    body: type[Struct] | None = None
    answers: dict[int, Any] = field(default_factory=dict)
    problems: tuple[int, ...] = ()
    any_query: bool = False


_TEXT = "text/plain"
HTML = "text/html"
_ONE = answers.InjectionDocument
CONTROL: dict[str, Any] = {"method": "POST", "scope": Scope.CONTROL}

TABLE: tuple[Route, ...] = (
    Route(path="/", name="index", summary="The status page", answers={200: HTML}, any_query=True),
    Route(
        path="/injections/<name>",
        name="evidence",
        summary="One injection with its evidence, for people",
        answers={200: HTML},
        problems=(404,),
        any_query=True,
    ),
    Route(
        path="/ui/style.css",
        name="style",
        summary="How the pages look",
        scope=Scope.OPEN,
        answers={200: "text/css"},
    ),
    Route(
        path="/ui/status.js",
        name="script",
        summary="Keeps the pages up to date",
        scope=Scope.OPEN,
        answers={200: "text/javascript"},
    ),
    Route(path="/ui/icon.svg", name="icon", summary="The icon", scope=Scope.OPEN, answers={200: "image/svg+xml"}),
    Route(
        path="/metrics",
        name="metrics",
        summary="Prometheus metrics, text or OpenMetrics by Accept",
        answers={200: _TEXT},
        any_query=True,  # Prometheus adds what its configuration names under params
    ),
    Route(
        path="/probe",
        name="probe",
        summary="One configured probe asked now, for Prometheus' multi-target pattern",
        query=ProbeQuery,
        answers={200: _TEXT},
        problems=(404, 503),
    ),
    Route(
        path="/-/reload",
        name="reload",
        summary="Take the configuration as it is on disk, all of it or nothing",
        body=Nothing,
        answers={200: answers.Reloaded},
        problems=(409,),
        **CONTROL,
    ),
    Route(
        path="/-/healthy",
        name="healthy",
        summary="Every main part moves; 503 names those that hang. What targets are like is no part of it",
        scope=Scope.OPEN,
        answers={200: _TEXT, 503: _TEXT},
        any_query=True,
    ),
    Route(
        path="/-/ready",
        name="ready",
        summary="Recovered, and open for business",
        scope=Scope.OPEN,
        answers={200: _TEXT, 503: _TEXT},
        any_query=True,
    ),
    Route(path="/api/v1/openapi.json", name="openapi", summary="This document", answers={200: dict[str, Any]}),
    Route(
        path="/api/v1/status",
        name="status",
        summary="What is active, outstanding, seen and due",
        answers={200: answers.Situation},
    ),
    Route(
        path="/api/v1/faults",
        name="faults",
        summary="The faults that can be injected",
        answers={200: answers.Faults},
    ),
    Route(
        path="/api/v1/experiments",
        name="experiments",
        summary="The configured experiments, and when each is due",
        answers={200: answers.Experiments},
    ),
    Route(
        path="/api/v1/observations",
        name="observations",
        summary="The latest look of every probe",
        answers={200: answers.Observations},
    ),
    Route(
        path="/api/v1/events",
        name="events",
        summary="What happens, as server-sent events; Last-Event-ID resumes",
        answers={200: "text/event-stream"},
        problems=(503,),
    ),
    Route(
        path="/api/v1/injections",
        name="injections",
        summary="Injections, newest first, in pages",
        query=InjectionsQuery,
        answers={200: answers.Injections},
    ),
    Route(
        path="/api/v1/injections/<name>",
        name="injection",
        summary="One injection; 202 while it is under way and nothing is journalled yet",
        query=WaitQuery,
        answers={200: _ONE, 202: _ONE},
        problems=(404, 409, 422),
    ),
    Route(
        path="/api/v1/injections",
        name="inject",
        summary="Begin one injection",
        body=InjectBody,
        answers={202: answers.Accepted},
        problems=(404, 409, 422),
        **CONTROL,
    ),
    Route(
        path="/api/v1/injections/<name>/revert",
        name="revert",
        summary="Take one injection back; a running one is aborted first",
        body=Nothing,
        answers={200: _ONE},
        problems=(404, 409, 422),
        **CONTROL,
    ),
    Route(
        path="/api/v1/injections/<name>/settle",
        name="settle",
        summary="Close the case of an injection whose undo failed; somebody answers for what is left",
        body=SettleBody,
        answers={200: _ONE},
        problems=(404, 409, 422),
        **CONTROL,
    ),
    Route(
        path="/api/v1/recover",
        name="recover",
        summary="Take back everything that is ours and still there",
        body=Nothing,
        answers={200: answers.Recovered},
        problems=(409, 422),
        **CONTROL,
    ),
    Route(
        path="/api/v1/halt",
        name="halt",
        summary="Abort and undo everything; begin nothing new",
        body=ReasonBody,
        answers={200: answers.Halted},
        **CONTROL,
    ),
    Route(
        path="/api/v1/resume",
        name="resume",
        summary="Lift the halt",
        body=ReasonBody,
        answers={200: answers.Halted},
        **CONTROL,
    ),
)
BY_NAME = {route.name: route for route in TABLE}
ROUTES = Map([Rule(route.path, endpoint=route.name, methods=[route.method]) for route in TABLE])
