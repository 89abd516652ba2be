"""What comes from outside does nothing to a terminal and tells no secrets."""

import pytest

from daemon.core.cloud import LogEvent
from daemon.core.harmless import lines, printable, sound, without_secrets
from daemon.core.panorama import TEXT_MOST, LogLine, log_line, newest


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[2J\x1b[1;1Hgone", "gone"),
        ("\x1b]0;new title\x07after", "after"),
        ("\x1b]52;c;cm0gLXJm\x1b\\after", "after"),
        ("\x1b]8;;http://x\x1b\\link", "link"),
        ("\x1bPdevice\x1b\\after", "after"),
        ("\x9b31mred", "red"),
        ("\x1bcreset", "reset"),
        ("cut off \x1b[", "cut off"),
        ("cut off \x1b", "cut off"),
        ("two\r\nlines\tand a tab", "two lines and a tab"),
        ("bell\x07 back\x08 nul\x00", "bell? back? nul?"),
        ("evil \u202egnirts", "evil ?gnirts"),
        ("half \udc80", "half ?"),
        ("ümlaut 字 🙂", "ümlaut 字 🙂"),
    ],
)
def test_a_terminal_does_nothing_on_it(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_half_characters_alone_are_replaced() -> None:
    assert sound("caf\udce9 \ud83d\x1b\n 字 🙂") == "caf\ufffd \ufffd\x1b\n 字 🙂"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("password=hunter2 next", "password=*** next"),
        ('{"token": "abc", "a": 1}', '{"token": "***", "a": 1}'),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ("key AKIAABCDEFGHIJKLMNOP used", "key *** used"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_secrets_are_not_shown(text: str, shown: str) -> None:
    assert without_secrets(text) == shown


def line(message: str) -> tuple[str, str]:
    made = log_line(LogEvent(id="1", at_s=0.0, stream="s", message=message))
    return made.level, made.text


@pytest.mark.parametrize(
    ("message", "level", "text"),
    [
        ("2026-01-01 ERROR it broke", "ERROR", "2026-01-01 ERROR it broke"),
        ("[warn] careful", "WARNING", "[warn] careful"),
        ("nothing said", "", "nothing said"),
        (f"{'x' * 100} ERROR", "", f"{'x' * 100} ERROR"),
        ('{"level": "INFO", "time": "t", "event": "a.done", "n": 1, "s": "x y"}', "INFO", "a.done n=1 s=x y"),
        ('{"level": 50, "msg": "pino"}', "ERROR", "pino"),
        ('{"severity": "CRITICAL", "message": "m", "o": {"k": [1]}}', "ERROR", 'm o={"k": [1]}'),
        ('{"level": 99}', "", ""),
        ('{"level": null}', "", ""),
        ('{"cut": "of', "", '{"cut": "of'),
        ("[1, 2]", "", "[1, 2]"),
        ('{"msg": "\\u001b[31mred", "token": "abc"}', "", "red token=***"),
        ("pass\x1b[0mword=x", "", "password=***"),
        ("{" * 5000, "", "{" * TEXT_MOST),
    ],
)
def test_a_log_line_is_read(message: str, level: str, text: str) -> None:
    assert line(message) == (level, text)


def test_the_newest_lines_come_last() -> None:
    lines = [LogLine(at_s=float(n), stream="", level="", text=str(n)) for n in (3, 1, 2)]
    assert [made.text for made in newest(lines, 2)] == ["2", "3"]
    assert newest(lines, 0) == ()


def test_lines_and_columns_stay_and_nothing_in_them_acts_on_a_terminal() -> None:
    text = "ID  \x1b[31mred\x1b[0m\n  name  \x1b]0;title\x07\u202eevil\r\n\tend"
    assert lines(text) == "ID  red\n  name  ?evil?\n        end"
    assert lines(lines(text)) == lines(text)
