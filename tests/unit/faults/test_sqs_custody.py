"""What is received of others is given back once, by whoever comes next, and comes back by itself otherwise."""

import json
import stat
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from daemon.core.cloud import Message, Received
from daemon.core.errors import ChaosdError, RefusedError, TargetAbsentError, UndoFailedError, UnreachableError
from daemon.core.model import Order, Outcome, Undo
from daemon.core.target import Queue, Target
from daemon.ports.files import LocalFiles
from faults.sqs.gathering import Gathering
from faults.sqs.hold import SqsHold
from tests.fakes import Death, FakeWorld, Mortal, Switch

URL, DEAD = "sqs://input", "sqs://dead"
LASTS_S = 60.0
HIDDEN_S = LASTS_S + 10 + 10  # --for, gather, margin


@pytest.fixture
def world(tmp_path: Path) -> FakeWorld:
    made = FakeWorld(str(tmp_path), files=LocalFiles())
    made.sqs.add(DEAD)
    made.sqs.add(URL, max_receives=5, dead_letter=DEAD)
    made.sqs.send(URL, [Message(body=f"{n}", attributes={}) for n in range(4)])
    return made


def prepared(world: FakeWorld, **given: Any) -> Undo:
    target = Target(name="t", queue=Queue(url=URL))
    order = Order(injection="inj-1", target=target, dice=Random(1), lasts_s=LASTS_S)
    undo = SqsHold(**given).prepare(order, world)
    return replace(undo, data=json.loads(json.dumps(undo.data)))


def held(world: FakeWorld, **given: Any) -> Undo:
    undo = prepared(world, **given)
    SqsHold.inject(undo, world, Switch())
    return undo


def left(world: FakeWorld) -> list[str]:
    return sorted(path.name for path in Path(world.private).iterdir())


def killed(world: FakeWorld, undo: Undo, after: str) -> None:
    """Inject, and die at the moment right after the first such effect."""
    counted = Mortal(world)
    counted.moment = lambda: (_ for _ in ()).throw(Death) if counted.effects[-1:] == [after] else None  # type: ignore[method-assign, return-value]
    with pytest.raises(Death):
        SqsHold.inject(undo, counted, Switch())


def test_every_message_is_received_once_hidden_and_given_back_at_once(world: FakeWorld) -> None:
    undo = held(world, messages=3)
    assert world.sqs.hidden(URL) == ["0", "1", "2"]
    began_s = world.clock.elapsed_s
    done = SqsHold.revert(undo, world)
    assert world.sqs.hidden(URL) == []
    assert world.clock.elapsed_s == began_s, "nothing had to be waited for"
    assert (done.outcome, done.proof["given_back"], done.proof["waited_s"]) == (Outcome.RESTORED, 3, 0.0)
    assert world.sqs.receives(URL) == {"0": 1, "1": 1, "2": 1, "3": 0}
    assert left(world) == []
    assert set(world.sqs.once) == {True}, "a receive without an answer is never asked again"


def test_without_anybody_to_give_them_back_they_come_back_by_themselves(world: FakeWorld) -> None:
    held(world, messages=4)
    world.clock.advance(HIDDEN_S - 2)
    assert len(world.sqs.hidden(URL)) == 4
    world.clock.advance(2)
    assert world.sqs.hidden(URL) == []


def test_the_handle_stands_on_our_disk_alone_for_nobody_else_to_read(world: FakeWorld) -> None:
    undo = held(world, messages=1)
    (file,) = Path(world.private).iterdir()
    (kept,) = json.loads(file.read_text())["messages"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    done = SqsHold.revert(undo, world)
    assert kept["handle"] not in json.dumps([asdict(undo), asdict(done)], default=dict)
    got = Received(id="i", handle="secret-handle", body="", attributes={}, receives=1)
    assert "secret-handle" not in repr(got)


def test_killed_between_the_receive_and_its_note_the_message_is_waited_for(world: FakeWorld) -> None:
    undo = prepared(world, messages=2)
    killed(world, undo, "sqs.receive")
    assert world.sqs.hidden(URL) == ["0"]
    began_s = world.clock.elapsed_s
    done = SqsHold.revert(undo, world)
    assert world.sqs.hidden(URL) == []
    assert HIDDEN_S <= world.clock.elapsed_s - began_s <= HIDDEN_S + 20
    assert done.proof["receives_without_an_answer"] == 1
    assert "has come back by itself" in done.detail


def test_no_handle_is_used_twice_a_worker_may_hold_the_message_by_a_newer_one(world: FakeWorld) -> None:
    undo, real = held(world, messages=2), world.sqs.release
    used: list[str] = []

    def die_after(url: str, handles: list[str]) -> None:
        real(url, handles)
        used.extend(handles)
        raise Death

    world.sqs.release = die_after  # type: ignore[method-assign, assignment]
    with pytest.raises(Death):
        SqsHold.revert(undo, world)
    taken = world.sqs.receive(URL, most=2, visibility_s=1000)
    world.sqs.release = lambda *_: pytest.fail("a handle was used again")  # type: ignore[method-assign, assignment]
    SqsHold.revert(undo, world)
    assert [one.body for one in taken] == world.sqs.hidden(URL), "the worker has them still"
    assert len(used) == 2


def test_a_call_that_failed_is_tried_again(world: FakeWorld) -> None:
    undo, real = held(world, messages=2), world.sqs.release

    def fail(*_: Any) -> None:
        raise UnreachableError("no answer")

    world.sqs.release = fail  # type: ignore[method-assign, assignment]
    with pytest.raises(UnreachableError):
        SqsHold.revert(undo, world)
    world.sqs.release = real  # type: ignore[method-assign]
    began_s = world.clock.elapsed_s
    assert SqsHold.revert(undo, world).proof["given_back"] == 2
    assert world.clock.elapsed_s == began_s


def test_a_full_disk_keeps_nothing_hidden(world: FakeWorld) -> None:
    undo, real = held(world, messages=2), world.files.put

    def full(*_: Any, **__: Any) -> None:
        raise ChaosdError("no room")

    world.files.put = full
    assert SqsHold.revert(undo, world).proof["given_back"] == 2
    world.files.put = real
    assert world.sqs.hidden(URL) == []
    assert left(world) == []


def test_without_room_to_write_a_handle_down_nothing_is_received(world: FakeWorld) -> None:
    undo = prepared(world)

    def full(*_: Any, **__: Any) -> None:
        raise ChaosdError("no room")

    world.files.put = full
    with pytest.raises(ChaosdError, match="no room"):
        SqsHold.inject(undo, world, Switch())
    assert world.sqs.once == []


def test_what_a_crash_left_of_the_file_goes_too(world: FakeWorld) -> None:
    undo = held(world, messages=1)
    (file,) = Path(world.private).iterdir()
    Path(f"{file}.new").write_text("half")
    SqsHold.revert(undo, world)
    assert left(world) == []


def test_a_handle_whose_time_is_over_is_not_used(world: FakeWorld) -> None:
    undo = held(world, messages=1)
    world.clock.advance(HIDDEN_S)
    world.sqs.receive(URL, most=1, visibility_s=1000)
    world.sqs.release = lambda *_: pytest.fail("released")  # type: ignore[method-assign, assignment]
    done = SqsHold.revert(undo, world)
    assert (done.proof["given_back"], done.proof["came_back_by_themselves"]) == (0, 1)


@pytest.mark.parametrize("gather", [0.0, 0.3, 9.999])
def test_what_comes_back_by_itself_is_there_when_the_undo_says_so(world: FakeWorld, gather: float) -> None:
    """SQS hides for whole seconds: half a second too little was waited for, and a kill in ten showed it."""
    undo = held(world, messages=1, gather=gather)
    world.clock.advance(LASTS_S + gather + 9.0)  # so near its end a handle is not used any more
    assert SqsHold.revert(undo, world).proof["came_back_by_themselves"] == 1
    assert world.sqs.hidden(URL) == []


def test_a_receive_that_was_refused_hides_nothing_one_without_an_answer_may(world: FakeWorld) -> None:
    undo = prepared(world)
    for error, waits in (
        (RefusedError("denied", rule="iam"), False),
        (TargetAbsentError("no queue"), False),
        (UnreachableError("no answer"), True),
    ):

        def fail(*_: Any, error: Exception = error, **__: Any) -> Any:
            raise error

        real, world.sqs.receive = world.sqs.receive, fail  # type: ignore[method-assign, assignment]
        with pytest.raises(type(error)):
            SqsHold.inject(undo, world, Switch())
        world.sqs.receive = real  # type: ignore[method-assign]
        began_s = world.clock.elapsed_s
        outcome = SqsHold.revert(undo, world).outcome
        assert (world.clock.elapsed_s > began_s) is waits
        assert outcome is (Outcome.RESTORED if waits else Outcome.UNTOUCHED)


def test_a_clock_that_was_set_back_makes_nobody_wait_longer_than_a_receive_hides(world: FakeWorld) -> None:
    undo = prepared(world, messages=1)
    killed(world, undo, "sqs.receive")
    began_s = world.clock.elapsed_s
    world.clock._wall_0 -= 3600.0
    SqsHold.revert(undo, world)
    assert world.clock.elapsed_s - began_s <= HIDDEN_S + 20


def test_what_stays_hidden_too_long_is_said_with_the_time_at_which_it_comes_back(world: FakeWorld) -> None:
    undo = prepared(world, messages=1)
    killed(world, undo, "sqs.receive")
    with pytest.raises(UndoFailedError, match="may be hidden for another") as caught:
        Gathering.of(undo).custody(world).close(within_s=1.0)
    assert "come back by themselves at" in caught.value.hint
    SqsHold.revert(undo, world)
    assert world.sqs.hidden(URL) == []


def test_a_damaged_file_is_an_undo_that_failed(world: FakeWorld) -> None:
    undo = held(world, messages=1)
    (file,) = Path(world.private).iterdir()
    file.write_text("{")
    with pytest.raises(UndoFailedError, match="is damaged"):
        SqsHold.revert(undo, world)


# --- how often --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [1, 2])
def test_a_queue_that_allows_too_few_receives_is_refused(world: FakeWorld, most: int) -> None:
    world.sqs.add(URL, max_receives=most, dead_letter=DEAD)
    with pytest.raises(RefusedError, match="fewer than 2 to the worker") as caught:
        prepared(world)
    assert caught.value.rule == "max-receives"


def test_a_message_at_the_brink_is_given_back_at_once_and_its_queue_left_alone(world: FakeWorld) -> None:
    for _ in range(3):  # a worker that fails
        taken = world.sqs.receive(URL, most=1)
        world.sqs.release(URL, [taken[0].handle])
    undo = prepared(world)
    with pytest.raises(RefusedError, match=r"had been received 4 of 5 times"):
        SqsHold.inject(undo, world, Switch())
    assert world.sqs.hidden(URL) == []
    SqsHold.revert(undo, world)
    with pytest.raises(RefusedError, match="another could be its last") as caught:
        prepared(world)
    assert "brink-" in caught.value.hint
    assert world.sqs.receives(URL)["0"] == 4, "looking costs nothing"


def test_the_queue_is_left_alone_until_it_was_seen_empty_or_a_day_later(world: FakeWorld) -> None:
    for again in (lambda: world.clock.advance(90_000), lambda: world.sqs.add(URL, max_receives=5)):
        world.sqs.add(URL, max_receives=5, dead_letter=DEAD)
        world.sqs.send(URL, [Message(body="0", attributes={})])
        for _ in range(3):
            taken = world.sqs.receive(URL, most=1)
            world.sqs.release(URL, [taken[0].handle])
        undo = prepared(world)
        with pytest.raises(RefusedError):
            SqsHold.inject(undo, world, Switch())
        SqsHold.revert(undo, world)
        again()
        prepared(world)


def test_what_was_kept_before_one_at_the_brink_stays_held(world: FakeWorld) -> None:
    taken = world.sqs.receive(URL, most=2)
    for _ in range(3):
        world.sqs.release(URL, [taken[1].handle])
        taken = (taken[0], *world.sqs.receive(URL, most=1))
    world.sqs.release(URL, [one.handle for one in taken])
    undo = held(world, messages=4)
    assert world.sqs.hidden(URL) == ["0"]
    assert SqsHold.revert(undo, world).proof["given_back"] == 2, "the one at the brink was given back as well"


def test_where_receives_are_not_counted_ten_are_asked_for_at_once(world: FakeWorld) -> None:
    asked: list[int] = []
    real = world.sqs.receive

    def receive(url: str, *, most: int = 10, **given: Any) -> Any:
        asked.append(most)
        return real(url, most=most, **given)

    world.sqs.receive = receive  # type: ignore[method-assign]
    SqsHold.revert(held(world, messages=4), world)
    assert set(asked) == {1}
    world.sqs.add(URL)
    world.sqs.send(URL, [Message(body=f"{n}", attributes={}) for n in range(10)])
    asked.clear()
    SqsHold.revert(held(world, messages=10), world)
    assert asked == [10]


# --- which, and how long ----------------------------------------------------------------------------------


def test_an_empty_queue_is_absent_after_the_time_it_was_looked_at(world: FakeWorld) -> None:
    world.sqs.add(URL)
    began_s = world.clock.elapsed_s
    with pytest.raises(TargetAbsentError, match=r"none was visible(.|\n)*--set gather="):
        held(world, gather=5.0)
    assert 5.0 <= world.clock.elapsed_s - began_s <= 7.0


def test_a_rival_consumer_takes_what_comes_until_its_time_is_over(world: FakeWorld) -> None:
    more: Callable[[], Any] = lambda: world.sqs.send(URL, [Message(body="late", attributes={})])  # noqa: E731
    world.clock.at(6.0, more)
    held(world, mode="arriving", messages=100)
    assert world.sqs.hidden(URL) == ["0", "1", "2", "3", "late"]


def test_without_that_it_takes_what_is_there_and_does_not_wait(world: FakeWorld) -> None:
    began_s = world.clock.elapsed_s
    held(world, messages=100)
    assert world.clock.elapsed_s - began_s <= 2.0


def test_sqs_hides_nothing_for_longer_than_twelve_hours(world: FakeWorld) -> None:
    target = Target(name="t", queue=Queue(url=URL))
    order = Order(injection="inj-1", target=target, dice=Random(1), lasts_s=43_200)
    with pytest.raises(RefusedError, match="43200 s at most"):
        SqsHold().prepare(order, world)


def test_a_halt_ends_the_gathering(world: FakeWorld) -> None:
    stop = Switch()
    real = world.sqs.receive

    def receive(*given: Any, **named: Any) -> Any:
        stop.set()
        return real(*given, **named)

    world.sqs.receive = receive  # type: ignore[method-assign]
    undo = prepared(world)
    SqsHold.inject(undo, world, stop)
    assert world.sqs.hidden(URL) == ["0"]
    SqsHold.revert(undo, world)
    assert world.sqs.hidden(URL) == []
