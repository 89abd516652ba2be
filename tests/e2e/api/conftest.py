"""A real daemon with three tokens on a real clone, for asking it things it must not do."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.git.tree import make_repository

CHAOSD = str(Path(sys.executable).parent / "chaosd")
READ, CONTROL, CREDENTIAL = "read-token-of-the-test", "control-token-of-the-test", "credential-of-the-test"
CONFIG = """
version: 1
targets:
  clone:
    repository: {{worktree: {repository}}}
    limits: {{recover: 5s}}
probes:
  - {{name: health, probe: git-health, target: clone, every: 1s}}
steady_state: {{clone: [health]}}
experiments:
  - {{name: lock, fault: git-lock, target: clone, every: 12h, set: {{mode: index-lock}}}}
sampling: {{stable_for: 500ms}}
guard: {{max_per_day: {budget}}}
api:
  listen: "{listen}"
  read: {read}
  hosts: [chaosd.test]
  tokens:
    - {{name: grafana, scope: read, file: {directory}/read}}
    - {{name: ops, scope: control, file: {directory}/control}}
    - {{name: unit, scope: control, credential: unit}}
"""


@dataclass
class Running:
    process: subprocess.Popen[str]
    address: str
    state: Path
    log: Path
    repository: Path
    outside: Path


def write_secret(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text + "\n")
    path.chmod(0o600)
    return path


def begin(
    directory: Path, *, listen: str = "127.0.0.1:0", read: str = "open", budget: int = 100
) -> subprocess.Popen[str]:
    """Write the configuration and start the daemon; its log is ``log``."""
    write_secret(directory / "read", READ)
    write_secret(directory / "control", CONTROL)
    write_secret(directory / "credentials" / "unit", CREDENTIAL)
    config = directory / "chaosd.yaml"
    words = {"listen": listen, "read": read, "budget": budget, "directory": directory}
    config.write_text(CONFIG.format(repository=directory / "clone", **words))
    with (directory / "log").open("w") as err:
        return subprocess.Popen(
            [CHAOSD, "-c", str(config), "--state-dir", str(directory / "state"), "run"],
            stderr=err,
            stdout=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "NO_COLOR": "1", "CREDENTIALS_DIRECTORY": str(directory / "credentials")},
            umask=0,  # nothing may rely on the caller's
        )


def listening(log: Path, process: subprocess.Popen[str]) -> str:
    """Wait, bounded, until it serves; return where."""
    for _ in range(1500):
        for line in log.read_text().splitlines():
            event = json.loads(line)
            if event.get("event") == "daemon.started":
                return str(event["listen"])
        try:
            process.wait(0.02)
        except subprocess.TimeoutExpired:
            continue
        break
    raise AssertionError(f"it does not serve:\n{log.read_text()}")


def serving(directory: Path, **words: Any) -> Iterator[Running]:
    repository = make_repository(directory / "clone")
    outside = make_repository(directory / "outside" / "clone")
    process = begin(directory, **words)
    try:
        address = listening(directory / "log", process)
        yield Running(process, address, directory / "state", directory / "log", repository, outside)
    finally:
        process.terminate()
        try:
            process.wait(30)
        finally:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    yield from serving(tmp_path_factory.mktemp("open"))


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    yield from serving(tmp_path_factory.mktemp("closed"), read="token")


def call(
    running: Running, verb: str, path: str, body: Any = None, *, token: str | None = None, **headers: str
) -> tuple[int, dict[str, str], str]:
    """Send one request over TCP; return status, headers and text."""
    words = {"Content-Type": "application/json", **{k.replace("_", "-"): v for k, v in headers.items()}}
    if token is not None:
        words["Authorization"] = f"Bearer {token}"
    data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(running.address + path, method=verb, data=data, headers=words)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, dict(answer.headers), answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read().decode()


def audit(running: Running) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (running.state / "audit.jsonl").read_text().splitlines()]
