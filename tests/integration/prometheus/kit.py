"""A daemon that can be stopped and started on one address, and what is asked of Prometheus about it."""

import os
import signal
import socket
import subprocess
import time  # noqa: TID251 - real processes take real time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daemon.faces.client import Client
from tests import promql
from tests.integration.prometheus.server import Server, hurried

RULES = {path.name: hurried(path.read_text()) for path in promql.RULES.glob("chaosd-*.yml")}
Told = dict[str, list[str]]


def until(what: str, condition: Callable[[], Any], within_s: float = 300.0) -> Any:
    """Wait, bounded, until ``condition`` returns something true and return that."""
    over_s = time.monotonic() + within_s
    while not (found := condition()):
        assert time.monotonic() < over_s, f"not within {within_s:g} s: {what}"
        time.sleep(0.2)
    return found


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
        until("the daemon answers", lambda: Client.find(self.directory / "state" / "control.sock"))

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
    until(f"{alert} fires", lambda: alert in server.firing())
    told.setdefault(alert, []).append("fired")


def resolves(server: Server, alert: str, told: Told) -> None:
    until(f"{alert} resolves", lambda: alert not in server.firing())
    told[alert].append("resolved")


def sound(server: Server) -> None:
    """All rules are loaded, and none failed when it was evaluated."""
    found = until("the rules were evaluated", lambda: rules_evaluated(server))
    assert {rule["name"] for rule in found} == {r.get("record") or r["alert"] for r in promql.rules()}
    assert [rule for rule in found if rule["health"] != "ok"] == []


def rules_evaluated(server: Server) -> Sequence[Mapping[str, Any]]:
    found = server.rules()
    return found if all(rule["health"] != "unknown" for rule in found) else []
