"""The schedule and the content of a burst, as pure functions."""

import json
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as some

from daemon.core.cloud import Message
from daemon.core.messages import RUN_ATTRIBUTE, branch, size_bytes, tokens
from faults.sqs.mix import SLACK_BYTES, Mix
from faults.sqs.shapes import BATCH_MOST, RAMP, SPIKE, SUSTAINED, TOGETHER_S, batches, send_times

COUNTS = some.integers(1, 500)
RATES = some.floats(0.1, 5000)
PLAIN = Mix(
    run="inj-1", seed=5, shape=SUSTAINED, messages=100, rate=50.0, sessions=7, users=3, duplicates=0, malformed=0,
    oversize=0, instruction="Add a line.", form="standard", fifo=False, max_message_bytes=262_144, at_ms=10_000,
)  # fmt: skip


@given(some.sampled_from([SPIKE, RAMP, SUSTAINED]), COUNTS, some.just(0.0) | RATES)
def test_every_message_has_a_time_and_time_never_runs_back(shape: str, count: int, rate: float) -> None:
    due_s = send_times(shape, count, rate)
    assert len(due_s) == count
    assert due_s[0] == 0
    assert all(a <= b for a, b in pairwise(due_s))


@given(COUNTS, RATES)
def test_a_sustained_burst_is_even(count: int, rate: float) -> None:
    due_s = send_times(SUSTAINED, count, rate)
    assert all(b - a == pytest.approx(1 / rate, rel=1e-6) for a, b in pairwise(due_s))


@given(some.integers(20, 500), RATES)
def test_a_ramp_takes_twice_as_long_and_ends_at_the_rate(count: int, rate: float) -> None:
    due_s = send_times(RAMP, count, rate)
    lasts_s = 2 * count / rate
    half = sum(t < lasts_s / 2 for t in due_s)
    assert half == pytest.approx(count / 4, abs=1)
    assert 1 / (due_s[-1] - due_s[-2]) == pytest.approx(rate, rel=0.1)


@given(COUNTS, RATES)
def test_a_spike_and_a_rate_of_nothing_are_at_once(count: int, rate: float) -> None:
    assert set(send_times(SPIKE, count, rate)) == set(send_times(SUSTAINED, count, 0)) == {0.0}


@given(some.lists(some.tuples(some.floats(0, 0.2), some.integers(1, 60)), max_size=60), some.integers(20, 300))
def test_batches_keep_order_and_every_limit(gaps: list[tuple[float, int]], room: int) -> None:
    at_s, timed = 0.0, []
    for number, (gap_s, size) in enumerate(gaps):
        at_s += gap_s
        timed.append((at_s, Message(body=f"{number:03}" + "x" * size, attributes={})))
    cut = list(batches(timed, room))
    assert [m for _, batch in cut for m in batch] == [m for _, m in timed]
    due = {m.body: t for t, m in timed}
    for starts_s, batch in cut:
        assert starts_s == due[batch[0].body]
        assert due[batch[-1].body] - starts_s <= TOGETHER_S
        assert 1 <= len(batch) <= BATCH_MOST
        assert sum(map(size_bytes, batch)) <= room or len(batch) == 1


@given(some.integers(1, 80), some.integers(0, 2**32), some.data())
def test_a_mix_holds_exactly_what_was_asked_for(messages: int, seed: int, data: some.DataObject) -> None:
    malformed = data.draw(some.integers(0, messages))
    oversize = data.draw(some.integers(0, messages - malformed))
    duplicates = data.draw(some.integers(0, max(0, messages - malformed - oversize - 1)))
    mix = replace(
        PLAIN, messages=messages, seed=seed, malformed=malformed, oversize=oversize, duplicates=duplicates,
        max_message_bytes=4096,
    )  # fmt: skip
    sent = [m for _, m in mix.timed()]
    assert len(sent) == messages
    assert all(m.attributes[RUN_ATTRIBUTE] == "inj-1" for m in sent)
    well = [m for m in sent if branch("{chatThreadId}", m.body)]
    large = [m for m in well if size_bytes(m) == 4096 - SLACK_BYTES]
    assert len(sent) - len(well) == malformed
    assert len(large) == oversize
    assert messages - malformed - len({m.body for m in well}) == duplicates


def test_the_same_record_makes_the_same_messages_and_another_seed_others() -> None:
    mix = replace(PLAIN, duplicates=10, malformed=10)
    again = Mix.of(json.loads(json.dumps(mix.data())))
    assert list(again.timed()) == list(mix.timed())
    assert list(replace(mix, seed=6).timed()) != list(mix.timed())


def test_sessions_share_the_messages_evenly_and_belong_to_one_user_each() -> None:
    parsed = [json.loads(m.body) for _, m in PLAIN.timed()]
    each = Counter(p["sessionId"] for p in parsed)
    assert len(each) == 7
    assert max(each.values()) - min(each.values()) <= 1
    assert len({(p["sessionId"], p["userId"], p["chatThreadId"]) for p in parsed}) == 7
    assert len({p["userId"] for p in parsed}) == 3


def test_each_ordinary_message_has_a_token_and_a_time_of_its_own() -> None:
    timed = list(PLAIN.timed())
    assert len({t for _, m in timed for t in tokens(m.body)}) == 100
    assert all(json.loads(m.body)["timestamp"] == 10_000 + int(due * 1000) for due, m in timed)


def test_on_a_fifo_queue_a_duplicate_is_not_dropped_as_one() -> None:
    sent = [m for _, m in replace(PLAIN, fifo=True, duplicates=40).timed()]
    assert len({m.deduplication for m in sent}) == 100
    assert all(m.group == json.loads(m.body)["sessionId"] for m in sent)
