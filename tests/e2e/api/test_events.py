"""Server-sent events of a real daemon: told in order, resumed, and bounded in number."""

import json
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from daemon.faces.serving.streaming import STREAMS_MAX
from tests.e2e.api.conftest import CONTROL, READ, Running, call

EVENTS = "/api/v1/events"


class Stream:
    """One connection that reads events."""

    def __init__(self, connection: socket.socket) -> None:
        self._file = connection.makefile("r", encoding="utf-8", newline="\n")
        self.status = int(self._file.readline().split()[1])
        self.headers = dict(line.lower().split(": ", 1) for line in self._head())

    def _head(self) -> Iterator[str]:
        while line := self._file.readline().strip():
            yield line

    def events(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Yield id, name and data."""
        found: dict[str, str] = {}
        for line in self._file:
            name, colon, value = line.rstrip("\n").partition(": ")
            if colon:
                found[name] = value
            elif not name.strip() and "event" in found:
                yield found["id"], found["event"], json.loads(found["data"])
                found = {}


@contextmanager
def listening(running: Running, **headers: str) -> Iterator[Stream]:
    host, port = running.address.removeprefix("http://").split(":")
    words = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(f"GET {EVENTS} HTTP/1.1\r\nHost: localhost\r\n{words}\r\n".encode())
        yield Stream(connection)


def begin(running: Running) -> str:
    asked = {"fault": "git-lock", "target": "clone", "duration_s": 0}
    return str(json.loads(call(running, "POST", "/api/v1/injections", asked, token=CONTROL)[2])["id"])


def until_judged(stream: Stream, name: str) -> list[tuple[str, str]]:
    found = []
    for number, kind, facts in stream.events():
        if kind == "injection" and facts["injection"] == name:
            found.append((number, facts["event"]))
            if facts["event"] == "judged":
                return found
    raise AssertionError(f"the stream ended: {found}")


def test_what_happens_is_told_in_order_and_resumed_without_a_gap(daemon: Running) -> None:
    with listening(daemon) as stream:
        assert stream.status == 200
        assert stream.headers["content-type"] == "text/event-stream"
        name = begin(daemon)
        told = until_judged(stream, name)
    assert [word for _, word in told] == ["proposed", "planned", "injected", "reverted", "judged"]
    with listening(daemon, Last_Event_ID=told[1][0]) as stream:
        assert until_judged(stream, name) == told[2:]
    with listening(daemon, Last_Event_ID="nonsense") as stream:
        assert next(stream.events())[1] == "reset"


def watching(running: Running, held: ExitStack) -> Stream:
    """Open a stream once there is room: who has gone is noticed within a second or so, each."""
    for _ in range(600):
        with ExitStack() as tried:
            stream = tried.enter_context(listening(running))
            if stream.status == 200:
                held.push(tried.pop_all())
                return stream
        threading.Event().wait(0.05)
    raise AssertionError("no stream comes free")


def test_a_reload_is_told_whoever_asked_for_it(daemon: Running) -> None:
    with listening(daemon) as stream:
        told = (name for _, name, _ in stream.events() if name in {"reload", "halt"})
        daemon.process.send_signal(signal.SIGHUP)
        assert next(told) == "reload"
        call(daemon, "POST", "/-/reload", {}, token=CONTROL)
        call(daemon, "POST", "/api/v1/halt", {"reason": "the end"}, token=CONTROL)
        call(daemon, "POST", "/api/v1/resume", {"because": "the test is over"}, token=CONTROL)
        assert [next(told), next(told)] == ["reload", "halt"], "each once"


def test_watchers_are_bounded_and_keep_nobody_else_out(daemon: Running) -> None:
    with ExitStack() as held:
        for _ in range(STREAMS_MAX):
            watching(daemon, held)
        status, headers, text = call(daemon, "GET", EVENTS)
        assert (status, headers["Content-Type"]) == (503, "application/problem+json")
        assert {name.lower() for name in headers} >= {"retry-after"}
        assert json.loads(text)["detail"] == f"{STREAMS_MAX} clients watch already"
        assert call(daemon, "GET", "/-/healthy")[0] == 200
    with ExitStack() as again:
        watching(daemon, again)


def test_a_question_for_the_head_takes_no_stream(daemon: Running) -> None:
    for _ in range(STREAMS_MAX + 1):
        assert call(daemon, "HEAD", EVENTS)[0] == 200


def test_where_reading_is_closed_so_are_the_events(closed: Running) -> None:
    assert call(closed, "GET", EVENTS)[0] == 401
    with listening(closed, Authorization=f"Bearer {READ}") as stream:
        assert stream.status == 200
