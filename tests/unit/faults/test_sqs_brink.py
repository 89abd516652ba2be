"""No look for what is ours, however often it is tried again, spends the last receive of a message of others."""

import json
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from daemon.core.cloud import Message
from daemon.core.errors import ChaosdError, RefusedError, UndoFailedError
from daemon.core.messages import RUN_ATTRIBUTE
from daemon.core.model import Order, Outcome, Undo
from daemon.core.target import Queue, Target
from daemon.ports.files import LocalFiles
from faults.sqs.burst import SqsBurst
from faults.sqs.duplicate import SqsDuplicate
from faults.sqs.gathering import Gathering
from faults.sqs.hold import SqsHold
from faults.sqs.interrupt import InterruptMessage
from faults.sqs.poison import SqsPoison
from faults.sqs.receives import SHUN_S, Brink
from tests.fakes import FakeWorld, Switch

URL, DEAD = "sqs://input", "sqs://dead"
BUSY_S = 36_000.0


@pytest.fixture
def world(tmp_path: Path) -> FakeWorld:
    made = FakeWorld(str(tmp_path), files=LocalFiles())
    made.sqs.add(DEAD)
    made.sqs.add(URL, max_receives=3, dead_letter=DEAD)
    return made


def put(world: FakeWorld, body: str, *, receives: int = 0, url: str = URL) -> None:
    """Send a message of somebody else, on which a worker has failed so often."""
    world.sqs.send(url, [Message(body=body, attributes={})])
    world.sqs._queues[url].items[-1].receives = receives


def busy(world: FakeWorld) -> None:
    """Be a worker that is at one message for hours: the counters never fall quiet."""
    put(world, "in work")
    world.sqs.receive(URL, visibility_s=BUSY_S)


def prepared(fault: Any, world: FakeWorld) -> Undo:
    target = Target(name="t", queue=Queue(url=URL))
    undo: Undo = fault.prepare(Order(injection="inj-1", target=target, dice=Random(1), lasts_s=30), world)
    return replace(undo, data=json.loads(json.dumps(undo.data)))


def struck(fault: Any, world: FakeWorld) -> Undo:
    undo = prepared(fault, world)
    fault.inject(undo, world, Switch())
    return undo


def met(world: FakeWorld) -> None:
    """Have an sqs-hold meet a message at the brink, and note it."""
    put(world, "order", receives=1)
    undo = prepared(SqsHold(), world)
    with pytest.raises(RefusedError, match="received 2 of 3 times"):
        SqsHold.inject(undo, world, Switch())
    SqsHold.revert(undo, world)


def untouched(world: FakeWorld) -> bool:
    """Tell whether one more receive, the worker's, still gets the order."""
    return "order" in {one.body for one in world.sqs.receive(URL)} and not world.sqs.messages(DEAD)


# --- the same undo again ----------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [SqsBurst(messages=3), SqsPoison(messages=3), InterruptMessage()])
def test_an_undo_that_is_tried_again_receives_nothing_more(world: FakeWorld, fault: Any) -> None:
    busy(world)
    undo = struck(fault, world)
    put(world, "order", receives=1)
    for _ in range(3):
        with pytest.raises(UndoFailedError, match="looking again could push"):
            fault.revert(undo, world)
        world.clock.advance(60)
    assert world.sqs.receives(URL)["order"] == 2
    assert untouched(world)


def test_it_ends_once_the_queue_was_seen_empty_and_the_note_is_gone(world: FakeWorld) -> None:
    busy(world)
    undo = struck(SqsBurst(messages=3), world)
    put(world, "order", receives=1)
    with pytest.raises(UndoFailedError):
        SqsBurst.revert(undo, world)
    assert Brink(URL).read(world) is not None
    world.sqs._queues[URL].items.clear()
    assert SqsBurst.revert(undo, world).outcome is Outcome.SUPERSEDED
    assert Brink(URL).read(world) is None


def test_a_day_later_it_looks_again(world: FakeWorld) -> None:
    busy(world)
    undo = struck(SqsBurst(messages=3), world)
    put(world, "order", receives=1)
    with pytest.raises(UndoFailedError):
        SqsBurst.revert(undo, world)
    world.sqs.send(URL, [Message(body="ours", attributes={RUN_ATTRIBUTE: "inj-1"})])
    world.clock.advance(SHUN_S)
    assert SqsBurst.revert(undo, world).proof["removed"] == {"input": 1}


def test_what_a_hold_noted_keeps_an_undo_from_looking_too(world: FakeWorld) -> None:
    undo = struck(SqsBurst(messages=1), world)
    world.sqs._queues[URL].items.clear()
    met(world)
    with pytest.raises(UndoFailedError, match="looking again could push"):
        SqsBurst.revert(undo, world)
    assert untouched(world)


def test_a_full_disk_keeps_none_of_ours_in_the_queue(world: FakeWorld) -> None:
    undo = struck(SqsBurst(messages=3), world)
    put(world, "order", receives=1)

    def full(*_: Any, **__: Any) -> None:
        raise ChaosdError("no room")

    world.files.put = full
    assert SqsBurst.revert(undo, world).proof["removed"] == {"input": 3}
    assert untouched(world)


def test_of_many_at_the_brink_not_every_one_is_written_down(world: FakeWorld) -> None:
    undo, writes, real = struck(SqsBurst(messages=3), world), list[str](), world.files.put
    for number in range(50):
        put(world, f"{number}", receives=1)

    def written(path: str, *given: Any, **named: Any) -> None:
        writes.append(path)
        real(path, *given, **named)

    world.files.put = written
    SqsBurst.revert(undo, world)
    assert writes == [Brink(URL).path(world)]


# --- what is not let in -----------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [SqsBurst(), SqsPoison(), InterruptMessage(), SqsDuplicate(), SqsHold()])
def test_after_a_hold_has_noted_the_brink_nothing_is_admitted(world: FakeWorld, fault: Any) -> None:
    met(world)
    with pytest.raises(RefusedError, match="another could be its last") as caught:
        prepared(fault, world)
    assert caught.value.rule == "max-receives"
    assert Brink(URL).path(world) in caught.value.hint
    assert untouched(world)


def test_a_dead_letter_queue_at_the_brink_admits_nothing_either(world: FakeWorld) -> None:
    put(world, "dead", url=DEAD)
    (one,) = world.sqs.receive(DEAD, visibility_s=0)
    Brink(DEAD).write(one, world)
    with pytest.raises(RefusedError, match=f"nothing was sent: message .* of {DEAD}"):
        prepared(SqsBurst(), world)


@pytest.mark.parametrize("fault", [SqsBurst(messages=3), SqsPoison(messages=3), InterruptMessage()])
def test_what_is_sent_to_a_queue_that_was_seen_empty_is_removed_again(world: FakeWorld, fault: Any) -> None:
    met(world)
    world.sqs._queues[URL].items.clear()
    undo = struck(fault, world)
    sent = len(world.sqs.messages(URL))
    assert sent
    assert fault.revert(undo, world).proof["removed"] == {"input": sent}


# --- sqs-duplicate ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("good", [False, True], ids=["alone", "behind another"])
def test_a_duplicate_that_met_one_at_the_brink_sends_no_copy_and_looks_for_none(
    world: FakeWorld, *, good: bool
) -> None:
    if good:
        put(world, "fresh")
    put(world, "order", receives=1)
    undo = prepared(SqsDuplicate(messages=2), world)
    with pytest.raises(RefusedError, match=r"given back at once") as caught:
        SqsDuplicate.inject(undo, world, Switch())
    assert caught.value.rule == "max-receives"
    assert world.sqs.hidden(URL) == []
    Brink(URL).forget(world)  # the duplicate's own note must do
    done = SqsDuplicate.revert(undo, world)
    assert (done.outcome, done.proof["given_back"]) == (Outcome.RESTORED, 1 + good)
    assert done.detail.endswith("; no copy was sent")
    assert world.sqs.receives(URL)["order"] == 2
    assert untouched(world)


def test_that_copies_are_sent_is_on_disk_before_the_first(world: FakeWorld) -> None:
    put(world, "order")
    undo, real, known = prepared(SqsDuplicate(), world), world.sqs.send, list[bool]()
    custody = Gathering.of(undo).custody(world)

    def send(url: str, batch: Any) -> Any:
        known.append(custody.may_have_sent())
        return real(url, batch)

    world.sqs.send = send  # type: ignore[method-assign]
    SqsDuplicate.inject(undo, world, Switch())
    assert known == [True]
    assert SqsDuplicate.revert(undo, world).proof["removed"] == {"input": 1}


@pytest.mark.parametrize("lost", [False, True], ids=["of an older chaosd", "lost"])
def test_where_the_file_does_not_say_copies_are_looked_for(world: FakeWorld, *, lost: bool) -> None:
    put(world, "order")
    undo = struck(SqsDuplicate(), world)
    (file,) = Path(world.private).glob("custody-*.json")
    kept = json.loads(file.read_text())
    assert kept.pop("sends") is True
    file.write_text(json.dumps(kept))
    if lost:
        file.unlink()
    assert SqsDuplicate.revert(undo, world).proof["removed"] == {"input": 1}


def test_a_halt_before_the_copy_leaves_nothing_to_look_for(world: FakeWorld) -> None:
    put(world, "order")
    undo, stop = prepared(SqsDuplicate(mode="later", after=20.0), world), Switch()
    world.clock.at(10.0, stop.set)
    SqsDuplicate.inject(undo, world, stop)
    SqsDuplicate.revert(undo, world)
    assert world.sqs.receives(URL) == {"order": 1}


def test_a_note_of_a_dead_letter_queue_that_was_seen_empty_keeps_no_copy_there(world: FakeWorld) -> None:
    put(world, "dead", url=DEAD)
    (one,) = world.sqs.receive(DEAD)
    Brink(DEAD).write(one, world)
    world.sqs.delete(DEAD, [one.handle])
    put(world, "order")
    undo = struck(SqsDuplicate(), world)
    put(world, "died since", url=DEAD)
    assert SqsDuplicate.revert(undo, world).proof["removed"] == {"input": 1}
