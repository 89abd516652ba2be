"""The network faults with a host's tools in memory: whom they spare, what they refuse, what a failed undo says."""

import random
from typing import Any

import pytest

from daemon.core.errors import ConfigError, RefusedError, TargetAbsentError, UndoFailedError, UnreachableError
from daemon.core.model import Order, Outcome, Undo
from daemon.core.parameters import build
from daemon.core.seams import Completed
from daemon.core.target import Network, Target
from daemon.core.wire import Own
from faults import CATALOGUE
from tests.fake_net import DEVICE, FakeHost, FakeNames
from tests.fakes import FakeWorld, Switch

DENIED = "netlink: Error: cache initialization failed: Operation not permitted"


@pytest.fixture
def world() -> FakeWorld:
    world = FakeWorld("/private")
    world.commands, world.names = FakeHost(), FakeNames()
    return world


def prepare(
    world: Any, fault: str, *, lasts_s: float = 0.0, network: Network | None = None, **parameters: Any
) -> Undo:
    target = Target(name="editor", network=network or Network(through="host"))
    made: Any = build(CATALOGUE[fault], parameters, where=fault)
    order = Order(injection="20261129T1-ab", target=target, dice=random.Random(1), lasts_s=lasts_s)
    undo: Undo = made.prepare(order, world)
    return undo


def strike(world: Any, fault: str, **how: Any) -> Undo:
    undo = prepare(world, fault, **how)
    CATALOGUE[fault].inject(undo, world, Switch())
    return undo


def revert(world: Any, undo: Undo) -> Any:
    return CATALOGUE[undo.fault].revert(undo, world)


def test_the_rules_say_who_is_hit_and_who_is_spared_and_for_how_long(world: FakeWorld) -> None:
    world.names.mine = Own(hosts=("vpce",), ports=(9876,))
    world.names.table = {"vpce": ("10.0.7.9",), "git": ("10.0.8.1", "fd00::1")}
    rules = prepare(world, "network-partition", hosts="git", exempt="10.9.0.0/16,10.9.1.1", lasts_s=90.2).data[
        "rules"
    ]
    assert rules.startswith("create table inet chaosd_20261129T1_ab\n")
    assert "ipv4 timeout 151s, ipv6 timeout 151s" in rules
    assert "set hosts4 { type ipv4_addr; flags interval; elements = { 10.0.8.1/32 } }" in rules
    assert "10.0.7.9/32, 10.9.0.0/16, 169.254.169.254/32, 169.254.170.2/32" in rules
    assert "tcp sport { 9876 } accept" in rules
    assert "tcp dport { 9876 } accept" in rules
    assert rules.count('counter drop comment "chaosd:20261129T1-ab"') == 4


@pytest.mark.parametrize(("hit", "idle"), [(0, True), (3, False)])
def test_rules_that_met_no_packet_are_told_as_such(world: Any, hit: int, idle: bool) -> None:
    undo = strike(world, "network-blackhole")
    world.commands.hit = hit
    found = revert(world, undo)
    assert (found.outcome, found.idle) == (Outcome.RESTORED, idle)


def test_in_a_namespace_of_its_own_nothing_is_chaosds(world: FakeWorld) -> None:
    world.names.mine = Own(hosts=("vpce",), ports=(9876,))
    rules = prepare(world, "network-blackhole", network=Network(through="host", namespace="worker")).data["rules"]
    assert "9876" not in rules
    assert "169.254.170.2" in rules


def test_chaosd_s_own_port_is_not_cut(world: FakeWorld) -> None:
    world.names.mine = Own(ports=(9876,))
    with pytest.raises(RefusedError, match="chaosd's own") as raised:
        prepare(world, "network-blackhole", port=9876, direction="ingress")
    assert raised.value.rule == "own-process"


def test_its_own_endpoint_is_hit_when_it_is_told_to(world: FakeWorld) -> None:
    world.names.mine, world.names.table = Own(hosts=("vpce",)), {"vpce": ("10.0.7.9",)}
    with pytest.raises(RefusedError, match="is spared"):
        prepare(world, "network-partition", hosts="vpce")
    assert prepare(world, "network-partition", hosts="vpce", spare_aws=False)


@pytest.mark.parametrize("fault", ["network-blackhole", "network-partition", "network-dns", "network-latency"])
@pytest.mark.parametrize("hosts", ["127.0.0.1", "localhost", "127.0.0.0/8", "::1", "127.0.0.53,169.254.169.254"])
def test_who_is_on_loopback_alone_cannot_be_hit_and_is_not_reported_as_unharmed(
    world: FakeWorld, fault: str, hosts: str
) -> None:
    world.names.table = {"localhost": ("127.0.0.1", "::1")}
    with pytest.raises(RefusedError, match="is spared") as raised:
        prepare(world, fault, hosts=hosts)
    assert "loopback" in raised.value.hint


@pytest.mark.parametrize("hosts", ["127.0.0.1,10.0.8.1", "126.0.0.0/7", "::/0"])
def test_who_is_not_on_loopback_alone_is_hit(world: FakeWorld, hosts: str) -> None:
    assert prepare(world, "network-partition", hosts=hosts)


@pytest.mark.parametrize("fault", ["network-blackhole", "network-latency"])
def test_without_the_right_it_is_refused(world: FakeWorld, fault: str) -> None:
    world.commands.denies = DENIED
    with pytest.raises(RefusedError) as raised:
        prepare(world, fault)
    assert (raised.value.rule, raised.value.exit_code) == ("permission", 77)
    assert "CAP_NET_ADMIN" in raised.value.hint


def test_without_the_tool_it_is_refused(world: FakeWorld) -> None:
    world.commands.missing = frozenset({"nft"})
    for network in (Network(through="host"), Network(through="host", namespace="worker")):
        with pytest.raises(TargetAbsentError, match="nft"):
            prepare(world, "network-blackhole", network=network)


def test_somebody_elses_queue_no_netem_no_device(world: FakeWorld) -> None:
    world.commands.netem = False
    with pytest.raises(RefusedError, match="no netem") as raised:
        prepare(world, "network-latency")
    assert raised.value.rule == "unsupported"
    world.commands.queues[DEVICE] = [{"kind": "fq_codel", "handle": "8001:", "root": True}]
    with pytest.raises(RefusedError, match="somebody set up: fq_codel 8001:") as raised:
        prepare(world, "network-latency")
    assert raised.value.rule == "not-ours"
    with pytest.raises(TargetAbsentError, match="no device eth7"):
        prepare(world, "network-latency", network=Network(through="host", device="eth7"))
    with pytest.raises(RefusedError, match="loopback"):
        prepare(world, "network-latency", network=Network(through="host", device="lo"))
    world.commands.queues.clear()
    with pytest.raises(TargetAbsentError, match="no default route"):
        prepare(world, "network-latency")


def test_a_delay_is_a_class_of_a_queue_of_ours_and_one_rule_that_leads_there(world: FakeWorld) -> None:
    before = world.commands.state()
    undo = strike(world, "network-latency", delay="250ms", jitter="20ms", exempt="10.9.0.0/16")
    handle = undo.data["queue"]["handle"]
    assert 0xC000 <= int(handle.rstrip(":"), 16) <= 0xCFFF
    assert f'oifname "{DEVICE}" counter meta priority set {handle}4' in undo.data["rules"]
    assert undo.data["queue"]["netem"] == ["delay", "250ms", "20ms"]
    assert revert(world, undo).proof["queue_there"] is False
    assert world.commands.state() == before


@pytest.mark.parametrize(
    ("fault", "stays", "command"),
    [
        ("network-blackhole", "delete", "`nft delete table inet chaosd_20261129T1_ab`"),
        ("network-latency", "del", f"`tc qdisc del dev {DEVICE} root`"),
    ],
)
def test_what_does_not_go_is_a_failed_undo_with_the_command(
    world: FakeWorld, monkeypatch: pytest.MonkeyPatch, fault: str, stays: str, command: str
) -> None:
    undo, real = strike(world, fault), world.commands.run

    def stubborn(arguments: tuple[str, ...], **more: Any) -> Completed:
        return Completed(code=1, out="", err="busy") if stays in arguments else real(arguments, **more)

    monkeypatch.setattr(world.commands, "run", stubborn)
    with pytest.raises(UndoFailedError, match="not undone") as raised:
        revert(world, undo)
    assert command in raised.value.hint
    monkeypatch.undo()
    assert revert(world, undo).outcome is Outcome.RESTORED


def test_a_look_that_is_denied_is_no_proof(world: FakeWorld) -> None:
    undo = strike(world, "network-blackhole")
    world.commands.denies = DENIED
    with pytest.raises(UnreachableError, match="not known whether table"):
        revert(world, undo)


def test_after_a_new_start_of_the_machine_nothing_is_claimed(world: FakeWorld) -> None:
    undo = prepare(world, "network-blackhole")
    world.boot = "boot-2"
    assert revert(world, undo).outcome is Outcome.SUPERSEDED


@pytest.mark.parametrize(
    ("fault", "parameters", "word"),
    [
        ("network-blackhole", {"user": "worker", "direction": "ingress"}, "user"),
        ("network-blackhole", {"user": 'x" accept'}, "user"),
        ("network-dns", {"user": "worker"}, "user"),
        ("network-packet-loss", {"by": "netem", "direction": "both"}, "netem"),
        ("network-blackhole", {"hosts": 'x"; drop'}, "hosts"),
    ],
)
def test_what_does_not_fit_together(world: FakeWorld, fault: str, parameters: dict[str, Any], word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        prepare(world, fault, **parameters)


@pytest.mark.parametrize("fault", ["network-latency", "network-packet-loss"])
def test_a_share_of_the_connections_is_the_agents(world: FakeWorld, fault: str) -> None:
    with pytest.raises(RefusedError, match="only the ECS agent can"):
        prepare(world, fault, flows=50)


def test_nobody_is_cut_off_from_nobody(world: FakeWorld) -> None:
    with pytest.raises(RefusedError, match="from whom"):
        prepare(world, "network-partition")


def test_a_command_that_outlives_a_killed_chaosd_is_undone_too(world: FakeWorld) -> None:
    """Its rules are made a moment after the revert has looked for them in vain."""
    undo, before = prepare(world, "network-blackhole"), world.commands.state()
    world.clock.at(0.5, lambda: CATALOGUE["network-blackhole"].inject(undo, world, Switch()))
    assert revert(world, undo).outcome is Outcome.RESTORED
    assert world.commands.state() == before


@pytest.mark.parametrize("name", ["../../etc", 'x" drop', "a b", ""])
def test_a_name_that_is_none_stands_in_no_command(world: FakeWorld, name: str) -> None:
    for network in (Network(through="host", device=name), Network(through="host", namespace=name)):
        with pytest.raises(RefusedError, match="the name of no device"):
            prepare(world, "network-blackhole", network=network)
    assert world.commands.ran == []
