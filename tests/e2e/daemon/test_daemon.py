"""A real daemon on a real clone: metrics, control, halt, and what a signal does to a fault."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from daemon.faces.client import Client
from faults import CATALOGUE as FAULTS
from tests.e2e.git.tree import changed, look, make_repository
from tests.e2e.guardian.kit import kill_both

CHAOSD = str(Path(sys.executable).parent / "chaosd")
TOKEN = "s3cret-token-of-the-test"
CONFIG = """
version: 1
seed: 42
targets:
  clone:
    repository: {{worktree: {repository}}}
    limits: {{recover: 20s}}
probes:
  - {{name: health, probe: git-health, target: clone, every: 1s}}
steady_state: {{clone: [health]}}
experiments:
  - {{name: corrupt, fault: git-corrupt, target: clone, {trigger}, for: {hold}, set: {{mode: head-garbage}}}}
guard:
  allow: {{repositories: [{repository}]}}
sampling: {{stable_for: 500ms}}
api: {{listen: "127.0.0.1:0", token_file: {token}}}
"""


@dataclass
class Running:
    process: subprocess.Popen[str]
    address: str
    state: Path
    log: Path

    @property
    def client(self) -> Client:
        return Client(self.state / "control.sock")

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "clone")


Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path, repository: Path) -> Iterator[Start]:
    running: list[subprocess.Popen[str]] = []

    def run(*, trigger: str = "every: 1h", hold: str = "1s") -> Running:
        token = tmp_path / "token"
        token.write_text(TOKEN + "\n")
        token.chmod(0o600)
        config = tmp_path / "chaosd.yaml"
        config.write_text(CONFIG.format(repository=repository, trigger=trigger, hold=hold, token=token))
        log = tmp_path / f"log{len(running)}"
        with log.open("w") as err:
            process = subprocess.Popen(
                [CHAOSD, "-c", str(config), "--state-dir", str(tmp_path / "state"), "run"],
                stderr=err,
                stdout=subprocess.DEVNULL,
                text=True,
                env={**os.environ, "NO_COLOR": "1"},
            )
        running.append(process)
        address = await_event(log, "daemon.started", process)["listen"]
        return Running(process, address, tmp_path / "state", log)

    yield run
    for process in running:
        if process.poll() is None:
            process.kill()
        process.wait()


def await_event(log: Path, name: str, process: subprocess.Popen[str], **fields: object) -> dict[str, Any]:
    """Wait, bounded, until the log has the event."""
    for _ in range(1500):
        for line in log.read_text().splitlines():
            event = json.loads(line)
            if event.get("event") == name and all(event.get(k) == v for k, v in fields.items()):
                return dict(event)
        try:
            process.wait(0.02)
        except subprocess.TimeoutExpired:
            continue
        break
    raise AssertionError(f"no {name} in the log:\n{log.read_text()}")


def get(url: str, **headers: str) -> tuple[int, str]:
    return call(urllib.request.Request(url, headers=headers))


def call(request: urllib.request.Request) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def post(url: str, body: object, **headers: str) -> tuple[int, str]:
    data = json.dumps(body).encode()
    return call(urllib.request.Request(url, data=data, headers={"Content-Type": "application/json", **headers}))


def test_a_scheduled_experiment_ends_in_metrics_promtool_accepts(start: Start, repository: Path) -> None:
    before = look(repository)
    daemon = start(trigger="every: 1s")
    judged = await_event(daemon.log, "experiment.judged", daemon.process)
    assert judged["verdict"] == "not-recovered"
    assert judged["healed_by"] == "revert"
    assert get(daemon.address + "/-/healthy")[0] == 200
    assert get(daemon.address + "/-/ready")[0] == 200
    _, text = get(daemon.address + "/metrics")
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert checked.stdout + checked.stderr == ""
    for fault in FAULTS:  # also what is only ever injected by hand: its first failure must be an increase
        assert f'chaosd_undo_failures_total{{fault="{fault}"}} 0.0' in text
    finished = 'chaosd_experiments_finished_total{experiment="corrupt",verdict="not-recovered"} '
    assert float(text.split(finished)[1].split("\n")[0]) >= 1
    assert 'chaosd_detection_seconds_count{fault="git-corrupt",target="clone"} 0.0' not in text
    assert daemon.end(signal.SIGTERM) == 128 + signal.SIGTERM
    assert changed(before, look(repository)) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_an_active_fault_undoes_it(start: Start, repository: Path, number: int) -> None:
    before = look(repository)
    daemon = start(trigger="every: 1s", hold="10m")
    await_event(daemon.log, "fault.injected", daemon.process)
    assert changed(before, look(repository)) != []
    assert daemon.end(number) == 128 + number
    assert changed(before, look(repository)) == []
    stopped = await_event(daemon.log, "daemon.stopped", daemon.process)
    assert stopped["outstanding"] == 0


def test_after_kill_9_the_next_start_undoes_before_it_does_anything_else(start: Start, repository: Path) -> None:
    before = look(repository)
    daemon = start(trigger="every: 1s", hold="10m")
    await_event(daemon.log, "fault.injected", daemon.process)
    kill_both(daemon.process)
    assert changed(before, look(repository)) != []
    again = start()
    await_event(again.log, "injection.recovered", again.process, state="reverted")
    assert changed(before, look(repository)) == []


def test_a_halt_undoes_at_once_survives_a_restart_and_is_lifted(start: Start, repository: Path) -> None:
    before = look(repository)
    daemon = start(trigger="every: 1s", hold="10m")
    await_event(daemon.log, "fault.injected", daemon.process)
    assert daemon.client.call("POST", "/api/v1/halt", {"reason": "lunch"})["halted"] == "lunch"
    await_event(daemon.log, "experiment.judged", daemon.process, verdict="aborted")
    assert changed(before, look(repository)) == []
    daemon.end(signal.SIGTERM)
    again = start(trigger="every: 1s")
    await_event(again.log, "experiment.refused", again.process, rule="halted")
    assert again.client.call("GET", "/api/v1/status")["daemon"]["halted"] == "lunch"
    again.client.call("POST", "/api/v1/resume", {"reason": "fed"})
    await_event(again.log, "fault.injected", again.process)


def test_a_deep_state_directory_has_a_socket_all_the_same(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / "state"
    config = tmp_path / "chaosd.yaml"
    config.write_text('version: 1\napi: {listen: "127.0.0.1:0"}\n')
    log = tmp_path / "log"
    with log.open("w") as err:
        process = subprocess.Popen([CHAOSD, "-c", str(config), "--state-dir", str(deep), "run"], stderr=err)
    try:
        await_event(log, "daemon.started", process)
        assert Client(deep / "control.sock").call("GET", "/api/v1/status")["daemon"]["pid"] == process.pid
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 128 + signal.SIGTERM
    finally:
        process.kill()
        process.wait()


def test_control_over_tcp_needs_the_token_and_a_host_we_know(start: Start) -> None:
    daemon = start()
    url = daemon.address + "/api/v1/halt"
    assert post(url, {})[0] == 401
    assert post(url, {}, Authorization="Bearer wrong")[0] == 401
    assert post(url, {}, Authorization=f"Bearer {TOKEN}", Host="evil.example:9876")[0] == 403
    assert get(daemon.address + "/metrics", Host="evil.example")[0] == 403
    assert json.loads(get(daemon.address + "/api/v1/status")[1])["daemon"]["halted"] is None
    assert post(url, {"reason": "x"}, Authorization=f"Bearer {TOKEN}")[0] == 200
    assert TOKEN not in daemon.log.read_text()


def test_an_injection_by_the_api_runs_to_its_verdict(start: Start, repository: Path) -> None:
    before = look(repository)
    daemon = start()
    asked = {
        "fault": "git-lock",
        "target": "clone",
        "parameters": {"mode": "head-lock"},
        "duration_s": 1,
        "seed": 3,
    }
    name = daemon.client.call("POST", "/api/v1/injections", asked)["id"]
    found = daemon.client.call("GET", f"/api/v1/injections/{name}?wait=25")
    assert found["injection"]["state"] == "reverted"
    assert found["verdict"] in {"no-impact", "not-recovered"}
    assert changed(before, look(repository)) == []


def test_a_second_injection_while_one_runs_is_refused_by_its_rule(start: Start) -> None:
    daemon = start()
    asked = {"fault": "git-lock", "target": "clone", "parameters": {"mode": "head-lock"}, "duration_s": 60}
    daemon.client.call("POST", "/api/v1/injections", asked)
    await_event(daemon.log, "fault.injected", daemon.process)
    second = daemon.client.call("POST", "/api/v1/injections", asked)["id"]
    answer = daemon.client.call("GET", f"/api/v1/injections/{second}?wait=25")
    assert answer["verdict"] == "refused"
    assert "max_active" in answer["reasons"][0]


MALFORMED = (
    ("POST", "/api/v1/injections", {"fault": "git-lock"}, 400),
    ("POST", "/api/v1/injections", {"fault": "git-lock", "target": "clone", "duration_s": "soon"}, 400),
    ("GET", "/api/v1/injections/unknown", None, 404),
    ("GET", "/nowhere", None, 404),
    ("POST", "/api/v1/status", {}, 405),
)


def test_a_malformed_request_is_one_problem(start: Start) -> None:
    daemon = start()
    for verb, path, body, status in MALFORMED:
        request = urllib.request.Request(
            daemon.address + path,
            data=None if body is None else json.dumps(body).encode(),
            method=verb,
            headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
        )
        found, text = call(request)
        assert (found, json.loads(text)["status"]) == (status, status), (verb, path, body)
