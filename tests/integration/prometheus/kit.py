"""A daemon that can be stopped and started on one address, and what is asked of Prometheus about it."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daemon.faces.client import Client
from tests import promql
from tests.integration.prometheus.server import Server, hurried
from tests.waiting import wait_for

RULES = {path.name: hurried(path.read_text()) for path in promql.RULES.glob("chaosd-*.yml")}
Told = dict[str, list[str]]
PATIENCE_S = 300.0


@dataclass
class Service:
    """A daemon that can be stopped and started again on the same address."""

    directory: Path
    config: Path
    words: Sequence[str]
    environment: Mapping[str, str]
    process: "subprocess.Popen[bytes] | None" = None
    log: Path = field(init=False)

    def __post_init__(self) -> None:
        self.log = self.directory / "daemon.log"

    def start(self) -> None:
        with self.log.open("ab") as log:
            state = ["-c", str(self.config), "--state-dir", str(self.directory / "state")]
            words = [*self.words, *state, "run"]
            self.process = subprocess.Popen(words, stderr=log, env={**os.environ, **self.environment})
        wait_for(
            "the daemon answers", lambda: Client.find(self.directory / "state" / "control.sock"), PATIENCE_S, 0.2
        )

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(120)
            self.process = None

    def call(self, verb: str, path: str, body: object = None) -> Any:
        client = Client.find(self.directory / "state" / "control.sock")
        assert client is not None, self.log.read_text()
        return client.call(verb, path, body)  # type: ignore[arg-type]

    def inject(self, asked: Mapping[str, object]) -> str:
        return str(self.call("POST", "/api/v1/injections", dict(asked))["id"])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(service: Service) -> Iterator[Service]:
    service.start()
    try:
        yield service
    finally:
        service.stop()


def fires(server: Server, alert: str, told: Told) -> None:
    wait_for(f"{alert} fires", lambda: alert in server.firing(), PATIENCE_S, 0.2)
    told.setdefault(alert, []).append("fired")


def resolves(server: Server, alert: str, told: Told) -> None:
    wait_for(f"{alert} resolves", lambda: alert not in server.firing(), PATIENCE_S, 0.2)
    told[alert].append("resolved")


def sound(server: Server) -> None:
    """All rules are loaded, and none failed when it was evaluated."""
    found = wait_for("the rules were evaluated", lambda: rules_evaluated(server), PATIENCE_S, 0.2)
    assert {rule["name"] for rule in found} == {r.get("record") or r["alert"] for r in promql.rules()}
    assert [rule for rule in found if rule["health"] != "ok"] == []


def rules_evaluated(server: Server) -> Sequence[Mapping[str, Any]]:
    found = server.rules()
    return found if all(rule["health"] != "unknown" for rule in found) else []
