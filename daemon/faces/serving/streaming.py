"""Server-sent events. Every watcher holds a thread of the server: their number, time and share are bounded.

A stream ends after STREAM_S or NOTICES_MAX; who comes back with ``Last-Event-ID`` misses nothing. What a client
that has stopped reading can cost is a thread for that long, and NOTICES_MAX notices in a buffer.
"""

import json
import threading
from collections.abc import Callable, Iterator

from werkzeug.wrappers import Request, Response

from daemon.faces.serving import problems
from daemon.faces.serving.news import News

STREAMS_MAX = 6
STREAM_S = 300.0
NOTICES_MAX = 1000
HEARTBEAT_S = 15.0
WAIT_S = 1.0  # how soon a client that went away is noticed
RETRY_MS = 1000
MEDIA = "text/event-stream"


class Streams:
    """Lends streams of news, STREAMS_MAX at a time."""

    def __init__(self, news: News) -> None:
        self._news = news
        self._free = threading.BoundedSemaphore(STREAMS_MAX)

    def events(self, _: object, *, request: Request) -> Response:
        """Answer with a stream, or 503 when all are taken: then a client asks again and again instead."""
        if request.method == "HEAD":
            return Response(content_type=MEDIA)
        if not self._free.acquire(blocking=False):
            detail = f"{STREAMS_MAX} clients watch already"
            full = problems.response(problems.plain(503, detail, request.path, hint="ask /api/v1/status instead"))
            full.headers["Retry-After"] = "30"
            return full
        gone: Callable[[], bool] = request.environ.get("waitress.client_disconnected", lambda: False)
        answer = Response(self._tell(request.headers.get("Last-Event-ID"), gone), content_type=MEDIA)
        answer.call_on_close(self._free.release)
        answer.headers["X-Accel-Buffering"] = "no"  # nginx would keep it back
        return answer

    def _tell(self, last: str | None, gone: Callable[[], bool]) -> Iterator[bytes]:
        news = self._news
        place = news.last if last is None else news.place(last)
        begun_s = spoke_s = now_s = news.clock.instant().mono_s
        told = 0
        yield f"retry: {RETRY_MS}\n\n".encode()
        if place is None:  # of another life, or of nobody
            place = news.last
            yield _message("reset", news.name(place), {})
        while told < NOTICES_MAX and now_s - begun_s < STREAM_S and not news.closed and not gone():
            found, lost = news.since(place, WAIT_S)
            now_s = news.clock.instant().mono_s
            if lost:
                yield _message("reset", news.name(found[0].number - 1 if found else news.last), {})
            for notice in found:
                yield _message(notice.name, news.name(notice.number), notice.facts)
                place, told = notice.number, told + 1
            if found:
                spoke_s = now_s
            elif now_s - spoke_s >= HEARTBEAT_S:
                spoke_s = now_s
                yield b": still here\n\n"


def _message(name: str, number: str, facts: object) -> bytes:
    return f"id: {number}\nevent: {name}\ndata: {json.dumps(facts)}\n\n".encode()
