"""Mistakes in the configuration: where, what, and what was expected, one line each."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from daemon.core.errors import ConfigError

Path: TypeAlias = tuple[str | int, ...]
NOTHING: Any = object()
PROBLEMS_MAX = 100
_SHOWN_MAX = 60


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake. ``value`` is the offending one, if any; ``line`` overrides the line of the key path."""

    path: Path
    text: str
    value: object = NOTHING
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value was given: a line of the file, an environment variable or a flag."""

    source: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}" if self.line else self.source


def key_path(path: Path) -> str:
    """Return ``probes[1].every`` for ``("probes", 1, "every")``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            word = part if re.fullmatch(r"[\w:-]+", part) else repr(part[:_SHOWN_MAX])
            text += f".{word}" if text else word
    return text


def place_of(path: Path, places: Mapping[Path, Place], file: str) -> Place:
    """Return where a key path was given; for what is missing, where its parent was."""
    while path and path not in places:
        path = path[:-1]
    return places.get(path, Place(file, 1))


def raise_for(problems: Iterable[Problem], places: Mapping[Path, Place], file: str) -> None:
    """Raise one ConfigError that names every problem in the order of the file; return when there is none."""
    found = set()
    for problem in problems:
        place = Place(file, problem.line) if problem.line else place_of(problem.path, places, file)
        found.add((place.source != file, place.line, f"{place}: {_sentence(problem)}"))
    if not found:
        return
    lines = [line for *_, line in sorted(found)]
    if len(lines) > PROBLEMS_MAX:
        lines = [*lines[:PROBLEMS_MAX], f"... and {len(lines) - PROBLEMS_MAX} more"]
    count = "1 mistake" if len(found) == 1 else f"{len(found)} mistakes"
    hint = "correct them and run `chaosd config check`; `chaosd config schema` prints every key"
    raise ConfigError(f"nothing was started: {file} has {count}", problems=lines, hint=hint)


def _sentence(problem: Problem) -> str:
    path, text = key_path(problem.path), problem.text
    if problem.value is NOTHING or text.startswith(repr(problem.value)):
        return f"{path}: {text}" if path else text
    return f"{path}: {_shown(problem.value)}: {text}"


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}..."
