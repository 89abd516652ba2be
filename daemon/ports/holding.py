"""A program of its own: hold files open, or answer badly on a port, until the time is over or SIGTERM comes.

Started by ``daemon.ports.marked`` as ``holding.py chaosd-holder MARK SECONDS WHAT ARGUMENT...``. Standard library
only, and nothing of chaosd's: it starts in a few milliseconds and outlives whoever started it.
"""

import contextlib
import os
import select
import signal
import socket
import struct
import sys
from pathlib import Path

_PAGE = b"<html><body>please log in</body></html>"
_SAID = {
    "401": b'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm="git"\r\n',
    "403": b"HTTP/1.1 403 Forbidden\r\n",
    "404": b"HTTP/1.1 404 Not Found\r\n",
    "429": b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 60\r\n",
    "503": b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 60\r\n",
    "html": b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n",
    "redirect": b"HTTP/1.1 302 Found\r\n",
}


def main(arguments: list[str]) -> None:
    """Hold, say ``ready`` on standard output, and wait."""
    _, _, seconds, what, *rest = arguments
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    signal.setitimer(signal.ITIMER_REAL, float(seconds))  # SIGALRM ends us
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    if what == "files":
        kept = [os.open(path, os.O_RDONLY | os.O_CLOEXEC) for path in rest]
        _ready()
        while kept:
            signal.pause()
    _serve(what, int(rest[0]))


def _ready() -> None:
    os.write(1, b"ready\n")
    os.close(1)


def _serve(what: str, port: int) -> None:
    with socket.create_server(("127.0.0.1", port)) as server:
        _ready()
        open_ones: list[socket.socket] = []
        while True:
            select.select([server], [], [])
            connection, _ = server.accept()
            if what == "hang":
                open_ones.append(connection)
                continue
            with connection, contextlib.suppress(OSError):
                _answer(connection, what, port)


def _answer(connection: socket.socket, what: str, port: int) -> None:
    if what == "reset":
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return
    connection.settimeout(5)
    connection.recv(65536)
    if what == "empty":
        return
    head = _SAID[what]
    if what == "redirect":
        head += b"Location: http://127.0.0.1:%d/again/info/refs?service=git-upload-pack\r\n" % port
    body = _PAGE if what == "html" else b"no\n"
    connection.sendall(head + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)


if __name__ == "__main__":
    sys.path[:] = [part for part in sys.path if part != str(Path(__file__).parent)]
    main(sys.argv[1:])
