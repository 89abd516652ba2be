"""How numbers, spans and injections read."""

import json
from collections.abc import Iterator
from typing import Any

import click
import pytest

from daemon.faces import shapes
from daemon.faces.cli import program, tables
from daemon.faces.cli.summary import summary
from daemon.faces.cli.text import fields, number, seconds, shown, span, write_json
from daemon.faces.cli.types import WORDS


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0, "0.00 s"),
        (0.25, "0.25 s"),
        (1.24, "1.2 s"),
        (30.0, "30 s"),
        (200.0, "3 min 20 s"),
        (120.0, "2 min"),
        (7500.0, "2 h 5 min"),
        (90000.0, "1 d 1 h"),
    ],
)
def test_durations_read_like_durations(value: float, words: str) -> None:
    assert seconds(value) == words


def test_a_bracket_keeps_the_precision_of_the_samples() -> None:
    assert span([1.2, 1.456]) == "1.20-1.46 s"
    assert span(None) == "-"


def test_numbers_have_no_needless_digits() -> None:
    assert [number(v) for v in (1.0, 0.12345, 7, "x", [1.5, 2.0], {"a": 1.0})] == [
        "1",
        "0.123",
        "7",
        "x",
        "1.5,2",
        "a=1",
    ]


def test_what_the_worker_says_of_itself_does_not_act_on_a_terminal() -> None:
    evil = "worker \x1b]0;owned\x07\x1b[2J"
    found = {"name": "line", "detail": evil}
    look = {"target": "a", "probe": "logs", "status": "failing", "measures": {}, "findings": [found]}
    cells = [list(column.cells) for column in tables.of_observations([look]).columns]
    assert "line: worker " in [str(cell) for column in cells for cell in column]
    assert shown({"victim": {"command": evil, "pids": [1]}}) == {"victim": {"command": "worker ", "pids": [1]}}


def _commands(context: click.Context, group: click.Group) -> Iterator[click.Command]:
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        yield found
        if isinstance(found, click.Group):
            yield from _commands(context, found)


def test_every_reason_and_id_may_hold_any_bytes() -> None:
    commands = [*_commands(click.Context(program), program)]
    found = {(c.name, p.name): p.type for c in commands for p in c.params}
    said = {at: kind for at, kind in found.items() if at[1] in {"because", "reason", "words", "injection"}}
    assert said.keys() >= {("settle", "because"), ("resume", "because"), ("halt", "words"), ("revert", "injection")}
    assert [at for at, kind in said.items() if kind is not WORDS] == []


def test_a_document_begins_with_the_schema_version(capsys: pytest.CaptureFixture[str]) -> None:
    write_json({"a": "é"})
    assert json.loads(capsys.readouterr().out) == {"schema_version": shapes.SCHEMA_VERSION, "a": "é"}


def test_fields_are_aligned_and_empty_ones_left_out() -> None:
    assert fields([("a", "1"), ("long", "2"), ("none", "")], indent=1) == " a     1\n long  2"


DOCUMENT: dict[str, Any] = {
    "injection": {
        "id": "20250101T000000-abcdef",
        "fault": "git-corrupt",
        "mode": "loose-object-truncate",
        "target": "editor",
        "seed": 7,
        "state": "reverted",
        "victim": {"path": ".git/objects/ab/cd"},
    },
    "verdict": "recovered",
    "reasons": ["recovered by itself after 1.20-1.45 s"],
    "impact": {"seen": True, "after": [0.0, 0.25]},
    "recovery": {"after": [1.2, 1.45], "censored": False, "healed_by": "worker"},
    "undo": {"proved": True, "doubt": "", "superseded": False, "detail": "", "proof": {}},
    "violations": [],
}


def test_a_summary_tells_victim_impact_recovery_undo_and_verdict() -> None:
    assert summary(DOCUMENT, 0).splitlines() == [
        "20250101T000000-abcdef  git-corrupt/loose-object-truncate on editor, seed 7",
        "  victim    path: .git/objects/ab/cd",
        "  impact    seen after 0.00-0.25 s",
        "  recovery  after 1.20-1.45 s, healed by the worker",
        "  undo      reverted and proved",
        "  verdict   recovered (exit code 0)",
        "            recovered by itself after 1.20-1.45 s",
    ]


def test_a_failed_undo_cannot_be_overlooked() -> None:
    head = {**DOCUMENT["injection"], "state": "revert-failed"}
    undone = {"proved": False, "doubt": "", "superseded": False, "detail": "it is held", "proof": {}}
    assert "FAILED, residue may remain (it is held)" in summary({**DOCUMENT, "injection": head, "undo": undone}, 4)


def test_an_undo_in_doubt_is_not_called_proved() -> None:
    undone = {**DOCUMENT["undo"], "proved": False, "doubt": "1 drains still", "detail": "0 gone"}
    assert "reverted, not proved: 1 drains still (0 gone)" in summary({**DOCUMENT, "undo": undone}, 0)


def test_what_was_superseded_says_so() -> None:
    undone = {**DOCUMENT["undo"], "superseded": True}
    assert "superseded: changed by somebody else meanwhile, left alone" in summary({**DOCUMENT, "undo": undone}, 0)


def test_a_recovery_beyond_the_time_is_censored_not_counted() -> None:
    recovery = {"after": None, "censored": True, "healed_by": None}
    assert "not within the time given (right-censored)" in summary({**DOCUMENT, "recovery": recovery}, 1)


def test_ids_and_words_are_never_cut(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    tables.show(tables.of_injections([DOCUMENT]))
    shown = capsys.readouterr().out
    assert "20250101T000000-abcdef" in shown
    assert "loose-object-truncate" in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert "\x1b" not in shown


def test_markup_in_what_was_found_means_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    seen = {
        "target": "[red]t[/red]",
        "probe": "p",
        "status": "ok",
        "measures": {"n": 1.0},
        "findings": [{"name": "[bold]", "detail": "x"}],
    }
    tables.show(tables.of_observations([seen]))
    shown = capsys.readouterr().out
    assert "[red]t[/red]" in shown
    assert "[bold]: x" in shown
    assert "n=1" in shown
