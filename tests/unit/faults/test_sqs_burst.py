"""A burst arrives whole, on time and marked; its revert removes what is marked and nothing else."""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from daemon.core.cloud import Message
from daemon.core.errors import ChaosdError, ConfigError, RefusedError, TargetAbsentError, UndoFailedError
from daemon.core.messages import RUN_ATTRIBUTE
from daemon.core.model import Order, Outcome, Undo
from daemon.core.target import Queue, Target
from daemon.ports.files import LocalFiles
from faults.sqs.burst import SqsBurst
from tests.fakes import Death, FakeWorld, Mortal, Switch

URL, DEAD = "sqs://input", "sqs://dead"
REAL = Message(body="of somebody else", attributes={RUN_ATTRIBUTE: "another run"})


@pytest.fixture(autouse=True)
def disks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def world_with(url: str = URL, **facts: Any) -> FakeWorld:
    world = FakeWorld(tempfile.mkdtemp(), files=LocalFiles())
    world.sqs.add(url, dead_letter=DEAD, **{"max_receives": 3, **facts})
    world.sqs.add(DEAD)
    return world


def order(url: str = URL, form: str = "standard") -> Order:
    return Order(injection="inj-1", target=Target(name="t", queue=Queue(url=url, format=form)), dice=Random(1))


def stored(undo: Undo) -> Undo:
    return replace(undo, data=json.loads(json.dumps(undo.data)))


def bodies(world: FakeWorld, url: str = URL) -> list[str]:
    return [m.body for m in world.sqs.messages(url)]


def burst(world: FakeWorld, fault: SqsBurst | None = None, url: str = URL) -> Undo:
    undo = stored((fault or SqsBurst(messages=30)).prepare(order(url), world))
    SqsBurst.inject(undo, world, Switch())
    return undo


def test_all_messages_arrive_marked_at_the_rate_and_are_all_removed() -> None:
    world = world_with()
    started_s = world.clock.elapsed_s
    undo = burst(world, SqsBurst(messages=100, rate=20.0))
    assert world.clock.elapsed_s - started_s == pytest.approx(4.95, abs=0.11)
    sent = world.sqs.messages(URL)
    assert len(sent) == 100
    assert {m.attributes[RUN_ATTRIBUTE] for m in sent} == {"inj-1"}
    done = SqsBurst.revert(undo, world)
    assert done.outcome is Outcome.RESTORED
    assert done.proof["removed"] == {"input": 100}
    assert bodies(world) == []


def test_a_late_start_catches_up_because_deadlines_are_absolute() -> None:
    world = world_with()
    real, started_s = world.sqs.send, world.clock.elapsed_s

    def slow(url: str, batch: Sequence[Message]) -> tuple[str | None, ...]:
        world.clock.advance(0.08)
        return real(url, batch)

    world.sqs.send = slow  # type: ignore[method-assign]
    burst(world, SqsBurst(messages=100, rate=20.0))
    assert world.clock.elapsed_s - started_s == pytest.approx(5.0, abs=0.2)


def test_only_refused_entries_are_sent_again() -> None:
    world = world_with()
    tries: dict[str, int] = {}

    def refuse(_: str, message: Message) -> str | None:
        tries[message.body] = tries.get(message.body, 0) + 1
        return "InternalError" if len(tries) % 3 == 0 and tries[message.body] <= 2 else None

    world.sqs.refuses = refuse
    burst(world)
    assert len(bodies(world)) == len(set(bodies(world))) == 30


def test_entries_that_stay_refused_are_an_error_after_bounded_tries() -> None:
    world = world_with()
    tries = 0

    def refuse(_: str, message: Message) -> str | None:
        nonlocal tries
        if '"user' not in message.body or "test-user-1" not in message.body:
            return None
        tries += 1
        return "InvalidMessageContents"

    world.sqs.refuses = refuse
    undo = SqsBurst(messages=9, sessions=3).prepare(order(), world)
    with pytest.raises(ChaosdError, match=r"3 messages were not sent .*InvalidMessageContents"):
        SqsBurst.inject(undo, world, Switch())
    assert tries == 3 * 4
    assert len(bodies(world)) == 6


@pytest.mark.parametrize("rate", [20.0, 1000.0])
def test_a_stop_ends_the_sending_within_one_batch(rate: float) -> None:
    world, stop = world_with(), Switch()
    real = world.sqs.send

    def send(url: str, batch: Sequence[Message]) -> tuple[str | None, ...]:
        if len(bodies(world)) >= 20:
            stop.set()
        return real(url, batch)

    world.sqs.send = send  # type: ignore[method-assign]
    SqsBurst.inject(SqsBurst(messages=500, rate=rate).prepare(order(), world), world, stop)
    assert 20 <= len(bodies(world)) <= 20 + 10 * 4


@pytest.mark.parametrize("where", [URL, "sqs://input.fifo"])
def test_the_revert_of_an_aborted_burst_leaves_all_that_is_not_marked(where: str) -> None:
    world = world_with(where)
    mine = [replace(REAL, body=f"real {n}", group=f"g{n % 3}", deduplication=f"d{n}") for n in range(25)]
    for one in mine:
        world.sqs.send(where, [one])
    world.sqs.send(DEAD, mine[:5])
    burst(world, SqsBurst(messages=40), where)
    undo = burst(world, SqsBurst(messages=40, rate=0.0), where)
    dead = replace(world.sqs.messages(where)[-1], group=None, deduplication=None)
    world.sqs.send(DEAD, [dead])
    started_s = world.clock.elapsed_s
    assert SqsBurst.revert(undo, world).outcome is Outcome.RESTORED
    assert world.clock.elapsed_s - started_s < 10
    assert sorted(bodies(world, where)) == sorted(m.body for m in mine)
    assert sorted(bodies(world, DEAD)) == sorted(m.body for m in mine[:5])
    assert world.sqs.facts(where).in_flight == 0, "what is not ours was released"


def test_one_revert_costs_the_messages_of_others_one_receive() -> None:
    world = world_with()
    world.sqs.send(URL, [REAL])
    SqsBurst.revert(burst(world), world)
    assert world.sqs.receive(URL)[0].receives == 2


def test_looking_ends_before_it_buries_a_message_of_somebody_else() -> None:
    world = world_with(max_receives=2)
    for _ in range(3):
        world.sqs.send(URL, [REAL] * 10)
    undo = burst(world)
    assert SqsBurst.revert(undo, world).outcome is Outcome.RESTORED
    assert len(bodies(world)) == 30
    assert world.sqs.receive(URL, visibility_s=0)
    assert bodies(world, DEAD) == []


def test_a_fifo_queue_that_may_be_looked_at_only_once_is_still_cleaned() -> None:
    where = "sqs://input.fifo"
    world = world_with(where, max_receives=2)
    for n in range(12):
        world.sqs.send(where, [replace(REAL, group=f"g{n % 2}", deduplication=f"d{n}")])
    undo = burst(world, SqsBurst(messages=30, sessions=3), where)
    assert SqsBurst.revert(undo, world).outcome is Outcome.RESTORED
    assert bodies(world, where) == [REAL.body] * 12
    assert bodies(world, DEAD) == []


def test_a_revert_that_may_not_look_again_says_that_residue_may_remain() -> None:
    world = world_with(max_receives=2)
    world.sqs.send(URL, [REAL] * 5)
    undo = burst(world)
    held = [m for m in world.sqs.receive(URL) if m.attributes[RUN_ATTRIBUTE] == "inj-1"]
    assert held, "a worker holds some of ours, and never finishes"
    with pytest.raises(UndoFailedError, match="inj-1 are known to be gone"):
        SqsBurst.revert(undo, world)
    assert bodies(world, DEAD) == []


def test_a_queue_that_buries_after_one_receive_is_refused() -> None:
    with pytest.raises(RefusedError) as caught:
        SqsBurst().prepare(order(), world_with(max_receives=1))
    assert caught.value.rule == "max-receives"


def test_a_message_held_by_a_dead_worker_is_waited_for_and_removed() -> None:
    world = world_with()
    undo = burst(world)
    world.sqs.receive(URL, visibility_s=30)
    done = SqsBurst.revert(undo, world)
    assert done.proof["removed"] == {"input": 30}
    assert bodies(world) == []


def test_a_message_a_worker_deletes_meanwhile_is_not_missed() -> None:
    world = world_with()
    undo = burst(world)
    held = world.sqs.receive(URL, visibility_s=300)
    world.clock.at(12.0, lambda: world.sqs.delete(URL, [m.handle for m in held]))
    done = SqsBurst.revert(undo, world)
    assert done.proof["removed"] == {"input": 20}
    assert done.proof["not_found"] == 10
    assert world.clock.elapsed_s < 30


def test_a_worker_that_is_always_busy_with_others_does_not_hold_up_the_revert() -> None:
    world = world_with(max_receives=None)
    world.sqs.send(URL, [REAL])
    world.sqs.receive(URL, visibility_s=10_000)
    undo = burst(world)
    done = SqsBurst.revert(undo, world)
    assert done.outcome is Outcome.RESTORED
    assert "1 messages in flight, possibly ours" in done.detail
    assert bodies(world) == [REAL.body]
    assert world.clock.elapsed_s < undo.wait_s


def test_ours_behind_a_held_message_of_their_fifo_group_are_not_forgotten() -> None:
    where = "sqs://input.fifo"
    world = world_with(where)
    undo = burst(world, SqsBurst(messages=20, sessions=1), where)
    held = world.sqs.receive(where, most=1, visibility_s=60)
    world.clock.at(55.0, lambda: world.sqs.delete(where, [held[0].handle]))
    assert SqsBurst.revert(undo, world).outcome is Outcome.RESTORED
    assert bodies(world, where) == []


def test_when_nothing_is_left_the_worker_had_it_all() -> None:
    world = world_with()
    undo = stored(SqsBurst(messages=5).prepare(order(), world))
    assert SqsBurst.revert(undo, world).outcome is Outcome.SUPERSEDED
    burst(world)
    assert SqsBurst.revert(undo, world).outcome is Outcome.RESTORED
    assert SqsBurst.revert(undo, world).outcome is Outcome.SUPERSEDED


def test_a_queue_deleted_meanwhile_took_our_messages_with_it() -> None:
    world = world_with()
    undo = burst(world)
    del world.sqs._queues[URL]
    assert SqsBurst.revert(undo, world).outcome is Outcome.SUPERSEDED


def test_killed_at_any_moment_the_revert_still_cleans_up_and_harms_nobody() -> None:
    def run(dies_at: int) -> tuple[int, FakeWorld]:
        world = world_with()
        world.sqs.send(URL, [REAL])
        undo = stored(SqsBurst(messages=25, sessions=2).prepare(order(), world))
        mortal = Mortal(world, dies_at)
        try:
            SqsBurst.inject(undo, mortal, Switch())
            SqsBurst.revert(undo, mortal)
        except Death:
            SqsBurst.revert(undo, world)
        return mortal.moments, world

    moments, _ = run(0)
    assert moments > 15
    for moment in range(1, moments + 1):
        _, world = run(moment)
        assert bodies(world) == [REAL.body], moment
        assert bodies(world, DEAD) == [], moment


@pytest.mark.parametrize("wrong", [{"duplicates": 0.6, "malformed": 0.5}, {"oversize": 1.0, "malformed": 0.1}])
def test_fractions_beyond_one_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="exceed 1"):
        SqsBurst(**wrong)  # type: ignore[arg-type]


def test_a_target_without_queue_or_with_a_broken_format_is_refused_before_anything_is_sent() -> None:
    world = world_with()
    with pytest.raises(TargetAbsentError):
        SqsBurst().prepare(replace(order(), target=Target(name="bare")), world)
    with pytest.raises(ConfigError, match=r"queue\.format"):
        SqsBurst().prepare(order(form="{instruction}"), world)
    with pytest.raises(TargetAbsentError):
        SqsBurst().prepare(order("sqs://absent"), world)


def test_the_dry_run_says_what_will_be_sent_and_where_it_is_removed() -> None:
    undo = SqsBurst(messages=40, duplicates=0.1, malformed=0.05).prepare(order(), world_with())
    assert "send 40 messages to sqs://input within 0.8 s, sustained: 4 duplicates, 2 malformed" in undo.actions[0]
    assert DEAD in undo.actions[-1]
