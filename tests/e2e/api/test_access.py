"""Who may: by token, by scope, by peer, by host and origin; and what is written down about it."""

import json
import os
import socket
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from daemon.faces.client import Client
from tests.e2e.api.conftest import CHAOSD, CONTROL, CREDENTIAL, READ, Running, audit, begin, call, write_secret

HALT, RESUME, STATUS = "/api/v1/halt", "/api/v1/resume", "/api/v1/status"


@pytest.mark.parametrize("token", [CONTROL, CREDENTIAL])
def test_a_control_token_controls_and_is_named_in_the_audit_log(daemon: Running, token: str) -> None:
    assert call(daemon, "POST", HALT, {"reason": f"by {len(token)}"}, token=token)[0] == 200
    last = audit(daemon)[-1]
    assert last["who"] == {
        "kind": "token",
        "name": "ops" if token == CONTROL else "unit",
        "uid": None,
        "address": "127.0.0.1",
    }
    assert (last["verb"], last["object"], last["outcome"]) == ("halt", f"by {len(token)}", "accepted")
    assert call(daemon, "POST", RESUME, {"because": "over"}, token=token)[0] == 200


@pytest.mark.parametrize(
    ("token", "status"),
    [(None, 401), ("", 401), ("wrong", 401), (CONTROL[:-1], 401), (CONTROL + "x", 401), (READ, 403)],
)
def test_nobody_else_controls(daemon: Running, token: str | None, status: int) -> None:
    found, headers, text = call(daemon, "POST", HALT, {"reason": "no"}, token=token)
    assert found == status
    assert json.loads(text)["rule"] == ("scope" if status == 403 else "token")
    assert ("www-authenticate" in {name.lower() for name in headers}) is (status == 401)
    assert json.loads(call(daemon, "GET", STATUS)[2])["daemon"]["halted"] is None
    last = audit(daemon)[-1]
    assert (last["outcome"], last["verb"], last["who"]["kind"]) == (
        "refused",
        "halt",
        "token" if status == 403 else "anonymous",
    )


def test_other_schemes_than_bearer_are_no_token(daemon: Running) -> None:
    assert call(daemon, "POST", HALT, {}, Authorization=f"Basic {CONTROL}")[0] == 401
    assert call(daemon, "POST", HALT, {}, Authorization=CONTROL)[0] == 401


def test_reading_is_closed_when_the_file_says_so_except_for_health(closed: Running) -> None:
    for path in ("/metrics", STATUS, "/api/v1/openapi.json", "/api/v1/injections"):
        assert call(closed, "GET", path)[0] == 401
        assert call(closed, "GET", path, token=READ)[0] == 200
        assert call(closed, "GET", path, token=CONTROL)[0] == 200
    assert call(closed, "GET", "/-/healthy")[0] == 200
    assert call(closed, "GET", "/-/ready")[0] == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": "application/x-www-form-urlencoded"}, 415),
        ({"Host": "evil.example"}, 403),
        ({"Host": "evil.example:80@127.0.0.1"}, 403),
        ({"Sec_Fetch_Site": "same-origin"}, 200),
        ({"Host": "chaosd.test:1"}, 200),
        ({"Host": "[::1]:1"}, 200),
    ],
)
def test_a_page_in_a_browser_cannot_control_though_it_had_the_token(
    daemon: Running, headers: dict[str, str], status: int
) -> None:
    assert call(daemon, "POST", RESUME, {"because": "x"}, token=CONTROL, **headers)[0] == status


def test_a_page_of_our_own_may(daemon: Running) -> None:
    assert call(daemon, "POST", RESUME, {"because": "x"}, token=CONTROL, Origin=daemon.address)[0] == 200


def test_every_answer_tells_a_browser_to_trust_nothing(daemon: Running) -> None:
    for path in (STATUS, "/metrics", "/nowhere", "/-/healthy"):
        headers = call(daemon, "GET", path)[1]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "Access-Control-Allow-Origin" not in headers


def test_the_socket_s_peer_is_known_by_the_kernel_and_not_by_what_it_claims(daemon: Running) -> None:
    client = Client(daemon.state / "control.sock")
    client.call("POST", RESUME, {"because": "peer"})
    assert audit(daemon)[-1]["who"]["uid"] == os.getuid()
    asked = {"fault": "git-lock", "target": "clone", "duration_s": 0, "by": "mallory"}
    name = client.call("POST", "/api/v1/injections", asked)["id"]
    found = client.call("GET", f"/api/v1/injections/{name}?wait=25")
    assert found["injection"]["by"] == f"mallory ({audit(daemon)[-1]['who']['name']})"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a second user")
def test_another_user_is_refused_though_the_socket_s_mode_let_him_in(daemon: Running) -> None:
    path = daemon.state / "control.sock"
    words = f"""
import os, socket
s = socket.socket(socket.AF_UNIX)
os.chdir({str(daemon.state)!r})
os.setuid(65534)
s.connect("control.sock")
s.sendall(b"GET {STATUS} HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n")
print(s.recv(4096).decode())
"""
    path.chmod(0o777)
    daemon.state.chmod(0o755)
    try:
        done = subprocess.run(["python3", "-c", words], capture_output=True, text=True, check=True)
    finally:
        path.chmod(0o600)
        daemon.state.chmod(0o700)
    assert "403" in done.stdout.splitlines()[0]
    assert audit(daemon)[-1]["rule"] == "peer"


def test_strangers_cannot_flood_the_audit_log(daemon: Running) -> None:
    before = len(audit(daemon))
    for _ in range(100):
        call(daemon, "POST", HALT, {})
    assert len(audit(daemon)) - before < 60


def test_the_audit_log_is_shown(daemon: Running) -> None:
    done = subprocess.run(
        [CHAOSD, "--state-dir", str(daemon.state), "audit", "--refused", "-o", "json"],
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)["audit"]
    assert found
    assert {entry["outcome"] for entry in found} == {"refused"}
    text = subprocess.run(
        [CHAOSD, "--state-dir", str(daemon.state), "audit"], capture_output=True, text=True, check=True
    ).stdout
    assert "refused" in text


def test_nothing_it_writes_can_be_read_by_others_and_no_secret_is_in_it(daemon: Running) -> None:
    call(daemon, "POST", HALT, {"reason": "clone of https://bot:hunter2@git.example.com/x failed"}, token=CONTROL)
    call(daemon, "POST", RESUME, {"because": "x"}, token=CONTROL)
    for path in (daemon.state, *daemon.state.rglob("*")):
        assert stat.S_IMODE(path.lstat().st_mode) & 0o077 == 0, path
    written = [p.read_bytes() for p in (daemon.log, *daemon.state.rglob("*")) if p.is_file()]
    said = call(daemon, "GET", "/metrics")[2] + call(daemon, "GET", STATUS)[2]
    for secret in (READ, CONTROL, CREDENTIAL, "hunter2"):
        assert all(secret.encode() not in content for content in (*written, said.encode()))


# --- at the start ----------------------------------------------------------------------------------------


def _mode(directory: Path) -> None:
    (directory / "control").chmod(0o640)


def _short(directory: Path) -> None:
    write_secret(directory / "control", "short")


def _same(directory: Path) -> None:
    write_secret(directory / "control", READ)


def _two_words(directory: Path) -> None:
    write_secret(directory / "control", f"{READ} {CONTROL}")


def _absent(directory: Path) -> None:
    (directory / "control").unlink()


def _fifo(directory: Path) -> None:
    _absent(directory)
    os.mkfifo(directory / "control", 0o600)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_mode, "has mode 0640, so others could read it"),
        (_short, "holds no token"),
        (_same, "is the same as 'grafana'"),
        (_two_words, "holds no token"),
        (_absent, "cannot be read: No such file"),
        (_fifo, "is no regular file"),
    ],
)
def test_a_token_that_cannot_be_used_stops_the_start(
    tmp_path: Path, spoil: Callable[[Path], Any], says: str
) -> None:
    assert says in refused_start(tmp_path, spoil)


@pytest.mark.parametrize("mode", [0o770, 0o702])
def test_a_state_directory_others_could_write_to_stops_the_start(tmp_path: Path, mode: int) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(mode)
    assert "others may write to the state directory" in refused_start(tmp_path, lambda _: None, code=77)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a second user")
def test_a_state_directory_of_somebody_else_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    os.chown(tmp_path / "state", 65534, 65534)
    assert "belongs to uid 65534" in refused_start(tmp_path, lambda _: None, code=77)


def refused_start(directory: Path, spoil: Callable[[Path], Any], code: int = 78) -> str:
    (directory / "clone").mkdir()
    for name, secret in (("read", READ), ("control", CONTROL)):
        write_secret(directory / name, secret)
    first = begin(directory)
    first.kill()  # it wrote what follows; the second start meets what is spoilt
    first.wait()
    spoil(directory)
    done = subprocess.run(
        [CHAOSD, "-c", str(directory / "chaosd.yaml"), "--state-dir", str(directory / "state"), "run"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "CREDENTIALS_DIRECTORY": str(directory / "credentials")},
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_client_that_says_nothing_does_not_keep_others_out(daemon: Running) -> None:
    host, port = daemon.address.removeprefix("http://").split(":")
    idle = [socket.create_connection((host, int(port))) for _ in range(20)]
    try:
        assert call(daemon, "GET", "/-/healthy")[0] == 200
    finally:
        for one in idle:
            one.close()
