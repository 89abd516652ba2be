"""SIGKILL for chaosd, its guardian or both while the network is disturbed: no rule, no queue, no fault is left."""

import os
import random
import shutil
import sys
import time  # noqa: TID251 - the clock of the stand-in for the agent
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from daemon.ports.agent import VARIABLE
from daemon.ports.world import VARIABLE as METADATA
from tests.e2e.guardian.killing import (
    BOTH,
    DAEMON,
    INSTANTS,
    REVERTER,
    Table,
    Victim,
    at_step,
    kill_once,
    sweep,
)
from tests.e2e.guardian.kit import Stage
from tests.ecs_agent import BLACKHOLE, LATENCY, Agent, serve
from tests.ecs_metadata import FARGATE, endpoint
from tests.integration.network.netns import FAR, Pair, pair

PORT = 8080
ON_HOST = {
    "network-blackhole": ("--set", f"port={PORT}"),
    "network-dns": ("--mode", "refuse"),
    "network-packet-loss": ("--set", "percent=30"),
    "network-partition": ("--set", f"hosts={FAR}"),
}
BY_AGENT = {
    "network-blackhole": ("--set", f"port={PORT}"),
    "network-latency": ("--set", "delay=100ms"),
}
HASTY = (sys.executable, str(Path(__file__).parent / "hasty.py"))
CONFIG = """version: 1
targets:
  editor:
    network: {{through: {through}{more}}}
"""
needs_namespaces = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, ("nft", "tc", "nsenter"))),
    reason="makes network namespaces: needs root, nftables and iproute2",
)
Scene = Callable[[str], tuple[Stage, Victim]]


def staged(directory: Path, through: str, more: str = "", **how: object) -> Stage:
    config = directory / "chaosd.yaml"
    config.write_text(CONFIG.format(through=through, more=more))
    return Stage(directory, words=("-c", str(config)), **how)  # type: ignore[arg-type]


def words(fault: str, *more: str) -> tuple[str, ...]:
    return ("inject", fault, "--target", "editor", "--for", "500ms", *more)


@pytest.fixture
def wire() -> Iterator[Pair]:
    with pair() as made:
        made.listen(made.far, FAR, PORT)
        yield made


@pytest.fixture
def on_host(wire: Pair, tmp_path: Path) -> Scene:
    stage, before = staged(tmp_path, "host", f", namespace: {wire.near}"), wire.rules()

    def residue() -> list[str]:
        """Return the lines of rules and queues that were not there before."""
        return [line for line in wire.rules().splitlines() if line not in before]

    return lambda fault: (stage, Victim(f"{fault} by the host", words(fault, *ON_HOST[fault]), residue))


@pytest.fixture
def by_agent(tmp_path: Path) -> Iterator[Scene]:
    agent = Agent(time.monotonic, every_s=0.01)
    before = agent.state()

    def residue() -> list[str]:
        return [] if agent.state() == before else [str(agent.state())]

    with endpoint({**FARGATE, "FaultInjectionEnabled": True}) as metadata, serve(agent) as address:
        stage = staged(tmp_path, "agent", program=HASTY, environment={VARIABLE: address, METADATA: metadata})
        yield lambda fault: (stage, Victim(f"{fault} by the agent", words(fault, *BY_AGENT[fault]), residue))


@needs_namespaces
@pytest.mark.parametrize(
    ("fault", "step", "whom"),
    [
        ("network-blackhole", "injected", DAEMON),
        ("network-dns", "planned", BOTH),
        ("network-packet-loss", "injected", BOTH),
        ("network-partition", "injected", REVERTER),
    ],
)
def test_killed_at_a_step_no_rule_is_left(on_host: Scene, fault: str, step: str, whom: str) -> None:
    assert kill_once(*on_host(fault), whom, at_step(step)) == []


@pytest.mark.parametrize(("fault", "whom"), [("network-blackhole", DAEMON), ("network-latency", BOTH)])
def test_killed_when_it_is_injected_the_agent_has_no_fault_left(by_agent: Scene, fault: str, whom: str) -> None:
    assert kill_once(*by_agent(fault), whom, at_step("injected")) == []


def swept(scene: Scene, fault: str) -> list[str]:
    table, left = Table(), ["not begun"]
    try:
        left = sweep(lambda: scene(fault), table, random.Random(fault), INSTANTS)
    finally:
        sys.stdout.write(f"\n{table}\n")
    return left


@needs_namespaces
@pytest.mark.torture
@pytest.mark.timeout(6 * 3600)
@pytest.mark.parametrize("fault", ON_HOST)
def test_at_every_step_and_at_random_instants_no_rule_is_left(on_host: Scene, fault: str) -> None:
    assert swept(on_host, fault) == []


@pytest.mark.torture
@pytest.mark.timeout(6 * 3600)
@pytest.mark.parametrize("fault", BY_AGENT)
def test_at_every_step_and_at_random_instants_the_agent_has_no_fault_left(by_agent: Scene, fault: str) -> None:
    assert swept(by_agent, fault) == []


def test_the_stand_in_keeps_a_fault_whose_chaosd_is_dead() -> None:
    """Else the tests above would find no residue whatever chaosd did."""
    agent = Agent(time.monotonic, every_s=0.01)
    for kind, body in (
        (LATENCY, b'{"DelayMilliseconds":1,"JitterMilliseconds":0,"Sources":["0.0.0.0/0"]}'),
        (BLACKHOLE, b'{"Port":1,"Protocol":"tcp","TrafficType":"egress"}'),
    ):
        assert agent.answer("POST", f"/api/id/fault/v1/{kind}/start", body)[0] == 200
    assert agent.state() != Agent(time.monotonic).state()
