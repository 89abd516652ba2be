"""Twice, in another order, behind a blocked head, malformed: what the worker sees, and what is left afterwards."""

import json
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from daemon.core.cloud import Message, Typed
from daemon.core.errors import ChaosdError, ConfigError, RefusedError, TargetAbsentError
from daemon.core.messages import RUN_ATTRIBUTE, size_bytes
from daemon.core.model import Order, Outcome, Undo
from daemon.core.target import Queue, Target
from daemon.ports.files import LocalFiles
from faults.sqs.duplicate import SqsDuplicate
from faults.sqs.gathering import Gathering
from faults.sqs.head_of_line import SqsHeadOfLine
from faults.sqs.poison import SqsPoison
from faults.sqs.reorder import SqsReorder
from tests.fakes import FakeWorld, Switch

URL, FIFO, DEAD = "sqs://input", "sqs://input.fifo", "sqs://dead"
NUMBER, BYTES = Typed(kind="Number", text="7"), Typed(kind="Binary.png", data=b"\x00\xff")


@pytest.fixture
def world(tmp_path: Path) -> FakeWorld:
    made = FakeWorld(str(tmp_path), files=LocalFiles())
    made.sqs.add(DEAD)
    made.sqs.add(URL, max_receives=5, dead_letter=DEAD)
    made.sqs.add(FIFO, max_receives=5)
    return made


def order(url: str = URL, form: str = "standard", seed: int = 1) -> Order:
    target = Target(name="t", queue=Queue(url=url, format=form))
    return Order(injection="inj-1", target=target, dice=Random(seed), lasts_s=30)


def prepared(fault: Any, world: FakeWorld, url: str = URL, **given: Any) -> Undo:
    undo: Undo = fault.prepare(order(url, **given), world)
    return replace(undo, data=json.loads(json.dumps(undo.data)))


def struck(fault: Any, world: FakeWorld, url: str = URL, **given: Any) -> Undo:
    undo = prepared(fault, world, url, **given)
    fault.inject(undo, world, Switch())
    return undo


def put(world: FakeWorld, *bodies: str, url: str = URL, group: str | None = None, **more: Any) -> None:
    for body in bodies:
        world.sqs.send(url, [Message(body=body, attributes={}, group=group, deduplication=body, **more)])


def bodies(world: FakeWorld, url: str = URL) -> list[str]:
    return [one.body for one in world.sqs.messages(url)]


# --- sqs-duplicate ----------------------------------------------------------------------------------------


def test_the_copy_is_exact_but_for_the_mark_and_both_are_there(world: FakeWorld) -> None:
    typed = {"n": NUMBER, "b": BYTES}
    world.sqs.send(URL, [Message(body="work", attributes={"a": "1"}, typed=typed, group="tenant")])
    undo = struck(SqsDuplicate(), world)
    one, copy = world.sqs.messages(URL)
    assert (copy.body, copy.typed, copy.group) == (one.body, one.typed, one.group)
    assert copy.attributes == {"a": "1", RUN_ATTRIBUTE: "inj-1"}
    assert world.sqs.hidden(URL) == []
    done = SqsDuplicate.revert(undo, world)
    assert bodies(world) == ["work"]
    assert RUN_ATTRIBUTE not in world.sqs.messages(URL)[0].attributes
    assert (done.outcome, done.proof["removed"], done.proof["planned"]) == (Outcome.RESTORED, {"input": 1}, 1)
    assert done.proof["originals"]["given_back"] == 1  # type: ignore[index]


def test_the_body_of_somebody_s_message_is_not_in_the_record_and_what_was_handled_is_superseded(
    world: FakeWorld,
) -> None:
    put(world, "a private matter")
    undo = struck(SqsDuplicate(), world)
    for one in world.sqs.receive(URL):
        world.sqs.delete(URL, [one.handle])
    done = SqsDuplicate.revert(undo, world)
    assert done.outcome is Outcome.SUPERSEDED
    assert "a private matter" not in json.dumps([dict(undo.data), dict(done.proof), done.detail], default=dict)


def test_where_nothing_came_no_copy_was_sent_and_nobody_pays_for_looking(world: FakeWorld) -> None:
    undo = prepared(SqsDuplicate(), world)
    with pytest.raises(TargetAbsentError, match=r"none was visible(.|\n)*--set wait_for_work="):
        SqsDuplicate.inject(undo, world, Switch())
    put(world, "came later")
    done = SqsDuplicate.revert(undo, world)
    assert (done.outcome, done.detail) == (Outcome.UNTOUCHED, "nothing had been received")
    (later,) = world.sqs.receive(URL)
    assert later.receives == 1


def test_copies_are_looked_for_also_where_it_is_not_known_whether_any_was_sent(world: FakeWorld) -> None:
    """A revert that dies after giving the message back leaves no note of it, and the copy."""
    put(world, "work")
    undo = struck(SqsDuplicate(), world)
    Gathering.of(undo).custody(world).close(within_s=100)
    assert SqsDuplicate.revert(undo, world).outcome is Outcome.RESTORED
    assert bodies(world) == ["work"]


def test_at_once_the_copy_is_there_while_the_message_is_hidden_later_it_comes_after(world: FakeWorld) -> None:
    put(world, "work")
    real, seen = world.sqs.send, list[tuple[list[str], float]]()

    def send(url: str, batch: Any) -> Any:
        seen.append((world.sqs.hidden(url), world.clock.elapsed_s))
        return real(url, batch)

    world.sqs.send = send  # type: ignore[method-assign]
    SqsDuplicate.revert(struck(SqsDuplicate(mode="at-once"), world), world)
    began_s = world.clock.elapsed_s
    SqsDuplicate.revert(struck(SqsDuplicate(mode="later", after=20.0), world), world)
    assert [hidden for hidden, _ in seen] == [["work"], []]
    assert seen[1][1] - began_s >= 20


def test_in_a_fifo_group_a_copy_could_not_be_removed_again(world: FakeWorld) -> None:
    with pytest.raises(RefusedError, match="could not be removed again") as caught:
        prepared(SqsDuplicate(), world, FIFO)
    assert caught.value.rule == "fifo-queue"


@pytest.mark.parametrize(
    "message",
    [
        Message(body="x", attributes={f"a{n}": "1" for n in range(10)}),
        Message(body="x" * 1_048_570, attributes={}),
        Message(body="x", attributes={RUN_ATTRIBUTE: "inj-1"}),
    ],
    ids=["ten attributes", "too large", "ours"],
)
def test_what_can_bear_no_mark_gets_no_copy_and_is_given_back(world: FakeWorld, message: Message) -> None:
    world.sqs.send(URL, [message])
    undo = prepared(SqsDuplicate(), world)
    with pytest.raises(TargetAbsentError, match="of no use, and was given back"):
        SqsDuplicate.inject(undo, world, Switch())
    assert len(world.sqs.messages(URL)) == 1
    assert world.sqs.hidden(URL) == []


def test_a_message_of_a_workload_is_copied_under_our_mark(world: FakeWorld) -> None:
    world.sqs.send(URL, [Message(body="x", attributes={RUN_ATTRIBUTE: "scenario-1"})])
    undo = struck(SqsDuplicate(), world)
    SqsDuplicate.revert(undo, world)
    assert [one.attributes[RUN_ATTRIBUTE] for one in world.sqs.messages(URL)] == ["scenario-1"]


def test_a_send_that_fails_gives_the_message_back_in_the_revert(world: FakeWorld) -> None:
    put(world, "work")
    world.sqs.refuses = lambda *_: "InternalError"
    undo = prepared(SqsDuplicate(), world)
    with pytest.raises(ChaosdError, match="1 messages were not sent"):
        SqsDuplicate.inject(undo, world, Switch())
    assert world.sqs.hidden(URL) == ["work"]
    SqsDuplicate.revert(undo, world)
    assert world.sqs.hidden(URL) == []


# --- sqs-reorder ------------------------------------------------------------------------------------------


def handled(world: FakeWorld, log: list[str], until_s: float) -> None:
    """Be a worker that looks four times a second and finishes what it gets at once."""

    def work() -> None:
        for one in world.sqs.receive(URL, most=1):
            log.append(one.body)
            world.sqs.delete(URL, [one.handle])
        if world.clock.elapsed_s < until_s:
            world.clock.at(0.25, work)

    world.clock.at(0.5, work)


def test_a_worker_meets_them_in_the_other_order(world: FakeWorld) -> None:
    put(world, *"abcd")
    log: list[str] = []
    undo = prepared(SqsReorder(messages=4, gap=1.0), world)
    real = world.sqs.release

    def release(url: str, handles: Any) -> None:
        real(url, handles)
        if not log:
            handled(world, log, world.clock.elapsed_s + 10)

    world.sqs.release = release  # type: ignore[method-assign]
    SqsReorder.inject(undo, world, Switch())
    world.clock.advance(5)
    assert log == list("dcba")
    done = SqsReorder.revert(undo, world)
    assert (done.outcome, done.proof["given_back"]) == (Outcome.RESTORED, 4)


def test_the_dice_shuffle_and_all_are_back_when_it_is_over(world: FakeWorld) -> None:
    put(world, *"abcdef")
    log: list[str] = []
    real = world.sqs.release

    def release(url: str, handles: Any) -> None:
        log.extend(i.message.body for i in world.sqs._queue(url).items if i.handle in handles)
        real(url, handles)

    world.sqs.release = release  # type: ignore[method-assign]
    began_s = world.clock.elapsed_s
    undo = struck(SqsReorder(mode="shuffle", messages=6, gap=2.0), world)
    assert sorted(log) == list("abcdef")
    assert log not in (list("abcdef"), list("fedcba"))
    assert world.clock.elapsed_s - began_s == pytest.approx(10, abs=1)
    assert world.sqs.hidden(URL) == []
    assert world.sqs.receives(URL) == dict.fromkeys("abcdef", 1)
    SqsReorder.revert(undo, world)


def test_a_halt_in_the_middle_leaves_the_rest_to_the_revert(world: FakeWorld) -> None:
    put(world, *"abcd")
    stop = Switch()
    undo = prepared(SqsReorder(messages=4, gap=5.0), world)
    world.clock.at(6.0, stop.set)
    SqsReorder.inject(undo, world, stop)
    assert len(world.sqs.hidden(URL)) == 2
    SqsReorder.revert(undo, world)
    assert world.sqs.hidden(URL) == []


def test_a_fifo_queue_cannot_be_reordered(world: FakeWorld) -> None:
    with pytest.raises(RefusedError, match="keeps a group's order") as caught:
        prepared(SqsReorder(), world, FIFO)
    assert caught.value.rule == "fifo-queue"


# --- sqs-head-of-line -------------------------------------------------------------------------------------


def test_the_group_is_blocked_the_others_are_not_and_the_order_stays(world: FakeWorld) -> None:
    put(world, "a1", "a2", url=FIFO, group="a")
    put(world, "b1", "b2", url=FIFO, group="b")
    undo = struck(SqsHeadOfLine(), world, FIFO)
    assert world.sqs.hidden(FIFO) == ["a1"]
    assert [one.body for one in world.sqs.receive(FIFO, most=1)] == ["b1"]
    assert world.sqs.receive(FIFO, most=1) == (), "a2 waits behind a1"
    done = SqsHeadOfLine.revert(undo, world)
    assert done.proof["groups"] == ["a"]
    assert [one.body for one in world.sqs.receive(FIFO, most=1)] == ["a1"]


def test_as_many_groups_as_asked_for(world: FakeWorld) -> None:
    for group in "abc":
        put(world, f"{group}1", f"{group}2", url=FIFO, group=group)
    undo = struck(SqsHeadOfLine(groups=2), world, FIFO)
    assert world.sqs.hidden(FIFO) == ["a1", "b1"]
    SqsHeadOfLine.revert(undo, world)
    assert max(world.sqs.receives(FIFO).values()) == 1


def test_a_standard_queue_has_no_head_of_line(world: FakeWorld) -> None:
    with pytest.raises(RefusedError, match="standard queue") as caught:
        prepared(SqsHeadOfLine(), world)
    assert caught.value.rule == "standard-queue"


# --- sqs-poison -------------------------------------------------------------------------------------------


def sent(world: FakeWorld, url: str = URL, form: str = "standard", **given: Any) -> list[str]:
    undo = struck(SqsPoison(**given), world, url, form=form)
    found = world.sqs.messages(url)
    assert {one.attributes[RUN_ATTRIBUTE] for one in found} == {"inj-1"}
    texts = [one.body for one in found]
    done = SqsPoison.revert(undo, world)
    assert bodies(world, url) == []
    assert done.proof["removed"] == {"input": len(texts)}
    return texts


def test_not_json_is_no_json(world: FakeWorld) -> None:
    for text in sent(world, mode="not-json", messages=50):
        with pytest.raises(ValueError):  # noqa: PT011  whatever json says
            json.loads(text)


def test_each_message_lacks_another_field_or_the_one_named(world: FakeWorld) -> None:
    fields = {"sessionId", "commandId", "chatThreadId", "clientId", "instruction", "userId", "timestamp"}
    found = [set(json.loads(text)) for text in sent(world, mode="missing-field", messages=7)]
    assert [len(fields - one) for one in found] == [1] * 7
    assert set[str]().union(*(fields - one for one in found)) == fields
    (text,) = sent(world, mode="missing-field", field="userId")
    assert set(json.loads(text)) == fields - {"userId"}


def test_a_field_of_the_wrong_type_is_a_list(world: FakeWorld) -> None:
    (text,) = sent(world, mode="wrong-type", field="instruction")
    assert isinstance(json.loads(text)["instruction"], list)


@pytest.mark.parametrize("url", [URL, FIFO])
def test_huge_is_nearly_as_large_as_the_queue_takes(world: FakeWorld, url: str) -> None:
    undo = struck(SqsPoison(mode="huge", messages=3), world, url)
    limit = world.sqs.max_message_bytes
    assert all(limit - 2100 < size_bytes(one) <= limit for one in world.sqs.messages(url))
    SqsPoison.revert(undo, world)


def test_an_unknown_command_is_well_formed_whatever_the_format_calls_it(world: FakeWorld) -> None:
    assert json.loads(sent(world, mode="unknown-command")[0])["type"] == "chaosd-unknown"
    form = '{"action": "edit", "text": "{instruction}", "id": "{commandId}"}'
    assert json.loads(sent(world, form=form, mode="unknown-command")[0])["action"] == "chaosd-unknown"
    assert json.loads(sent(world, form=form, mode="unknown-command", field="text")[0])["text"] == "chaosd-unknown"


def test_a_field_the_format_has_not_is_told_with_those_it_has(world: FakeWorld) -> None:
    with pytest.raises(ConfigError, match="no field 'color'") as caught:
        prepared(SqsPoison(mode="missing-field", field="color"), world)
    assert "instruction" in caught.value.hint
    assert bodies(world) == []


def test_poison_in_the_dead_letter_queue_is_removed_and_a_real_dead_letter_is_not(world: FakeWorld) -> None:
    put(world, "real", url=DEAD)
    undo = struck(SqsPoison(messages=2), world)
    for _ in range(6):  # a worker that fails on it until it is dead-lettered
        taken = world.sqs.receive(URL)
        world.sqs.release(URL, [one.handle for one in taken])
    assert len(bodies(world, DEAD)) == 3
    done = SqsPoison.revert(undo, world)
    assert done.proof["removed"] == {"dead-letter": 2}
    assert bodies(world, DEAD) == ["real"]
