"""The verbs that only look."""

import json
import threading
from collections.abc import Sequence
from urllib.parse import urlencode

from werkzeug.wrappers import Request, Response

from daemon.core.errors import UsageError
from daemon.core.events import Injection
from daemon.faces import shapes
from daemon.faces.serving import problems
from daemon.faces.serving.bodies import InjectionsQuery, WaitQuery
from daemon.faces.serving.desk import Desk
from daemon.faces.serving.openapi import document

WAITS_MAX = 6  # at a time; each holds a thread of the server for as long as it waits


class Reading:
    """Answers from the journal, the prober and the schedule; changes nothing."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._waits = threading.BoundedSemaphore(WAITS_MAX)

    def metrics(self, _: object, *, request: Request) -> Response:
        body, content_type = self._desk.metrics.render(request.headers.get("Accept", ""))
        return Response(body, content_type=content_type)

    def healthy(self, _: object, **__: object) -> Response:
        """Answer 503 where a part of the daemon itself hangs, as the watchdog is; never for what a target is."""
        ailing = self._desk.ailing()
        if ailing:
            return Response(f"chaosd hangs: {'; '.join(ailing)}\n", status=503)
        return Response("chaosd is healthy\n")

    def ready(self, _: object, **__: object) -> Response:
        ready = self._desk.ready.is_set()
        return Response("ready\n" if ready else "starting\n", status=200 if ready else 503)

    def status(self, _: object, **__: object) -> Response:
        desk = self._desk
        return as_json(
            shapes.document(
                daemon={**desk.facts, "halted": desk.control.halted},
                active=shapes.injections(desk.journal.running()),
                outstanding=shapes.injections(desk.journal.outstanding()),
                runs=shapes.scenario_runs(desk.journal.scenarios.open_runs()),
                observations=[shapes.observation(o) for _, o in sorted(desk.latest().items())],
                next=[{"experiment": n, "at": shapes.stamp(s)} for n, s in sorted(desk.next_times().items())],
            )
        )

    def faults(self, _: object, **__: object) -> Response:
        found = sorted(self._desk.faults.items())
        return as_json(shapes.document(faults=[shapes.fault(kind) for _, kind in found]))

    def experiments(self, _: object, **__: object) -> Response:
        due = self._desk.next_times()
        found = self._desk.settings().experiments
        return as_json(shapes.document(experiments=[shapes.experiment(e, due.get(e.name)) for e in found]))

    def observations(self, _: object, **__: object) -> Response:
        latest = sorted(self._desk.latest().items())
        return as_json(shapes.document(observations=[shapes.observation(o) for _, o in latest]))

    def openapi(self, _: object, **__: object) -> Response:
        return as_json(document(str(self._desk.facts["version"])))

    def injections(self, asked: InjectionsQuery, *, request: Request) -> Response:
        """Answer one page, newest first. What comes later stands before it: it moves nothing on the pages after."""
        journal = self._desk.journal
        if asked.after and journal.injection(asked.after) is None:
            raise UsageError(f"the query does not fit: after names no injection: {asked.after!r}")
        found = journal.recent(since_s=asked.since_s, most=asked.limit + 1, before=asked.after)[::-1]
        page, more = found[: asked.limit], len(found) > asked.limit
        following = _following(request.path, page, asked) if more else None
        answer = as_json(shapes.document(injections=shapes.injections(page), next=following))
        if following is not None:
            answer.headers["Link"] = f'<{following}>; rel="next"'
        return answer

    def injection(self, asked: WaitQuery, *, request: Request, name: str) -> Response:
        """Answer with one, waiting for its verdict; at once when as many wait already as may."""
        run = self._desk.runs.get(name)
        if run is not None and self._done(run.done, asked.wait):
            self._desk.runs.pop(name, None)
            return as_json(shapes.document(**shapes.injection(run.outcome())))
        found = self._desk.journal.injection(name)
        if found is not None:
            return as_json(shapes.document(**shapes.injection(found)))
        if run is not None:
            return as_json(shapes.document(injection={"id": name, "state": "proposed"}, verdict=None), 202)
        return unknown(name, request.path)

    def _done(self, done: threading.Event, wait_s: float) -> bool:
        if done.is_set() or wait_s <= 0 or not self._waits.acquire(blocking=False):
            return done.is_set()
        try:
            return done.wait(wait_s)
        finally:
            self._waits.release()


def _following(path: str, page: Sequence[Injection], asked: InjectionsQuery) -> str:
    query: dict[str, object] = {"limit": asked.limit, "after": page[-1].plan.injection}
    return f"{path}?{urlencode(query | ({'since_s': asked.since_s} if asked.since_s else {}))}"


def as_json(content: object, status: int = 200) -> Response:
    """Return plain data as an answer."""
    return Response(json.dumps(content), status=status, content_type="application/json")


def unknown(name: str, path: str) -> Response:
    """Return that there is no such injection."""
    hint = "`chaosd history` and GET /api/v1/injections list them"
    return problems.response(problems.plain(404, f"no injection {name!r}", path, hint=hint, exit_code=2))
