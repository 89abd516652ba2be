"""``git-transport``: which relay, which rule, and what its undo can prove."""

from pathlib import Path
from random import Random
from typing import Any

import pytest

from daemon.core.errors import ConfigError, TargetAbsentError, UndoFailedError, UnreachableError
from daemon.core.model import Order, Outcome, Undo
from daemon.core.parameters import build
from daemon.core.proxying import Hits
from daemon.core.target import Routes, Target
from faults.git_transport import GitTransport
from tests.fakes import FakeWorld, Switch

TARGET = Target(name="editor", proxy=Routes(git="origin"))


@pytest.fixture
def world(tmp_path: Path) -> FakeWorld:
    return FakeWorld(str(tmp_path))


def prepare(world: FakeWorld, target: Target = TARGET, **parameters: Any) -> Undo:
    fault = build(GitTransport, parameters, where="git-transport")
    return fault.prepare(Order(injection="one", target=target, dice=Random(1), lasts_s=30), world)


def inject(world: FakeWorld, **parameters: Any) -> Undo:
    undo = prepare(world, **parameters)
    GitTransport.inject(undo, world, Switch())
    return undo


def test_the_rule_has_what_its_mode_needs_and_ends_by_itself_after_the_fault(world: FakeWorld) -> None:
    inject(world, mode="slow", rate="1000/s", delay="2s", percent=25, most=3)
    rule = world.proxy.on_disk["one"]
    assert (rule.lane, rule.effect, rule.percent, rule.most) == ("origin", "slow", 25, 3)
    assert dict(rule.parameters) == {"rate": 1000, "delay_s": 2, "direction": "both"}
    assert 30 < rule.until_s - world.clock.instant().wall_s <= 120


def test_a_relay_that_the_proxy_does_not_have_is_named(world: FakeWorld) -> None:
    with pytest.raises(TargetAbsentError, match="no relay mirror, which target editor names"):
        prepare(world, Target(name="editor", proxy=Routes(git="mirror")))


def test_a_target_that_sends_only_aws_through_the_proxy_has_no_relay(world: FakeWorld) -> None:
    with pytest.raises(TargetAbsentError, match="target editor does not say which relay"):
        prepare(world, Target(name="editor", proxy=Routes(aws=True)))


def test_without_a_proxy_nothing_is_injected(world: FakeWorld) -> None:
    world.proxy.runs = False
    with pytest.raises(TargetAbsentError):
        prepare(world)


def test_slow_that_slows_nothing_is_a_mistake() -> None:
    with pytest.raises(ConfigError, match="nothing would be slow"):
        build(GitTransport, {"mode": "slow", "rate": 0, "delay": 0}, where="git-transport")


def test_the_proof_tells_how_it_was_decided(world: FakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    undo = inject(world)
    hits = Hits(matched=4, calls=3, tries=3, ways={"report": 1, "quiet": 2})
    monkeypatch.setattr(world.proxy, "drop", lambda _: hits)
    found = GitTransport.revert(undo, world)
    assert found.outcome is Outcome.RESTORED
    assert found.proof["ways"] == {"report": 1, "quiet": 2}
    assert "3 of 4 pushes cut" in found.detail
    assert "by bytes and silence" in found.detail
    assert found.doubt == ""


@pytest.mark.parametrize(("hit", "idle"), [(0, True), (1, False)])
def test_a_rule_that_met_no_push_is_told_as_one(
    world: FakeWorld, monkeypatch: pytest.MonkeyPatch, hit: int, idle: bool
) -> None:
    undo = inject(world)
    monkeypatch.setattr(world.proxy, "drop", lambda _: Hits(matched=hit, calls=hit, tries=hit))
    assert GitTransport.revert(undo, world).idle is idle


def test_what_a_dead_proxy_did_is_not_proved(world: FakeWorld) -> None:
    undo = inject(world)
    world.proxy.runs = False
    found = GitTransport.revert(undo, world)
    assert world.proxy.on_disk == {}
    assert found.outcome is Outcome.RESTORED
    assert "no proxy runs" in found.detail
    assert "not known" in found.doubt


def test_a_rule_whose_time_was_over_is_told_as_such(world: FakeWorld) -> None:
    undo = inject(world)
    world.proxy.on_disk.clear()
    world.clock.advance(500)
    found = GitTransport.revert(undo, world)
    assert found.outcome is Outcome.RESTORED, "it was in force until then"
    assert "its time was over" in found.detail
    assert "not known" in found.doubt


def test_a_proxy_that_was_started_anew_has_not_counted_what_the_one_before_it_hit(world: FakeWorld) -> None:
    undo = inject(world)
    world.proxy.began_s += 60
    assert "started anew" in GitTransport.revert(undo, world).doubt


def test_a_proxy_that_does_not_let_go_is_an_undo_that_failed(
    world: FakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    undo = inject(world)

    def holds_on(_: str) -> Hits:
        raise UnreachableError("it is still in force")

    monkeypatch.setattr(world.proxy, "drop", holds_on)
    with pytest.raises(UndoFailedError, match="still in force") as raised:
        GitTransport.revert(undo, world)
    assert "chaosd recover" in raised.value.hint
