"""The party that knows the truth: runs a tiny HTTP server and keeps it down for known times. chaosd never reads it.

``python party.py TRUTH LENGTH...``: prints the port, then brings the server back LENGTH seconds after each of its
deaths, writes one JSON line an outage to TRUTH, its private file, and prints ``up``. Ends when standard input is
closed. Standard library only.

* ``down_s``: the end of the server's process was seen (never before the port stopped answering);
* ``up_s``: taken by the new server between ``listen`` and its first answer, so no look begun after it can be
  refused and no answer comes before it. Both are CLOCK_MONOTONIC; ``down_wall_s`` is the epoch at ``down_s``.
"""

import json
import os
import select
import signal
import socketserver
import struct
import sys
import time  # noqa: TID251 - the known truth has a clock of its own
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler
from pathlib import Path

HOST = "127.0.0.1"
PORTS = range(20_000, 32_000)  # below the kernel's ephemeral ports: nobody takes ours while it is free
INSTANT = struct.Struct("d")


class Answer(BaseHTTPRequestHandler):
    timeout = 5  # nobody may hold up the only thread

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(socketserver.TCPServer):
    allow_reuse_address = True


def main(arguments: Sequence[str]) -> None:
    truth, lengths = Path(arguments[0]), [float(a) for a in arguments[1:]]
    port = _free_port()
    server, _ = _serve(port)
    _say(port)
    try:
        with truth.open("a") as book:
            for length_s in lengths:
                if not (end := _end_of(server)):
                    return
                server = None  # its pid may soon be another's
                down_s, down_wall_s, signalled = end
                if _hung_up(down_s + length_s - time.monotonic()):
                    return
                server, up_s = _serve(port)
                line = {"wished_s": length_s, "down_s": down_s, "down_wall_s": down_wall_s, "up_s": up_s}
                book.write(json.dumps({**line, "signal": signalled}) + "\n")
                book.flush()
                _say("up")
        _hung_up(None)
    finally:
        if server is not None:
            os.kill(server, signal.SIGKILL)
            os.waitpid(server, 0)


def _say(word: object) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def _free_port() -> int:
    for number in range(len(PORTS)):
        port = PORTS[(os.getpid() * 7 + number) % len(PORTS)]
        try:
            with Server((HOST, port), Answer):
                return port
        except OSError:
            continue
    raise SystemExit("no free port")


def _serve(port: int) -> tuple[int, float]:
    """Start the server in a process of its own; return its pid and the instant from which it answers."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            with Server((HOST, port), Answer) as server:
                os.write(writer, INSTANT.pack(time.monotonic()))  # it listens, and has answered nobody yet
                server.serve_forever()
        finally:
            os._exit(1)  # never back into the parent's code
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read(INSTANT.size)
    if not said:
        raise SystemExit(f"the server did not come up on port {port}")
    return pid, INSTANT.unpack(said)[0]


def _end_of(pid: int) -> tuple[float, float, int] | None:
    """Wait for the end of a process: both clocks, and the signal it died of; None when our starter hung up."""
    handle = os.pidfd_open(pid)
    try:
        ready, _, _ = select.select([handle, sys.stdin], [], [])
        if handle not in ready:
            return None
        seen_s, seen_wall_s = time.monotonic(), time.time()
        return seen_s, seen_wall_s, -os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    finally:
        os.close(handle)


def _hung_up(timeout_s: float | None) -> bool:
    """Wait for the end of the time, at most until our starter hangs up; tell whether it did."""
    ready, _, _ = select.select([sys.stdin], [], [], None if timeout_s is None else max(0.0, timeout_s))
    return bool(ready)


if __name__ == "__main__":
    main(sys.argv[1:])
