"""A fault proxy as a process of its own, an upstream that checks its signatures, and clients with dummy keys."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from daemon.core.addresses import Tcp
from daemon.core.proxying import Hits, Match, Rule
from daemon.core.settings import ProxySetting
from daemon.ports import proxy_process
from daemon.ports.clock import SystemClock
from daemon.ports.proxying import LocalProxy
from tests import sigv4
from tests.integration.aws.conftest import endpoint

__all__ = ["endpoint"]

REGION = "eu-west-1"
ACCOUNT = "111122223333"


@pytest.fixture(autouse=True, scope="module")
def credentials() -> Iterator[None]:
    """Give the proxy real keys, by the environment that its process inherits; clients get others."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [n for n in os.environ if n.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_ACCESS_KEY_ID", sigv4.KEY)
        patch.setenv("AWS_SECRET_ACCESS_KEY", sigv4.SECRET)
        patch.setenv("AWS_SESSION_TOKEN", sigv4.TOKEN)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        yield


@dataclass
class Running:
    """A proxy, its rules, and clients that go through it."""

    state: Path
    setting: ProxySetting
    process: proxy_process.ProxyProcess
    clients: list[Any] = field(default_factory=list)
    before: dict[str, Any] = field(default_factory=dict)

    @property
    def port(self) -> LocalProxy:
        return LocalProxy(self.state / "proxy", SystemClock())

    @property
    def url(self) -> str:
        return self.port.facts().lanes["aws"]

    def client(self, service: str, *, url: str = "", retries: int = 1, **config: Any) -> Any:
        """Return a boto3 client with dummy keys that makes ``retries`` tries."""
        made = boto3.client(
            service,
            region_name=REGION,
            endpoint_url=url or self.url,
            aws_access_key_id="dummy",
            aws_secret_access_key="dummy",  # noqa: S106 - nobody looks at it
            aws_session_token="",
            config=Config(retries={"total_max_attempts": retries, "mode": "standard"}, **config),
        )
        self.clients.append(made)
        return made

    def queue(self, name: str = "jobs") -> str:
        return f"{self.url}/{ACCOUNT}/{name}"

    def rule(self, effect: str, **more: Any) -> Rule:
        """Put a rule into force."""
        match = Match(**{k: more.pop(k) for k in ("service", "operations", "resource") if k in more})
        until_s = SystemClock().instant().wall_s + more.pop("seconds", 60.0)
        known = {k: more.pop(k) for k in ("percent", "each_try", "most") if k in more}
        rule = Rule(
            injection="20260101T000000-abc123",
            fault=f"aws-{effect}",
            lane="aws",
            effect=effect,
            seed=7,
            until_s=until_s,
            match=match,
            parameters=more,
            **known,
        )
        self.port.put(rule)
        return rule

    def drop(self) -> Hits | None:
        return self.port.drop("20260101T000000-abc123")

    def restart(self) -> None:
        self.process = proxy_process.start(self.state, self.setting)

    def new(self) -> None:
        """Forget what was counted up to now."""
        self.before = self.port.word()

    def counted(self) -> dict[str, int]:
        """Return the calls since ``new``, as ``service operation end``."""
        return _difference(_calls(self.port.word()), _calls(self.before))

    def refused(self) -> dict[str, int]:
        return _difference(self.port.word()["refused"], self.before.get("refused", {}))

    def memory_kib(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


def _calls(word: Mapping[str, Any]) -> dict[str, int]:
    return {f"{one['service']} {one['operation']} {one['end']}": one["calls"] for one in word.get("calls", ())}


def _difference(now: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    return {key: n - before.get(key, 0) for key, n in now.items() if n != before.get(key, 0)}


Start = Callable[..., Running]


def _starter(directory: Path, stack: ExitStack) -> Start:
    def make(upstream: str, **setting: Any) -> Running:
        state = directory / f"state-{len(list(directory.iterdir()))}"
        wanted = ProxySetting(**{"listen": Tcp(port=0), "upstream": upstream, **setting})
        running = Running(state, wanted, proxy_process.start(state, wanted))
        stack.callback(lambda: proxy_process.end(running.process.pid, within_s=15) and running.process.ended())
        stack.callback(lambda: [client.close() for client in running.clients])
        running.new()
        return running

    return make


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return a starter of proxies, each in a state directory of its own; all are ended."""
    with ExitStack() as stack:
        yield _starter(tmp_path, stack)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, sigv4.Upstream]]:
    with sigv4.verifying() as upstream, ExitStack() as stack:
        yield _starter(tmp_path_factory.mktemp("shared"), stack)(upstream.url), upstream


@pytest.fixture
def upstream(pair: tuple[Running, sigv4.Upstream]) -> sigv4.Upstream:
    """Return the upstream that checks signatures; one for a module, with nothing seen yet."""
    found = pair[1]
    found.seen.clear()
    found.refused.clear()
    found.answer = lambda _: sigv4.Reply()
    return found


@pytest.fixture
def proxy(pair: tuple[Running, sigv4.Upstream], upstream: sigv4.Upstream) -> Iterator[Running]:
    """Return the module's proxy before that upstream, without rules."""
    found = pair[0]
    assert found.setting.upstream == upstream.url
    found.new()
    yield found
    found.drop()
