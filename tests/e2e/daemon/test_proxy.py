"""A daemon with a proxy: there before ready, back when it dies, found by the next daemon, gone with its own."""

import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from daemon.core.errors import ChaosdError
from daemon.faces.client import Client
from daemon.ports import proxy_process
from daemon.ports.clock import SystemClock
from daemon.ports.proxying import LocalProxy
from tests.e2e.git.tree import make_repository
from tests.e2e.guardian.kit import kill_both
from tests.waiting import wait_for

CHAOSD = str(Path(sys.executable).parent / "chaosd")
CONFIG = """
version: 1
targets:
  clone: {{repository: {{worktree: {repository}}}, proxy: {{aws: true}}}}
guard: {{allow: {{repositories: [{repository}]}}}}
api: {{listen: "127.0.0.1:0"}}
proxy: {{listen: "127.0.0.1:0", upstream: "http://127.0.0.1:9", services: [{services}]}}
"""


@dataclass
class Running:
    process: subprocess.Popen[str]
    state: Path
    log: Path

    @property
    def proxy(self) -> LocalProxy:
        return LocalProxy(self.state / "proxy", SystemClock())

    def pid(self) -> int | None:
        """Return the proxy's pid, None while none answers."""
        try:
            return self.proxy.facts().pid
        except ChaosdError:
            return None

    def events(self) -> list[str]:
        return re.findall(r"\bproxy\.\w+", self.log.read_text())

    def metrics(self) -> dict[str, float]:
        found = re.search(r"listen=?\S*?(http://127\.0\.0\.1:\d+)", self.log.read_text())
        address = found[1] if found else re.findall(r"http://127\.0\.0\.1:\d+", self.log.read_text())[-1]
        with urllib.request.urlopen(f"{address}/metrics", timeout=20) as answer:
            lines = answer.read().decode().splitlines()
        return {n: float(v) for n, v in (ln.rsplit(" ", 1) for ln in lines if ln.startswith("chaosd_proxy"))}


Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    repository, running = make_repository(tmp_path / "clone"), []
    environment = {**os.environ, "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}

    def run(services: str = "sqs", **more: Any) -> Running:
        config, log = tmp_path / "chaosd.yaml", tmp_path / f"log{len(running)}"
        config.write_text(CONFIG.format(repository=repository, services=services))
        with log.open("w") as err:
            words = [CHAOSD, "-c", str(config), "--state-dir", str(tmp_path / "state"), "run"]
            process = subprocess.Popen(words, stderr=err, text=True, env={**environment, **more})
        made = Running(process, tmp_path / "state", log)
        running.append(made)
        wait_for(
            "a daemon that is ready", lambda: "daemon.started" in log.read_text() or process.poll() is not None
        )
        assert process.poll() is None, log.read_text()
        return made

    yield run
    for one in running:
        if one.process.poll() is None:
            one.process.send_signal(signal.SIGTERM)
        one.process.wait(60)
    if running and (left := running[0].pid()):
        proxy_process.end(left, within_s=20)


def test_it_comes_before_ready_comes_back_and_goes_with_the_daemon(start: Start) -> None:
    daemon = start()
    first = daemon.pid()
    assert first is not None
    assert daemon.log.read_text().index("proxy.started") < daemon.log.read_text().index("daemon.started")
    assert daemon.metrics()["chaosd_proxy_up"] == 1
    os.kill(first, signal.SIGKILL)
    second = wait_for("another proxy", lambda: (found := daemon.pid()) and found != first and found)
    wait_for("that it is told of", lambda: daemon.events() == ["proxy.started", "proxy.died", "proxy.started"])
    daemon.process.send_signal(signal.SIGTERM)
    assert daemon.process.wait(60) == 128 + signal.SIGTERM
    assert daemon.pid() is None
    assert not Path(f"/proc/{second}").exists()


def test_it_outlives_kill_9_of_the_daemon_and_the_next_one_goes_on_with_it(start: Start) -> None:
    daemon = start()
    pid = daemon.pid()
    kill_both(daemon.process)
    assert daemon.pid() == pid
    second = start()
    assert (second.pid(), second.events()) == (pid, ["proxy.found"])
    kill_both(second.process)
    third = start("sqs, s3")  # another configuration
    assert third.pid() not in (None, pid)
    assert third.events() == ["proxy.replaced", "proxy.started"]


def test_a_reload_does_not_change_it(start: Start, tmp_path: Path) -> None:
    daemon = start()
    config = tmp_path / "chaosd.yaml"
    config.write_text(config.read_text().replace("[sqs]", "[s3]"))
    with pytest.raises(ChaosdError, match="proxy: the worker's connections go through it"):
        Client(daemon.state / "control.sock").call("POST", "/-/reload")
    assert daemon.pid() is not None


def test_a_proxy_that_does_not_come_up_keeps_nothing_from_working(start: Start) -> None:
    daemon = start(AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="", AWS_EC2_METADATA_DISABLED="true")
    assert daemon.pid() is None
    assert "proxy.failed" in daemon.events()
    assert "no AWS credentials to sign with" in daemon.log.read_text()
    assert daemon.metrics() == {"chaosd_proxy_up": 0}
    assert Client(daemon.state / "control.sock").call("GET", "/api/v1/status")["schema_version"] == 1
