"""The notify protocol, against a socket like systemd's."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.ports.supervisor import Supervisor


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    name = str(tmp_path / "notify") if request.param == "path" else f"@chaosd-test-{tmp_path}"[:100]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(name.replace("@", "\0", 1))
        listening.settimeout(5)
        yield listening, name


def test_each_message_is_one_datagram_in_systemd_s_words(systemd: tuple[socket.socket, str]) -> None:
    listening, name = systemd
    supervisor = Supervisor({"NOTIFY_SOCKET": name})
    supervisor.ready("two\nlines")
    assert listening.recv(4096) == b"READY=1\nSTATUS=two lines"
    supervisor.reloading()
    first, second = listening.recv(4096).split(b"\n")
    assert first == b"RELOADING=1"
    assert second.startswith(b"MONOTONIC_USEC=")
    assert int(second.partition(b"=")[2]) > 0
    supervisor.alive()
    assert listening.recv(4096) == b"WATCHDOG=1"
    supervisor.extend(90.5)
    assert listening.recv(4096) == b"EXTEND_TIMEOUT_USEC=90500000"
    supervisor.stopping("SIGTERM received")
    assert listening.recv(4096) == b"STOPPING=1\nSTATUS=SIGTERM received"


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({"WATCHDOG_USEC": "3000000"}, 3.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "7"}, 3.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_waits_for_the_process_it_names(environment: dict[str, str], found: float | None) -> None:
    assert Supervisor({"NOTIFY_SOCKET": "/run/x", **environment}, pid=7).watchdog_s == found
    assert Supervisor(environment, pid=7).watchdog_s is None, "nobody listens"


@pytest.mark.parametrize("name", ["", "@", "vsock:2:1", "relative", "/nowhere/at/all", "/" + "x" * 300])
def test_where_nobody_listens_nothing_happens(name: str) -> None:
    Supervisor({"NOTIFY_SOCKET": name}).ready("fine")


def test_a_socket_that_takes_no_more_is_not_waited_for(systemd: tuple[socket.socket, str]) -> None:
    _, name = systemd
    supervisor = Supervisor({"NOTIFY_SOCKET": name})
    for _ in range(2000):
        supervisor.status("x" * 900)
