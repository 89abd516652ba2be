"""SIGHUP: another configuration as a whole or not at all, and what is under way ends under the old one."""

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from daemon.faces.client import Client
from tests.e2e.daemon.test_daemon import CHAOSD, await_event, get, post
from tests.e2e.git.tree import changed, look, make_repository
from tests.receiver import receiving

CONFIG = """
version: 1
targets:
  clone: {{repository: {{worktree: {repository}}}, limits: {{recover: 20s}}}}
probes:
  - {{name: {probe}, probe: git-health, target: clone, every: 1s}}
steady_state: {{clone: [{probe}]}}
experiments:
  - {{name: {experiment}, fault: git-lock, target: clone, every: 1h, for: 1s, set: {{mode: head-lock}}}}
guard: {{max_active: {active}}}
sampling: {{stable_for: 200ms}}
api: {{listen: "127.0.0.1:{port}", token_file: {token}}}
{more}
"""
NOTIFY = "notify: [{{name: them, kind: webhook, {url}, on: [injected], timeout: 50s}}]"


@dataclass
class Running:
    process: subprocess.Popen[bytes]
    address: str
    directory: Path
    seen: int = 0

    @property
    def log(self) -> Path:
        return self.directory / "log"

    @property
    def client(self) -> Client:
        return Client(self.directory / "state" / "control.sock")

    def write(self, text: str | None = None, **given: object) -> None:
        words = {"probe": "health", "experiment": "lock", "active": 1, "port": 0, "more": ""}
        places = {"repository": self.directory / "clone", "token": self.directory / "token"}
        filled = CONFIG.format(**{**words, **places, **given})
        (self.directory / "chaosd.yaml").write_text(filled if text is None else text)

    def reload(self, event: str) -> dict[str, object]:
        """Send SIGHUP and return the log's answer to exactly this one."""
        self.process.send_signal(signal.SIGHUP)
        self.seen += 1
        return await_event(Numbered(self.log, self.seen), event, self.process)  # type: ignore[arg-type]

    def metric(self, line: str) -> float | None:
        found = [x for x in get(self.address + "/metrics")[1].splitlines() if x.startswith(line + " ")]
        return float(found[0].rpartition(" ")[2]) if found else None


@dataclass
class Numbered:
    """A log from its n-th answer to a SIGHUP on."""

    log: Path
    number: int

    def read_text(self) -> str:
        lines = self.log.read_text().splitlines()
        answers = [i for i, x in enumerate(lines) if '"config.refused"' in x or '"config.reloaded"' in x]
        return "\n".join(lines[answers[self.number - 1] :]) if len(answers) >= self.number else ""


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Running]:
    make_repository(tmp_path / "clone")
    (tmp_path / "token").write_text("one-token-of-the-test\n")
    (tmp_path / "token").chmod(0o600)
    running = Running(None, "", tmp_path)  # type: ignore[arg-type]
    running.write()
    with running.log.open("w") as err:
        words = [CHAOSD, "-c", str(tmp_path / "chaosd.yaml"), "--state-dir", str(tmp_path / "state"), "run"]
        running.process = subprocess.Popen(words, stderr=err, start_new_session=True)
    try:
        running.address = await_event(running.log, "daemon.started", running.process)["listen"]  # type: ignore[arg-type]
        yield running
    finally:
        running.process.kill()
        running.process.wait()


def test_a_reload_takes_the_whole_new_configuration(daemon: Running) -> None:
    (daemon.directory / "token").write_text("another-token-of-the-test\n")
    daemon.write(probe="fitness", experiment="unlock", active=7)
    assert daemon.reload("config.reloaded")["experiments"] == 1
    status = daemon.client.call("GET", "/api/v1/status")
    assert [n["experiment"] for n in status["next"]] == ["unlock"]
    await_event(daemon.log, "probe.changed", daemon.process, probe="fitness", status="ok")
    assert {o["probe"] for o in daemon.client.call("GET", "/api/v1/observations")["observations"]} == {"fitness"}
    assert daemon.metric('chaosd_probe_success{probe="health",target="clone"}') is None
    assert daemon.metric('chaosd_probe_success{probe="fitness",target="clone"}') == 1
    assert daemon.metric('chaosd_next_experiment_timestamp_seconds{experiment="lock"}') is None
    assert daemon.metric("chaosd_config_last_reload_successful") == 1
    halt = daemon.address + "/api/v1/recover"
    assert post(halt, {}, Authorization="Bearer one-token-of-the-test")[0] == 401
    assert post(halt, {}, Authorization="Bearer another-token-of-the-test")[0] == 200


def test_a_reload_tells_others_from_then_on(daemon: Running) -> None:
    with receiving() as them:
        daemon.write(more=NOTIFY.format(url=f"url: {them.address}"))
        daemon.reload("config.reloaded")
        assert daemon.metric('chaosd_notifications_total{destination="them",outcome="delivered"}') == 0
        asked = {"fault": "git-lock", "target": "clone", "duration_s": 0}
        name = daemon.client.call("POST", "/api/v1/injections", asked)["id"]
        assert them.next().body["id"] == f"{name}/injected"


MISSPELLED = "{name: a, fault: git-lock, target: clone, cron: '0 3 * * *', timezone: Europe/Berlinn}"
REFUSED: list[tuple[dict[str, object], str]] = [
    ({"text": "version: 1\ntargets: {clone: {repositry: 1}}\nnonsense: 2\n"}, "unknown key"),
    ({"text": f"version: 1\nexperiments: [{MISSPELLED}]\n"}, "'Europe/Berlinn' is no time zone; did you mean"),
    ({"port": 1}, "api: its sockets are open already"),
    ({"token": "/nowhere/token"}, "/nowhere/token cannot be read"),
    ({"more": NOTIFY.format(url="url_file: /nowhere/url")}, "them: /nowhere/url cannot be read"),
]


def test_what_cannot_be_taken_leaves_everything_as_it_was(daemon: Running) -> None:
    taken = daemon.metric("chaosd_config_last_reload_success_timestamp_seconds")
    assert taken
    for given, said in REFUSED:
        daemon.write(**{"probe": "fitness", "experiment": "unlock", **given})  # type: ignore[arg-type]
        error = str(daemon.reload("config.refused")["error"])
        assert error.startswith("not reloaded, the old configuration stays in force: ")
        assert said in error
        assert "nothing was started" not in error
        status = daemon.client.call("GET", "/api/v1/status")
        assert [n["experiment"] for n in status["next"]] == ["lock"]
        assert {o["probe"] for o in status["observations"]} <= {"health"}
        assert daemon.metric("chaosd_config_last_reload_successful") == 0
        assert daemon.metric("chaosd_config_last_reload_success_timestamp_seconds") == taken
    daemon.write(experiment="unlock")
    daemon.reload("config.reloaded")
    assert daemon.metric("chaosd_config_last_reload_successful") == 1


def test_what_is_under_way_ends_under_the_old_configuration(daemon: Running) -> None:
    before = look(daemon.directory / "clone")
    asked = {"fault": "git-lock", "target": "clone", "parameters": {"mode": "head-lock"}, "duration_s": 10}
    name = daemon.client.call("POST", "/api/v1/injections", asked)["id"]
    await_event(daemon.log, "fault.injected", daemon.process)
    daemon.write("version: 1\napi: {listen: '127.0.0.1:0', token_file: " + str(daemon.directory / "token") + "}\n")
    daemon.reload("config.reloaded")
    assert daemon.client.call("GET", f"/api/v1/injections/{name}")["injection"]["state"] == "injected"
    refused = post(daemon.address + "/api/v1/injections", asked, Authorization="Bearer one-token-of-the-test")
    assert refused[0] == 400
    assert "unknown target 'clone'" in json.loads(refused[1])["detail"], "the new configuration has none"
    found = daemon.client.call("GET", f"/api/v1/injections/{name}?wait=25")
    assert found["injection"]["state"] == "reverted"
    assert found["verdict"] == "not-recovered", "the old steady state was watched to the end"
    assert changed(before, look(daemon.directory / "clone")) == []


HOLDER = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(os.open(sys.argv[1], os.O_RDWR), termios.TIOCSCTTY, 0)
os.execv(sys.argv[2], sys.argv[2:])
"""


@pytest.mark.parametrize("closed", [True, False])
def test_a_hang_up_of_the_terminal_ends_it_and_a_signal_does_not(tmp_path: Path, closed: bool) -> None:
    config, log = tmp_path / "chaosd.yaml", tmp_path / "log"
    config.write_text("version: 1\napi: {listen: '127.0.0.1:0'}\n")
    master, slave = pty.openpty()
    words = [CHAOSD, "-c", str(config), "--state-dir", str(tmp_path / "state"), "run"]
    with log.open("w") as err:
        process = subprocess.Popen([sys.executable, "-c", HOLDER, os.ttyname(slave), *words], stderr=err)
    os.close(slave)
    end: Callable[[], None] = lambda: os.close(master)  # noqa: E731
    try:
        await_event(log, "daemon.started", process)  # type: ignore[arg-type]
        if not closed:
            process.send_signal(signal.SIGHUP)
            await_event(log, "config.reloaded", process)  # type: ignore[arg-type]
        end()
        assert process.wait(30) == 128 + signal.SIGHUP
    finally:
        process.kill()
        process.wait()
