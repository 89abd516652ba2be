"""Words, numbers and lines as people like to read them, without any library that is slow to load."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86400
_COLOURS = {
    "ok": "green",
    "recovered": "green",
    "no-impact": "green",
    "failing": "red",
    "not-recovered": "red",
    "violated": "red",
    "undo-failed": "red",
    "revert-failed": "red",
    "unknown": "yellow",
    "aborted": "yellow",
    "inconclusive": "yellow",
    "not-triggered": "yellow",
    "refused": "yellow",
    "settled": "yellow",
}


def write_json(content: Mapping[str, Any], *, line: bool = False) -> None:
    """Print one JSON document on stdout, its schema version first; all of it on one ``line`` for JSON Lines."""
    from daemon.core.harmless import sound

    indent = None if line else 2
    click.echo(sound(json.dumps({"schema_version": 1, **content}, indent=indent, ensure_ascii=False, default=str)))


def shown(content: Any) -> Any:
    """Return a document fit for a terminal: the worker's words in it (a command line, a log line) are not ours."""
    if isinstance(content, str):
        from daemon.core.harmless import lines

        return lines(content)
    if isinstance(content, Mapping):
        return {key: shown(value) for key, value in content.items()}
    return [shown(item) for item in content] if isinstance(content, list | tuple) else content


def colour_of(word: str) -> str | None:
    """Return the colour of a status, verdict or state, or None."""
    return _COLOURS.get(word)


def coloured(word: str, stream: Any = None) -> str:
    """Return a status or verdict in its colour where the stream shows colours."""
    colour = colour_of(word)
    return click.style(word, fg=colour) if colour and colours(stream or sys.stdout) else word


def colours(stream: Any) -> bool:
    """Tell whether colours belong on this stream: a terminal, and nobody objects."""
    import os

    return bool(stream.isatty()) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def seconds(value_s: float) -> str:
    """Return ``0.25 s``, ``1.2 s``, ``42 s``, ``3 min 20 s`` or ``2 h 5 min``."""
    if value_s < 1:
        return f"{value_s:.2f} s"
    if value_s < MINUTE_S:
        return f"{value_s:.1f}".removesuffix(".0") + " s"
    whole = round(value_s)
    for size_s, unit, small_s, small in ((DAY_S, "d", HOUR_S, "h"), (HOUR_S, "h", MINUTE_S, "min")):
        if whole >= size_s:
            return _two(whole // size_s, unit, whole % size_s // small_s, small)
    return _two(whole // MINUTE_S, "min", whole % MINUTE_S, "s")


def _two(big: int, unit: str, small: int, small_unit: str) -> str:
    return f"{big} {unit} {small} {small_unit}" if small else f"{big} {unit}"


def span(bracket: Sequence[float] | None) -> str:
    """Return ``1.20-1.45 s`` for a bracket, ``-`` for None."""
    return "-" if bracket is None else f"{bracket[0]:.2f}-{bracket[1]:.2f} s"


def pairs(content: Mapping[str, Any]) -> str:
    """Return ``key=value`` words, numbers without needless digits."""
    return " ".join(f"{key}={number(value)}" for key, value in content.items())


def number(value: Any) -> str:
    """Return a value in few characters: 3 digits after the point at most, lists joined by commas."""
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    if isinstance(value, list | tuple):
        return ",".join(number(item) for item in value)
    if isinstance(value, Mapping):
        return pairs(value)
    return str(value)


def fields(rows: Sequence[tuple[str, str]], *, indent: int = 2) -> str:
    """Return aligned ``name  value`` lines; rows without a value are left out."""
    width = max((len(name) for name, value in rows if value), default=0)
    return "\n".join(f"{' ' * indent}{name:<{width}}  {value}" for name, value in rows if value)
