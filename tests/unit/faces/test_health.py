"""Liveness: 503 for a part of the daemon that hangs, never because a target is ill."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from daemon.faces.cli.desk import health
from daemon.faces.cli.session import Session
from daemon.faces.client import Client
from daemon.faces.serving.reading import Reading


@pytest.mark.parametrize(
    ("ailing", "status", "text"),
    [
        ((), 200, b"chaosd is healthy\n"),
        (("the scheduler does not move", "undoing has taken 9 s"), 503, b"does not move; undoing has taken 9 s"),
    ],
)
def test_what_hangs_is_named(ailing: tuple[str, ...], status: int, text: bytes) -> None:
    desk: Any = SimpleNamespace(ailing=lambda: ailing)
    answer = Reading(desk).healthy(None)
    assert answer.status_code == status
    assert text in answer.get_data()


@contextmanager
def answering(path: Path, answer: bytes) -> Iterator[None]:
    """Answer every connection alike, until the end."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                connection.recv(1 << 16)
                connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        over.set()
        with socket.socket(socket.AF_UNIX) as last:
            last.connect(str(path))
        thread.join(30)
        listener.close()


HANGS = b"HTTP/1.0 503 Service Unavailable\r\nContent-Type: text/plain\r\n\r\nchaosd hangs: the scheduler\n"
WELL = b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nchaosd is healthy\n"


@pytest.mark.parametrize(
    ("answer", "code", "says"), [(HANGS, 1, "chaosd hangs: the scheduler"), (WELL, 0, "healthy")]
)
def test_the_command_says_why_and_a_daemon_that_hangs_is_still_one(
    tmp_path: Path, answer: bytes, code: int, says: str
) -> None:
    with answering(tmp_path / "control.sock", answer):
        session = Session(state_dir=tmp_path)
        done = CliRunner().invoke(health, [], obj=session, standalone_mode=False)
        assert Client.find(session.state.socket) is not None, "else a second engine would be begun beside it"
    assert done.return_value == code
    assert says in done.output
