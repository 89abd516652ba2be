"""The faults that the ECS agent carries out, against a stand-in over real HTTP: its answers, limits and traps."""

import json
import random
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daemon.core.errors import (
    BrokenStartError,
    ChaosdError,
    ConfigError,
    RefusedError,
    TargetAbsentError,
    UndoFailedError,
    UnreachableError,
    UntouchedError,
)
from daemon.core.model import Order, Outcome, Undo
from daemon.core.parameters import build
from daemon.core.settings import Aws
from daemon.core.target import Network, Target
from daemon.core.wire import BLACKHOLE, LATENCY, LOSS, Own
from daemon.ports import agent as port
from daemon.ports.agent import TURNS, VARIABLE, LocalAgent
from daemon.ports.local import LocalHttp
from daemon.ports.world import VARIABLE as METADATA
from daemon.ports.world import LocalWorld
from faults import CATALOGUE
from tests.ecs_agent import RATE_S, Agent, own_task, serve
from tests.ecs_metadata import FARGATE, TASK, endpoint
from tests.fake_net import FakeHost, FakeNames
from tests.fakes import FakeClock, FakeWorld, Switch

HOLE = {"Port": 443, "Protocol": "tcp", "TrafficType": "egress", "SourcesToFilter": []}
SLOW = {"DelayMilliseconds": 200, "JitterMilliseconds": 0, "Sources": ["0.0.0.0/0"]}
LOSSY = {"LossPercent": 7, "Sources": ["0.0.0.0/0"]}
KINDS: dict[str, dict[str, Any]] = {BLACKHOLE: HOLE, LATENCY: SLOW, LOSS: LOSSY}
FAULTS = ("network-blackhole", "network-dns", "network-latency", "network-packet-loss")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def agent(clock: FakeClock) -> Agent:
    return Agent(lambda: clock.instant().mono_s)


@pytest.fixture
def asked(agent: Agent, clock: FakeClock) -> Iterator[LocalAgent]:
    """The real port over real HTTP; only time is the test's own."""
    with serve(agent) as address:
        yield LocalAgent({VARIABLE: address}, LocalHttp(), clock, lambda: own_task(agent))


@pytest.fixture
def world(asked: LocalAgent, clock: FakeClock, tmp_path: Path) -> FakeWorld:
    world = FakeWorld(str(tmp_path), clock=clock)
    world.agent, world.names, world.commands, world.own_task = asked, FakeNames(), FakeHost(), TASK
    return world


def prepare(world: Any, fault: str, *, through: str = "auto", **parameters: Any) -> Undo:
    target = Target(name="editor", network=Network(through=through))
    made: Any = build(CATALOGUE[fault], parameters, where=fault)
    undo: Undo = made.prepare(Order(injection="i-1", target=target, dice=random.Random(1)), world)
    return undo


def strike(world: Any, fault: str, **parameters: Any) -> Undo:
    undo = prepare(world, fault, **parameters)
    CATALOGUE[fault].inject(undo, world, Switch())
    return undo


def revert(world: Any, undo: Undo) -> Any:
    return CATALOGUE[undo.fault].revert(undo, world)


# --- the port --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_starts_says_so_and_stops(asked: LocalAgent, agent: Agent, kind: str) -> None:
    body, before = KINDS[kind], agent.state()
    assert not asked.running(kind, body)
    asked.start(kind, body)
    assert asked.running(kind, body)
    asked.stop(kind, body)
    assert not asked.running(kind, body)
    asked.stop(kind, body)  # it says the same of what does not run
    assert agent.state() == before


def test_one_call_of_a_kind_and_a_verb_in_five_seconds_and_no_wait_for_the_first(
    asked: LocalAgent, agent: Agent, clock: FakeClock
) -> None:
    for kind, body in KINDS.items():
        asked.running(kind, body)
    assert clock.elapsed_s == 0
    for _ in range(3):
        asked.running(LATENCY, {})
    assert 3 * RATE_S <= clock.elapsed_s < 3 * RATE_S + 1
    assert 429 not in {status for *_, status in agent.calls}


def test_somebody_else_who_asks_too_is_waited_for_and_not_for_ever(
    asked: LocalAgent, agent: Agent, clock: FakeClock
) -> None:
    agent.answer("POST", f"/api/id/fault/v1/{LATENCY}/status", b"")
    assert not asked.running(LATENCY, {})
    assert [status for *_, status in agent.calls] == [200, 429, 200]

    agent.now_s = lambda: 0.0  # a bucket that never fills: somebody polls without a pause
    with pytest.raises(UnreachableError, match="somebody else keeps asking"):
        asked.running(LATENCY, {})
    assert [status for *_, status in agent.calls][3:] == [429] * TURNS
    assert clock.elapsed_s < 60


@pytest.mark.parametrize(
    ("kind", "body", "word"),
    [
        (BLACKHOLE, {**HOLE, "Protocol": "icmp"}, "invalid value icmp for parameter Protocol"),
        (BLACKHOLE, {**HOLE, "Port": None}, "required parameter Port is missing"),
        (BLACKHOLE, {**HOLE, "Port": 65536}, "65536"),
        (LATENCY, {**SLOW, "DelayMilliseconds": 0}, "to be non-zero"),
        (LATENCY, {**SLOW, "Sources": []}, "required parameter Sources is missing"),
        (LATENCY, {**SLOW, "Sources": ["git.example.com"]}, "invalid value git.example.com"),
        (LOSS, {**LOSSY, "FlowsPercent": 0}, "invalid value 0 for parameter flowsPercent"),
        (LOSS, {**LOSSY, "LossPercent": 101}, "invalid value 101"),
    ],
)
def test_a_bad_request_is_refused_with_its_reason(
    asked: LocalAgent, agent: Agent, kind: str, body: dict[str, Any], word: str
) -> None:
    before = agent.state()
    with pytest.raises(RefusedError, match="not started") as raised:
        asked.start(kind, body)
    assert word in raised.value.message
    assert agent.state() == before


def test_a_task_that_does_not_allow_it_and_a_bridge(asked: LocalAgent, agent: Agent) -> None:
    agent.enabled = False
    with pytest.raises(RefusedError, match="does not allow fault injection") as raised:
        asked.running(LATENCY, {})
    assert (raised.value.rule, "enableFaultInjection" in raised.value.hint) == ("permission", True)
    agent.enabled, agent.mode = True, "bridge"
    with pytest.raises(RefusedError, match="bridge mode is not supported") as raised:
        asked.start(LOSS, LOSSY)
    assert raised.value.rule == "unsupported"


@pytest.mark.parametrize("kind", [LATENCY, LOSS])
def test_the_two_that_share_a_queue_exclude_each_other(asked: LocalAgent, agent: Agent, kind: str) -> None:
    asked.start(LATENCY, SLOW)
    with pytest.raises(RefusedError, match="already one network latency fault running") as raised:
        asked.start(kind, KINDS[kind])
    assert raised.value.rule == "overlap"
    asked.stop(LOSS, {})  # the wrong kind: it says `stopped`
    assert agent.shaping is not None


def test_an_agent_that_is_not_there_is_no_answer(clock: FakeClock, agent: Agent) -> None:
    nobody = LocalAgent({VARIABLE: "http://127.0.0.1:1/api/id"}, LocalHttp(), clock, lambda: own_task(agent))
    for verb in (nobody.running, nobody.start, nobody.stop):
        with pytest.raises(UnreachableError):
            verb(LATENCY, {})
    outside = LocalAgent({}, LocalHttp(), clock, lambda: None)
    assert not outside.here
    with pytest.raises(TargetAbsentError, match="no ECS task"):
        outside.task()
    with pytest.raises(UnreachableError, match="is not set here"):
        outside.running(LATENCY, {})


@pytest.mark.parametrize("comes_to_pass", [True, False])
def test_a_start_without_an_answer_is_asked_after(
    agent: Agent, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, comes_to_pass: bool
) -> None:
    monkeypatch.setattr(port, "CALL_S", 0.3)
    answered = threading.Event()
    agent.breaks = 0 if comes_to_pass else 1
    with serve(agent, lambda path: answered if path.endswith("/start") else None) as address:
        asked = LocalAgent({VARIABLE: address}, LocalHttp(), clock, lambda: own_task(agent))
        if comes_to_pass:
            asked.start(LATENCY, SLOW)
        else:
            with pytest.raises(BrokenStartError, match="no complete answer"):
                asked.start(LATENCY, SLOW)
        answered.set()
    assert (agent.shaping is not None) == comes_to_pass
    assert [verb for _, verb, _ in agent.calls] == ["start", "status"]


def test_the_world_finds_the_agent_and_what_the_task_allows(
    agent: Agent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = LocalWorld(aws=Aws(), private=tmp_path)
    monkeypatch.delenv(VARIABLE, raising=False)
    assert not world.agent.here
    with endpoint({**FARGATE, "FaultInjectionEnabled": True}) as metadata, serve(agent) as address:
        monkeypatch.setenv(VARIABLE, address)
        monkeypatch.setenv(METADATA, metadata)
        world = LocalWorld(aws=Aws(), private=tmp_path)
        assert world.agent.here
        assert (world.agent.task().id, world.agent.task().enabled, world.agent.task().network) == (
            TASK,
            True,
            "awsvpc",
        )
        assert not world.agent.running(LOSS, {})
    assert agent.calls == [(LOSS, "status", 200)]


# --- the faults ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_starts_is_seen_and_is_stopped_by_its_kind(world: FakeWorld, agent: Agent, fault: str) -> None:
    before, undo = agent.state(), strike(world, fault)
    assert agent.state() != before
    reversion = revert(world, undo)
    assert agent.state() == before
    assert reversion.outcome is Outcome.RESTORED
    assert set(reversion.proof["stopped"]) == {step["kind"] for step in undo.data["steps"]}
    assert 429 not in {status for *_, status in agent.calls}


def test_no_names_means_both_protocols_and_half_of_it_is_taken_back_too(world: FakeWorld, agent: Agent) -> None:
    undo = strike(world, "network-dns")
    assert set(agent.holes) == {("egress", "udp", 53), ("egress", "tcp", 53)}
    del agent.holes["egress", "tcp", 53]  # as if killed between the two
    assert revert(world, undo).outcome is Outcome.RESTORED
    assert not agent.holes


def test_chaosd_s_own_traffic_is_exempt(world: FakeWorld, agent: Agent) -> None:
    world.names.mine = Own(hosts=("vpce.example.com",))
    world.names.table = {"vpce.example.com": ("10.0.7.9",), "git.example.com": ("10.0.8.1", "10.0.8.2")}
    undo = strike(world, "network-blackhole", port=443, exempt="git.example.com,10.9.0.0/16")
    (spared,) = agent.holes.values()
    assert {"169.254.170.2/32", "169.254.169.254/32", "127.0.0.0/8", "10.0.7.9/32", "10.9.0.0/16"} <= set(spared)
    assert "10.0.8.1/32" in spared
    revert(world, undo)
    undo = strike(
        world, "network-latency", delay="1500ms", jitter="10ms", flows=50, hosts="10.0.0.0/8", spare_aws=False
    )
    assert agent.shaping is not None
    body = agent.shaping[1]
    assert (body["DelayMilliseconds"], body["JitterMilliseconds"], body["FlowsPercent"]) == (1500, 10, 50)
    assert body["Sources"] == ["10.0.0.0/8"]
    assert "169.254.170.2/32" in body["SourcesToFilter"]
    assert "10.0.7.9/32" not in body["SourcesToFilter"]
    revert(world, undo)


@pytest.mark.parametrize(
    ("fault", "kind", "body"),
    [
        ("network-latency", LATENCY, SLOW),
        ("network-latency", LOSS, LOSSY),
        ("network-packet-loss", LATENCY, SLOW),
        ("network-blackhole", BLACKHOLE, HOLE),
        ("network-dns", BLACKHOLE, {**HOLE, "Port": 53}),
    ],
)
def test_what_runs_already_is_somebody_else_s(
    world: FakeWorld, agent: Agent, fault: str, kind: str, body: dict[str, Any]
) -> None:
    """A second start of a blackhole, with another filter, would say `running` and change nothing."""
    world.agent.start(kind, body)
    before = agent.state()
    with pytest.raises(RefusedError, match="is not ours") as raised:
        prepare(world, fault)
    assert raised.value.rule == "overlap"
    assert agent.state() == before


def test_the_other_kind_is_left_alone(world: FakeWorld, agent: Agent) -> None:
    undo = prepare(world, "network-latency")
    world.agent.start(LOSS, LOSSY)  # somebody, between our look and our strike
    with pytest.raises(UntouchedError, match="already one network packet loss"):
        CATALOGUE["network-latency"].inject(undo, world, Switch())
    assert revert(world, undo).outcome is Outcome.UNTOUCHED
    assert agent.shaping is not None
    assert agent.shaping[0] == LOSS


@pytest.mark.parametrize("fault", ["network-latency", "network-packet-loss"])
def test_a_start_that_breaks_off_leaves_a_task_that_only_a_new_one_replaces(
    world: FakeWorld, agent: Agent, fault: str
) -> None:
    undo = prepare(world, fault)
    agent.breaks = 1
    with pytest.raises(BrokenStartError):
        CATALOGUE[fault].inject(undo, world, Switch())
    assert agent.root_queue
    for _ in range(2):
        with pytest.raises(UndoFailedError, match="is dirty") as raised:
            revert(world, undo)
        assert "a new task is the only way" in raised.value.hint
        assert raised.value.exit_code == 4


def test_a_start_that_did_nothing_is_found_clean_by_one_that_hits_nobody(world: FakeWorld, agent: Agent) -> None:
    undo, before = prepare(world, "network-latency"), agent.state()
    assert revert(world, undo).outcome is Outcome.UNTOUCHED
    assert agent.state() == before
    assert [(verb, status) for _, verb, status in agent.calls][-3:] == [
        ("start", 200),
        ("stop", 200),
        ("status", 200),
    ]


@pytest.mark.parametrize(
    ("network", "here", "outcome"),
    [("awsvpc", "another", "ended"), ("awsvpc", "", None), ("host", "another", None)],
)
def test_in_another_task_nothing_is_stopped(
    world: FakeWorld, agent: Agent, network: str, here: str, outcome: str | None
) -> None:
    agent.mode = network
    undo = strike(world, "network-blackhole")
    world.own_task, calls = here, len(agent.calls)
    if outcome:
        reversion = revert(world, undo)
        assert reversion.outcome is Outcome.SUPERSEDED
        assert outcome in reversion.detail
    else:
        with pytest.raises(UndoFailedError, match="from within that task only"):
            revert(world, undo)
    assert len(agent.calls) == calls


def test_what_the_task_says_of_itself_is_enough_to_refuse(world: FakeWorld, agent: Agent) -> None:
    agent.enabled = False
    with pytest.raises(RefusedError, match="does not allow fault injection"):
        prepare(world, "network-latency")
    assert agent.calls == []


@pytest.mark.parametrize(
    ("fault", "parameters"),
    [
        ("network-partition", {"hosts": "10.0.0.1"}),
        ("network-blackhole", {"mode": "reject"}),
        ("network-blackhole", {"hosts": "10.0.0.1"}),
        ("network-blackhole", {"user": "worker"}),
        ("network-dns", {"mode": "refuse"}),
        ("network-packet-loss", {"direction": "ingress"}),
    ],
)
def test_what_only_a_host_can_do_is_refused(
    world: FakeWorld, agent: Agent, fault: str, parameters: dict[str, Any]
) -> None:
    with pytest.raises(RefusedError, match="the ECS agent cannot") as raised:
        prepare(world, fault, **parameters)
    assert raised.value.rule == "unsupported"
    assert agent.calls == []


@pytest.mark.parametrize(
    ("fault", "parameters"),
    [
        ("network-packet-loss", {"percent": 0}),
        ("network-packet-loss", {"percent": 101}),
        ("network-packet-loss", {"flows": 0}),
        ("network-latency", {"delay": 0}),
        ("network-latency", {"delay": "61s"}),
        ("network-blackhole", {"port": 0}),
        ("network-blackhole", {"port": 65536}),
        ("network-blackhole", {"protocol": "icmp"}),
        ("network-blackhole", {"exempt": "not a host"}),
        ("network-blackhole", {"hosts": "10.0.0.300"}),
    ],
)
def test_parameters_beyond_the_agents_limits(world: FakeWorld, fault: str, parameters: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        prepare(world, fault, **parameters)


def test_the_way_is_the_target_s_or_the_agent_where_there_is_one(world: FakeWorld, clock: FakeClock) -> None:
    assert prepare(world, "network-blackhole").data["way"] == "agent"
    assert prepare(world, "network-blackhole", through="host").data["way"] == "host"
    world.agent = LocalAgent({}, LocalHttp(), clock, lambda: None)
    assert prepare(world, "network-blackhole").data["way"] == "host"
    with pytest.raises(TargetAbsentError, match="no ECS task"):
        prepare(world, "network-blackhole", through="agent")


def test_a_name_without_an_address_is_an_error_before_anything(world: FakeWorld, agent: Agent) -> None:
    with pytest.raises(ChaosdError, match="no address") as raised:
        prepare(world, "network-latency", hosts="nowhere.example.com")
    assert raised.value.exit_code == 77
    assert agent.calls == []


def test_a_stop_that_fails_is_asked_after(world: FakeWorld, agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    undo = strike(world, "network-latency")

    def refuse(*_: object) -> None:
        raise UnreachableError("no answer")

    monkeypatch.setattr(world.agent, "stop", refuse)
    with pytest.raises(UndoFailedError, match="still runs"):
        revert(world, undo)
    monkeypatch.undo()
    assert revert(world, replace(undo)).outcome is Outcome.RESTORED
    assert agent.shaping is None


@pytest.mark.parametrize("fault", FAULTS)
def test_a_start_that_outlives_a_killed_chaosd_is_stopped_too(world: FakeWorld, agent: Agent, fault: str) -> None:
    """The agent takes it up a moment after the revert has first asked."""
    undo, before = prepare(world, fault), agent.state()
    step = undo.data["steps"][0]
    body = json.dumps(step["body"]).encode()
    world.clock.at(7, lambda: agent.answer("POST", f"/api/id/fault/v1/{step['kind']}/start", body))
    assert revert(world, undo).outcome is Outcome.RESTORED
    assert agent.state() == before
