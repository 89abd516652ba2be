"""What `chaosd monitor` shows of a target besides its probes: branches, backlog, deployment, log lines."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from daemon.core.cloud import LogEvent
from daemon.core.harmless import printable, without_secrets

TEXT_MOST = 2000  # characters of a log line; nobody reads more of it in a terminal
_LEVEL = re.compile(r"\b(CRITICAL|FATAL|PANIC|ERROR|WARN(?:ING)?|NOTICE|INFO|DEBUG|TRACE)\b", re.IGNORECASE)
_LEVEL_WITHIN = 80  # a level stands near the beginning; further on "error" is just a word
_ALIKE = {
    "CRITICAL": "ERROR",
    "FATAL": "ERROR",
    "PANIC": "ERROR",
    "WARN": "WARNING",
    "NOTICE": "INFO",
    "TRACE": "DEBUG",
}
_PINO = {10: "DEBUG", 20: "DEBUG", 30: "INFO", 40: "WARNING", 50: "ERROR", 60: "ERROR"}
_LEVEL_KEYS = ("level", "severity", "levelname", "lvl")
_SAYING_KEYS = ("event", "message", "msg")
_TIME_KEYS = ("time", "timestamp", "ts", "at", "@timestamp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A branch of the remote and its last commit; ``at_s`` is when that was committed, in epoch seconds."""

    name: str
    commit: str
    at_s: float
    author: str
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What lies in the input queue and, where there is one, in the dead-letter queue, as SQS counts.

    ``waiting_since_s`` (epoch) is since when every look saw messages waiting, not always the same ones: SQS tells
    no ages.
    """

    visible: int
    in_flight: int
    delayed: int
    dead_letter: int | None
    waiting_since_s: float | None


class Standing(StrEnum):
    """How what is deployed relates to the remote's branch. UNKNOWN is not fine."""

    TIP = "tip"
    BEHIND = "behind"
    DIVERGED = "diverged"
    NOT_PUSHED = "not-pushed"
    ABSENT = "absent"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """The deployed object. ``modified_s`` is None when it is absent.

    ``behind`` counts the commits of the branch that it does not show; ``why`` tells why a standing is unknown.
    """

    bucket: str
    key: str
    modified_s: float | None = None
    size: int = 0
    branch: str | None = None
    commit: str | None = None
    standing: Standing = Standing.UNKNOWN
    behind: int | None = None
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """A log line fit for a terminal. ``level`` is DEBUG, INFO, WARNING, ERROR, or empty when it tells none."""

    at_s: float
    stream: str
    level: str
    text: str


def log_line(event: LogEvent) -> LogLine:
    """Return the event without secrets, escape sequences and line breaks; a JSON object as words."""
    told = _object(event.message)
    if told is None:
        level, text = _named(event.message[:_LEVEL_WITHIN]), event.message
    else:
        level, text = _level(told), _words(told)
    return LogLine(
        at_s=event.at_s,
        stream=printable(event.stream),
        level=level,
        # In this order: an escape sequence inside the word `password` must not hide it.
        text=without_secrets(printable(text[:TEXT_MOST])),
    )


def newest(lines: Sequence[LogLine], most: int) -> tuple[LogLine, ...]:
    """Return the latest ``most`` lines, oldest first."""
    return tuple(sorted(lines, key=lambda line: line.at_s)[-most:]) if most else ()


def _object(message: str) -> Mapping[str, Any] | None:
    if not message.lstrip().startswith("{"):
        return None
    try:
        found = json.loads(message)
    except (ValueError, RecursionError):  # cut off, or made to hurt: shown as it came
        return None
    return found if isinstance(found, dict) else None


def _level(told: Mapping[str, Any]) -> str:
    value = next((told[key] for key in _LEVEL_KEYS if key in told), "")
    if isinstance(value, int):
        return _PINO.get(value, "")
    return _named(value) if isinstance(value, str) else ""


def _named(text: str) -> str:
    found = _LEVEL.search(text)
    word = found[1].upper() if found else ""
    return _ALIKE.get(word, word)


def _words(told: Mapping[str, Any]) -> str:
    saying = next((key for key in _SAYING_KEYS if isinstance(told.get(key), str)), None)
    hidden = {saying, *_LEVEL_KEYS, *_TIME_KEYS}
    rest = (f"{key}={_value(value)}" for key, value in told.items() if key not in hidden)
    return " ".join([*([told[saying]] if saying else []), *rest])


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
