"""The pages: the status, one injection with its evidence, and what a person reads when something was refused."""

import threading
from collections.abc import Mapping
from functools import cached_property
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Request, Response

from daemon.core.access import Keyring
from daemon.faces import shapes
from daemon.faces.report import charts
from daemon.faces.report import words as report_words
from daemon.faces.serving.desk import Desk
from daemon.faces.web import view, words
from daemon.faces.web.past import Past, evidence, under_way

if TYPE_CHECKING:
    from jinja2 import Environment

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'"
)
FRESH_S = 1.0
PROGRAMS = ("/api/", "/-/", "/metrics", "/probe", "/ui/")
TONES = {**charts.TONES, "not yet": "mute"}


class Pages:
    """Renders with Jinja, everything escaped. Control is offered where some token of ``keyring`` may control."""

    def __init__(self, desk: Desk, keyring: Keyring) -> None:
        self._desk = desk
        self._keyring = keyring
        self._past = Past()
        self._lock = threading.Lock()
        self._drawn: tuple[int, float, str] | None = None

    def index(self, _: object, **__: object) -> Response:
        """Answer with the status page. Whoever asks while nothing has happened is shown what was drawn just now."""
        news = self._desk.news
        with self._lock:
            last, now_s = news.last, news.clock.instant().mono_s
            if self._drawn is None or self._drawn[0] != last or now_s - self._drawn[1] > FRESH_S:
                self._drawn = last, now_s, self._draw(last)
            return _page(self._drawn[2])

    def evidence(self, _: object, *, name: str, **__: object) -> Response:
        """Answer with one injection: what was done, what was seen, what was violated, how it was undone."""
        last = self._desk.news.last
        full = self._desk.journal.injection(name)
        if full is None:
            raise NotFound(f"no injection {name!r}")
        now = self._desk.news.clock.instant()
        document = evidence(full) if full.judgement else under_way(full, now)
        drawn = charts.shapes(charts.anatomy, {"experiments": [document]})
        text = self._render(
            "injection.html.j2", last=last, e=document, anatomy=drawn, over=full.judgement is not None
        )
        return _page(text)

    def style(self, _: object, **__: object) -> Response:
        report = files("daemon.faces.report").joinpath("templates", "style.css").read_text("utf-8")
        return Response(report + _static("status.css"), content_type="text/css; charset=utf-8")

    def script(self, _: object, **__: object) -> Response:
        return Response(_static("status.js"), content_type="text/javascript; charset=utf-8")

    def icon(self, _: object, **__: object) -> Response:
        return Response(_static("icon.svg"), content_type="image/svg+xml")

    def refusal(self, problem: Mapping[str, Any]) -> Response:
        """Answer a person in a browser who cannot be shown what was asked for, and say what to do."""
        text = self._render("problem.html.j2", last=self._desk.news.last, problem=problem)
        return _page(text, int(problem["status"]))

    def _draw(self, last: int) -> str:
        found = view.situation(self._desk, self._past)
        drawn = {"experiments": found["experiments"]}
        return self._render(
            "status.html.j2",
            last=last,
            **found,
            overview=charts.shapes(charts.overview, drawn),
            anatomy=charts.shapes(charts.anatomy, drawn),
            summary={"injections": len(found["experiments"])},
        )

    def _render(self, template: str, *, last: int, **content: Any) -> str:
        return self._environment.get_template(template).render(
            last_event=self._desk.news.name(last),
            drawn_at=shapes.stamp(self._desk.news.clock.instant().wall_s),
            version=self._desk.facts["version"],
            controls=self._keyring.controls,
            tones=TONES,
            words=report_words,
            say=words,
            **content,
        )

    @cached_property
    def _environment(self) -> "Environment":
        # Jinja is loaded when somebody looks: a daemon that nobody looks at does without.
        from daemon.faces.report.html import environment  # noqa: PLC0415

        return environment("daemon.faces.web", "daemon.faces.report")


def wanted(request: Request) -> bool:
    """Tell whether a person is to read the answer: a browser asks for a page of ours."""
    if request.method not in ("GET", "HEAD") or request.path.startswith(PROGRAMS):
        return False
    return request.accept_mimetypes.best_match(["application/problem+json", "text/html"]) == "text/html"


def _page(text: str, status: int = 200) -> Response:
    answer = Response(text, status=status, content_type="text/html; charset=utf-8")
    answer.headers["Content-Security-Policy"] = POLICY
    return answer


def _static(name: str) -> str:
    return files("daemon.faces.web").joinpath("static", name).read_text("utf-8")
