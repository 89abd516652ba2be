"""The worker's message: its names, its formats, its marks and the branch it asks for."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as some

from daemon.core.messages import (
    RUN_ATTRIBUTE,
    attributes,
    body,
    branch,
    command,
    message,
    size_bytes,
    token,
    tokens,
)

TEMPLATE = '{"job": {"id": "{commandId}", "thread": "{chatThreadId}"}, "text": "{instruction}", "at": {timestamp}}'
RUNS = some.text(min_size=1, max_size=20)
NUMBERS = some.integers(0, 16**5 - 1)


def test_the_standard_body_has_the_fields_of_the_design_and_nothing_else() -> None:
    order = command("run-1", 7, timestamp_ms=1_750_000_000_000, instruction="Add a line.", session=2, user=3)
    parsed = json.loads(body(order))
    short = order.session.split("-")[1]
    assert parsed == {
        "sessionId": f"session-{short}-2",
        "commandId": order.command,
        "chatThreadId": f"thread-{short}-2",
        "clientId": f"chaosd-{short}",
        "instruction": f"[{token('run-1', 7)}] Add a line.",
        "userId": "test-user-3",
        "timestamp": 1_750_000_000_000,
    }
    assert order.command.startswith("cmd-")


def test_the_attributes_are_the_workers_two_and_the_mark() -> None:
    order = command("run-1", 7, timestamp_ms=0, instruction="x")
    assert attributes(order, "run-1") == {
        "sessionId": order.session,
        "commandId": order.command,
        RUN_ATTRIBUTE: "run-1",
    }


@given(RUNS, NUMBERS, NUMBERS)
def test_tokens_are_found_again_and_differ_when_the_numbers_do(run: str, one: int, other: int) -> None:
    assert tokens(f"a [{token(run, one)}] b") == (token(run, one),)
    assert (token(run, one) == token(run, other)) == (one == other)
    assert len(token(run, one)) == len(token(run, other))


def test_a_number_that_would_repeat_a_token_is_refused() -> None:
    with pytest.raises(ValueError, match="beyond"):
        token("run", 16**5)


@given(RUNS, NUMBERS)
def test_two_runs_never_share_a_command_id(run: str, number: int) -> None:
    mine = command(run, number, timestamp_ms=0, instruction="x")
    theirs = command(f"{run}'", number, timestamp_ms=0, instruction="x")
    assert mine.command != theirs.command
    assert mine.thread != theirs.thread


@given(some.text(), NUMBERS, some.integers(0, 2**45))
def test_a_template_carries_any_instruction_unharmed(instruction: str, number: int, at_ms: int) -> None:
    order = command("run", number, timestamp_ms=at_ms, instruction=instruction)
    parsed = json.loads(body(order, TEMPLATE))
    assert parsed == {
        "job": {"id": order.command, "thread": order.thread},
        "text": order.instruction,
        "at": at_ms,
    }


def test_an_instruction_that_looks_like_a_placeholder_stays_as_it_is() -> None:
    order = command("run", 1, timestamp_ms=0, instruction="say {userId}")
    assert json.loads(body(order, TEMPLATE))["text"].endswith("say {userId}")


@pytest.mark.parametrize(
    "form", ["no json {instruction}", '["{instruction}"]', '{"x": {unknown}}', '{"x": {instruction}}']
)
def test_a_template_that_makes_no_message_is_refused(form: str) -> None:
    with pytest.raises(ValueError, match="message format"):
        body(command("run", 1, timestamp_ms=0, instruction="x"), form)


def test_the_branch_comes_from_the_bodys_own_fields() -> None:
    order = replace(command("run", 1, timestamp_ms=0, instruction="x"), thread="42")
    assert branch("thread-{chatThreadId}", body(order)) == "thread-42"
    assert branch("{job.thread}/{job.id}", body(order, TEMPLATE)) == f"42/{order.command}"


@pytest.mark.parametrize("text", ["not json", "[]", "{}", '{"chatThreadId": null}', '{"chatThreadId": {}}'])
def test_a_body_without_the_field_asks_for_no_branch(text: str) -> None:
    assert branch("thread-{chatThreadId}", text) is None


def test_fifo_messages_are_grouped_by_session_and_copies_differ_only_in_deduplication() -> None:
    order = command("run", 1, timestamp_ms=0, instruction="x")
    first, second = message(order, "run", fifo=True), message(order, "run", fifo=True, copy=3)
    assert first.group == second.group == order.session
    assert first.deduplication != second.deduplication
    assert replace(first, deduplication=None) == replace(second, deduplication=None)
    assert message(order, "run").group is None


def test_the_size_counts_bytes_of_body_and_attributes() -> None:
    sent = replace(
        message(command("run", 1, timestamp_ms=0, instruction="x"), "run"), body="é", attributes={"k": "v"}
    )
    assert size_bytes(sent) == 2 + len("kStringv")
