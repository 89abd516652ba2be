"""A real ``chaosd proxy`` before a real git daemon, and the configuration that names both."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from daemon.core.errors import ChaosdError
from daemon.core.proxying import ProxyFacts
from daemon.ports.clock import SystemClock
from daemon.ports.proxying import LocalProxy
from tests.e2e.guardian.kit import Chaosd, Stage
from tests.integration.transport.servers import HOST, Server, free_port, git_daemon
from tests.integration.transport.wire import ENVIRONMENT
from tests.waiting import wait_for

LANE = "origin"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
}  # for the lane of AWS
CONFIG = """\
version: 1
targets: {{editor: {{proxy: {{git: origin}}, limits: {{recover: 10s}}}}}}
steady_state: {{editor: []}}
proxy:
  listen: 127.0.0.1:0
  relays: [{{name: origin, listen: "127.0.0.1:{port}", upstream: "127.0.0.1:{upstream}"}}]
"""


@dataclass
class Place:
    """A clone whose origin is the relay of a proxy that runs as a process of its own."""

    stage: Stage
    server: Server
    port: int
    proxy: Chaosd | None = None
    ended: list[Chaosd] = field(default_factory=list)

    @property
    def clone(self) -> Path:
        return self.stage.directory / "clone"

    @property
    def remote(self) -> Path:
        return self.stage.directory / "remote.git"

    @property
    def seen(self) -> LocalProxy:
        return LocalProxy(self.stage.state / "proxy", SystemClock())

    def facts(self) -> ProxyFacts | None:
        try:
            return self.seen.facts()
        except ChaosdError:
            return None

    def start_proxy(self) -> int:
        """Start it and return its pid."""
        self.proxy = started = self.stage.start("proxy")
        facts = wait_for("the proxy", lambda: self.facts() or started.over, 60)
        assert isinstance(facts, ProxyFacts), started.said.read_text()
        assert LANE in facts.lanes, facts
        return started.process.pid

    def residue(self) -> list[str]:
        """What is left of rules, on disk and in the proxy that runs."""
        folder = self.stage.state / "proxy" / "rules"
        left = [p.name for p in folder.iterdir()] if folder.is_dir() else []
        facts = self.facts()
        return left + (list(facts.rules) if facts else ["no proxy runs"])

    def git(self, *words: str, where: Path | None = None) -> subprocess.CompletedProcess[str]:
        command = ["git", "-C", str(where or self.clone), *words]
        return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=60)

    def commit(self, name: str) -> str:
        (self.clone / name).write_text(name)
        for words in (("add", "--all"), ("commit", "--quiet", "--message", name)):
            assert self.git(*words).returncode == 0
        return self.git("rev-parse", "HEAD").stdout.strip()

    def tip(self) -> str:
        return self.git("rev-parse", "refs/heads/main", where=self.remote).stdout.strip()


@contextmanager
def place(directory: Path) -> Iterator[Place]:
    for words in (
        ("init", "--quiet", "--bare", "--initial-branch=main", str(directory / "remote.git")),
        ("init", "--quiet", "--initial-branch=main", str(directory / "clone")),
    ):
        subprocess.run(["git", *words], check=True, env=ENVIRONMENT)
    with ExitStack() as around:
        server = around.enter_context(git_daemon(directory))
        config = directory / "chaosd.yaml"
        made = Place(Stage(directory, environment=CREDENTIALS, words=("-c", str(config))), server, free_port())
        config.write_text(CONFIG.format(port=made.port, upstream=server.port))
        made.start_proxy()
        around.callback(end, made)
        assert made.git("remote", "add", "origin", server.url(made.port)).returncode == 0
        made.commit("first")
        assert made.git("push", "--quiet", "origin", "main").returncode == 0
        yield made


def end(made: Place) -> None:
    assert made.proxy is not None
    if not made.proxy.over:
        made.proxy.process.terminate()
        assert made.proxy.process.wait(30) == 0, made.proxy.said.read_text()


__all__ = ("HOST", "LANE", "Place", "place")
