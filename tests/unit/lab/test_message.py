"""What the lab's worker accepts as a message."""

import json

import pytest

from daemon.lab.worker.message import INSTRUCTION_CHARACTERS_MAX, MalformedMessage, answer_fields, parse

TEMPLATE = "thread-{chatThreadId}"
GOOD = {"sessionId": "session-a-1", "commandId": "cmd-7", "chatThreadId": "thread-a", "instruction": "do it"}


def test_a_standard_message_becomes_a_command_on_its_branch() -> None:
    command = parse(json.dumps(GOOD | {"userId": "test-user-1", "timestamp": 1}), TEMPLATE)
    assert (command.branch, command.path, command.line) == (
        "thread-thread-a",
        "content/session-a-1.md",
        "do it [cmd-7]",
    )


def test_an_instruction_becomes_one_printable_line() -> None:
    command = parse(json.dumps(GOOD | {"instruction": "one\n\ttwo\u0000 three\ud800"}), TEMPLATE)
    assert command.instruction == "one two three?"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "nonsense",
        "null",
        "[]",
        "[" * 100_000,
        json.dumps(GOOD | {"instruction": "   "}),
        json.dumps(GOOD | {"instruction": 7}),
        json.dumps(GOOD | {"instruction": "x" * (INSTRUCTION_CHARACTERS_MAX + 1)}),
        *(
            json.dumps(GOOD | {field: value})
            for field in ("sessionId", "commandId", "chatThreadId")
            for value in (
                "",
                None,
                "../up",
                "a/b",
                "a..b",
                "-x",
                ".x",
                "x.",
                "x.lock",
                "a b",
                "a\n",
                "é",
                "x" * 200,
            )
        ),
    ],
    ids=repr,
)
def test_anything_else_is_malformed(body: str) -> None:
    with pytest.raises(MalformedMessage):
        parse(body, TEMPLATE)
    answer_fields(body)
