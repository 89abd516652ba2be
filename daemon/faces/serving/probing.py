"""``/probe``: one configured probe asked now, for a Prometheus that scrapes many targets through one exporter."""

import math
import threading
from collections.abc import Iterable

from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Request, Response

from daemon.core.calls import sends
from daemon.core.errors import UsageError
from daemon.faces import exposition
from daemon.faces.serving import problems
from daemon.faces.serving.bodies import ProbeQuery
from daemon.faces.serving.desk import Desk

TIMEOUT_HEADER = "X-Prometheus-Scrape-Timeout-Seconds"
TIMEOUT_S, TIMEOUT_MAX_S = 10.0, 60.0
SPARE_S = 0.5  # for the way back: an answer after the scrape has ended is none
LOOKS_MAX = 8  # at a time; each holds a thread of the server for as long as it is waited for
AGAIN_S = 5


class Probing:
    """Asks by configured names only, LOOKS_MAX at a time; the answer is a look like any other, counted as one."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._free = threading.BoundedSemaphore(LOOKS_MAX)

    def probe(self, asked: ProbeQuery, *, request: Request) -> Response:
        """Answer with a look, or 503 when as many are waited for already as may be."""
        self._check(asked)
        timeout_s = _timeout_s(request)
        if not self._free.acquire(blocking=False):
            hint = "spread the scrapes, or read /metrics, which has the latest look of every probe"
            detail = f"not asked: {LOOKS_MAX} looks are waited for already"
            full = problems.response(problems.plain(503, detail, request.path, hint=hint))
            full.headers["Retry-After"] = str(AGAIN_S)
            return full
        try:
            return self._look(asked, timeout_s, request)
        except KeyError:
            raise NotFound(f"{asked.target} has no probe {asked.module!r} any more: reloaded meanwhile") from None
        finally:
            self._free.release()

    def _look(self, asked: ProbeQuery, timeout_s: float, request: Request) -> Response:
        clock = self._desk.news.clock
        begun_s = clock.instant().mono_s
        seen = self._desk.look(asked.module, timeout_s)
        took_s = clock.instant().mono_s - begun_s
        body, content_type = exposition.look(seen, took_s, request.headers.get("Accept", ""))
        return Response(body, content_type=content_type)

    def _check(self, asked: ProbeQuery) -> None:
        settings = self._desk.settings()
        if asked.target not in settings.targets:
            raise NotFound(f"no target {asked.target!r}; configured: {_listed(settings.targets)}")
        kinds = {p.name: p.probe for p in settings.probes if p.target == asked.target}
        if asked.module not in kinds:
            raise NotFound(f"{asked.target} has no probe {asked.module!r}; configured: {_listed(kinds)}")
        if sends(self._desk.probes[kinds[asked.module]].calls):
            raise UsageError(
                f"not asked: {asked.module} sends a message at every look", hint="its latest look is in /metrics"
            )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def _timeout_s(request: Request) -> float:
    given = request.headers.get(TIMEOUT_HEADER)
    try:
        asked_s = TIMEOUT_S if given is None else float(given)
    except ValueError:
        asked_s = math.nan
    if not 0 < asked_s < math.inf:
        raise UsageError(f"the request does not fit: {TIMEOUT_HEADER} is {given!r}, not a number of seconds")
    return min(max(asked_s - SPARE_S, asked_s / 2), TIMEOUT_MAX_S)
