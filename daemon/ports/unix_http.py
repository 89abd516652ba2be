"""One HTTP request over a Unix socket: HTTP/1.0 over a plain socket, written out.

The standard client brings the e-mail and TLS packages along, a fifth of what `chaosd status` costs in all
(docs/benchmarks.md).
"""

import json
import socket
from pathlib import Path

from daemon.ports.state import socket_name


def exchange(path: Path, verb: str, target: str, body: object = None, *, timeout_s: float) -> bytes:
    """Send one request and return the whole answer, head and body; raises OSError (TimeoutError) without one."""
    text = b"" if body is None else json.dumps(body).encode()
    head = f"{verb} {target} HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection, socket_name(path) as name:
        connection.settimeout(timeout_s)
        connection.connect(name)
        connection.sendall(f"{head}Content-Length: {len(text)}\r\n\r\n".encode() + text)
        return _read(connection)


def parts(answer: bytes) -> tuple[int, bytes, bytes]:
    """Return status, head and body of an HTTP/1.0 answer: it ends with the connection, and is never chunked.

    Raises ValueError when it was cut off before its head was there.
    """
    head, found, data = answer.partition(b"\r\n\r\n")
    words = head.split(b"\r\n")[0].split()
    if not found or len(words) < 2 or not words[1].isdigit():  # noqa: PLR2004  version and status
        raise ValueError("cut off")
    return int(words[1]), head, data


def _read(connection: socket.socket) -> bytes:
    pieces = []
    while piece := connection.recv(1 << 16):
        pieces.append(piece)
    return b"".join(pieces)
