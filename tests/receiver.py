"""A real HTTP server on loopback that is told things: it fails, hangs, or listens, as its script says."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from typing import Any


@dataclass(frozen=True)
class Heard:
    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Receiver:
    """``script`` holds a status for each request, the last one for all later; ``hold`` keeps answers back."""

    script: list[int]
    heard: "Queue[Heard]" = field(default_factory=Queue)
    hold: threading.Event = field(default_factory=threading.Event)
    headers: dict[str, str] = field(default_factory=dict)
    address: str = ""

    def next(self) -> Heard:
        """Return the next request; waits, bounded."""
        return self.heard.get(timeout=100)


@contextmanager
def receiving(*script: int, hold: bool = False, **headers: str) -> Iterator[Receiver]:
    """Listen until the block ends."""
    receiver = Receiver(script=list(script) or [200], headers=headers)
    if not hold:
        receiver.hold.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            found = {name.lower(): value for name, value in self.headers.items()}
            status = receiver.script[0] if len(receiver.script) == 1 else receiver.script.pop(0)
            receiver.heard.put(Heard(self.command, self.path, found, json.loads(body)))
            receiver.hold.wait(100)
            answer = json.dumps({"id": 41, "message": "said"}).encode()
            self.send_response(status)
            for name, value in receiver.headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_PATCH = do_POST  # noqa: N815  the name http.server wants

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # who hung up on us meant to
    receiver.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield receiver
    finally:
        receiver.hold.set()
        server.shutdown()
        thread.join(30)
        server.server_close()
