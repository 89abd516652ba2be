"""The web client and the command runner against real servers and processes: bounded, honest, nothing left."""

import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from daemon.core.errors import TargetAbsentError, UnreachableError, UsageError
from daemon.ports.clock import SystemClock
from daemon.ports.local import LocalCommands, LocalHttp
from daemon.ports.processes import LocalProcesses

CLOCK = SystemClock()
HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


@contextmanager
def serving(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """Serve one connection with ``answer`` and yield the address."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            try:
                connection.recv(65536)
                answer(connection)
            except OSError:
                return

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(20)


def says(text: bytes) -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(text)


def drips(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b".")
        CLOCK.wait(None, 0.02)


def test_returns_status_and_body() -> None:
    with serving(says(HELLO)) as url:
        assert LocalHttp().get(url, timeout_s=5) == (200, b"hello")


@pytest.mark.parametrize("status", [301, 404, 503])
def test_other_answers_are_answers_and_redirects_are_not_followed(status: int) -> None:
    text = f"HTTP/1.1 {status} X\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n".encode()
    with serving(says(text)) as url:
        assert LocalHttp().get(url, timeout_s=5) == (status, b"")


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with serving(says(HELLO)) as url:
        assert LocalHttp().get(url, timeout_s=5)[0] == 200


def test_a_dripping_server_is_cut_off_at_the_timeout() -> None:
    began = CLOCK.instant().mono_s
    with serving(drips) as url, pytest.raises(UnreachableError, match=r"no complete answer within 0\.3 s"):
        LocalHttp().get(url, timeout_s=0.3)
    assert CLOCK.instant().mono_s - began < 5


def test_a_silent_server_is_unreachable() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    with listener, pytest.raises(UnreachableError, match=r"within 0\.2 s"):
        LocalHttp().get(f"http://127.0.0.1:{listener.getsockname()[1]}", timeout_s=0.2)


def test_nobody_listening_and_nonsense_are_unreachable() -> None:
    with pytest.raises(UnreachableError, match="no answer"):
        LocalHttp().get("http://127.0.0.1:1/", timeout_s=1)
    with serving(says(b"nonsense\r\n\r\n")) as url, pytest.raises(UnreachableError):
        LocalHttp().get(url, timeout_s=5)


def test_a_truncated_body_is_no_answer() -> None:
    short = b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello"
    with serving(says(short)) as url, pytest.raises(UnreachableError):
        LocalHttp().get(url, timeout_s=5)


def test_a_body_is_read_to_one_mebibyte_only() -> None:
    with serving(says(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (3 << 20))) as url:
        assert len(LocalHttp().get(url, timeout_s=10)[1]) == 1 << 20


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://h/", "h", "", "http://", "http://h:x/", "http://[", "http://h/ a", "http://h/\n"],
)
def test_only_http_and_https_addresses_are_asked(url: str) -> None:
    with pytest.raises(UsageError, match="not requested"):
        LocalHttp().get(url, timeout_s=1)


def python(program: str, timeout_s: float = 20.0) -> tuple[int, str, str]:
    end = LocalCommands(CLOCK).run((sys.executable, "-c", program), timeout_s=timeout_s)
    return end.code, end.out, end.err


def test_a_command_gives_code_and_both_streams() -> None:
    program = "import sys; print('o'); print('e', file=sys.stderr); sys.exit(3)"
    assert python(program) == (3, "o\n", "e\n")


def test_a_command_gets_no_secrets_and_no_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    assert "secret" not in python("import os; print(dict(os.environ))")[1]
    assert LocalCommands(CLOCK).run(("echo", "$HOME; ls"), timeout_s=20).out == "$HOME; ls\n"


def test_a_command_that_cannot_start_is_absent() -> None:
    with pytest.raises(TargetAbsentError, match="cannot be started"):
        LocalCommands(CLOCK).run(("/nonexistent/command",), timeout_s=1)
    with pytest.raises(UsageError):
        LocalCommands(CLOCK).run((), timeout_s=1)


def test_a_command_that_does_not_end_is_killed_with_its_children(tmp_path: object) -> None:
    mark = f"left-behind-{tmp_path}"
    program = (
        "import subprocess, sys, time;"
        f"subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)', {mark!r}]); time.sleep(600)"
    )
    with pytest.raises(UnreachableError, match="did not end within 1 s"):
        python(program, timeout_s=1)
    for _ in range(200):  # the killed grandchild is reaped by init, soon
        if not LocalProcesses().find(match=mark):
            return
        CLOCK.wait(None, 0.02)
    pytest.fail("the grandchild still runs")


def test_a_child_left_behind_is_ended_and_holds_nobody_up(tmp_path: object) -> None:
    mark = f"left-behind-{tmp_path}"
    child = f"[sys.executable, '-c', 'import time; time.sleep(600)', {mark!r}]"
    assert python(f"import subprocess, sys; subprocess.Popen({child}); print('done')") == (0, "done\n", "")
    for _ in range(200):
        if not LocalProcesses().find(match=mark):
            return
        CLOCK.wait(None, 0.02)
    pytest.fail("the child still runs")


def test_a_child_with_a_session_of_its_own_holds_nobody_up() -> None:
    child = "[sys.executable, '-c', 'import time; time.sleep(3)'], start_new_session=True"
    began_s = CLOCK.instant().mono_s
    assert python(f"import subprocess, sys; subprocess.Popen({child}); print('done')")[:2] == (0, "done\n")
    assert CLOCK.instant().mono_s - began_s < 2.5


def test_a_command_gets_its_directory_its_variables_and_its_input(tmp_path: Path) -> None:
    program = "import os, sys; print(os.getcwd(), os.environ['NAME'], sys.stdin.read())"
    end = LocalCommands(CLOCK).run(
        (sys.executable, "-c", program),
        timeout_s=20,
        directory=str(tmp_path),
        environment={"NAME": "value"},
        stdin="gr\u00fc\u00dfe",
    )
    assert end.out == f"{tmp_path.resolve()} value gr\u00fc\u00dfe\n"


def test_input_that_nobody_reads_holds_nobody_up() -> None:
    end = LocalCommands(CLOCK).run(("true",), timeout_s=20, stdin="x" * (1 << 20))
    assert end.code == 0


def test_a_flood_of_output_is_dropped_not_kept() -> None:
    code, out, _ = python("import sys; sys.stdout.write('x' * (5 << 20))")
    assert (code, len(out)) == (0, 1 << 20)


def test_what_a_command_prints_need_not_be_text() -> None:
    assert python("import sys; sys.stdout.buffer.write(bytes([255]))")[1] == "\ufffd"
