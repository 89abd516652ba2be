"""Parameters of faults and probes: declared as dataclass fields, read from text or YAML, all mistakes at once."""

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from dataclasses import field as dataclass_field
from typing import Any, TypeVar

from daemon.core.errors import ConfigError

T = TypeVar("T")

YEAR_S = 366 * 86400
LISTED_MAX = 8  # names that one still reads in a line or a cell
_DURATION = re.compile(
    r"(?:(?P<d>\d+(?:\.\d+)?)d)?(?:(?P<h>\d+(?:\.\d+)?)h)?(?:(?P<m>\d+(?:\.\d+)?)m(?!s))?"
    r"(?:(?P<s>\d+(?:\.\d+)?)s)?(?:(?P<ms>\d+(?:\.\d+)?)ms)?"
)
_SECONDS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


class TooLongError(ValueError):
    """It is a duration, and longer than any that is meant."""


def duration(text: object, *, years: int = 1) -> float:
    """Return seconds from ``250ms``, ``30s``, ``5m``, ``1h30m``, ``2d`` or a number of them; raises ValueError.

    Text without a unit is refused: ``--since 20261129`` is a day.
    Every duration that somebody gives comes through here, and none may be longer than ``years``: a time so far
    ahead has no date, and what waits for it or shows it would break long after it was said.
    """
    if isinstance(text, bool):
        raise ValueError("expected a duration such as 30s, got a boolean")  # noqa: TRY004  one error kind for callers
    if isinstance(text, int | float):
        seconds = _float(text)
    else:
        clean = str(text).strip().lower()
        found = _DURATION.fullmatch(clean)
        if not clean or found is None:
            raise ValueError(f"{text!r} is no duration: write 250ms, 30s, 5m or 1h30m")
        seconds = sum(float(n) * _SECONDS[unit] for unit, n in found.groupdict().items() if n)
    if not 0 <= seconds < math.inf:
        raise ValueError(f"{text!r} is no duration: it must be finite and not negative")
    if seconds > years * YEAR_S:
        raise TooLongError(f"{text!r} is no duration: more than {'a year' if years == 1 else f'{years} years'}")
    return seconds


def rate(text: object) -> float:
    """Return events per second from ``50/s``, ``30/m`` or a bare number; raises ValueError."""
    if isinstance(text, int | float) and not isinstance(text, bool):
        number = _float(text)
    else:
        found = re.fullmatch(r"(\d+(?:\.\d+)?)(?:/(s|m|h))?", str(text).strip())
        if found is None:
            raise ValueError(f"{text!r} is no rate: write 50/s or 30/m")
        number = float(found[1]) / {"s": 1, "m": 60, "h": 3600, None: 1}[found[2]]
    if not 0 <= number < math.inf:
        raise ValueError(f"{text!r} is no rate: it must be finite and not negative")
    return number


def _float(number: float) -> float:
    try:
        return float(number)
    except OverflowError:  # a whole number of hundreds of digits
        return math.inf if number > 0 else -math.inf


def parameter(
    default: Any,
    summary: str,
    *,
    unit: str = "",
    choices: tuple[str, ...] = (),
    least: float | None = None,
    most: float | None = None,
) -> Any:
    """Declare one parameter. ``unit`` ``s`` reads durations, ``1/s`` reads rates; limits are inclusive."""
    notes = {"summary": summary, "unit": unit, "choices": choices, "least": least, "most": most}
    return dataclass_field(default=default, metadata=notes)


def victim_parameter(default: Any, summary: str, **limits: Any) -> Any:
    """Declare a parameter that names what is hit, in place of what the target says; no token may set it."""
    plain: Field[Any] = parameter(default, summary, **limits)
    return dataclass_field(default=default, metadata={**plain.metadata, "victim": True})


def nearest(word: str, known: Mapping[str, Any] | tuple[str, ...]) -> str:
    """Return ``; did you mean X?`` for the nearest known word, or the whole list."""
    return _meant(word, known) or f"; known: {', '.join(sorted(known)) or 'none'}"


def _meant(word: str, known: Mapping[str, Any] | tuple[str, ...]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _listed(choices: tuple[str, ...]) -> str:
    return ", ".join(choices) if len(choices) <= LISTED_MAX else f"the {len(choices)} choices"


def declared(plugin: type[Any]) -> dict[str, Field[Any]]:
    """Return the parameters of a fault or probe by name: its init fields with metadata."""
    return {f.name: f for f in fields(plugin) if f.init and f.metadata}


def naming_victims(plugin: type[Any]) -> frozenset[str]:
    """Return the parameters that name what is hit, in place of what the target says."""
    return frozenset(name for name, spec in declared(plugin).items() if spec.metadata.get("victim"))


def describe(plugin: type[Any]) -> dict[str, dict[str, Any]]:
    """Return the parameters as JSON-ready data for ``chaosd faults show``."""
    described = {}
    for name, spec in declared(plugin).items():
        default = None if spec.default is MISSING else spec.default
        notes = {k: v for k, v in spec.metadata.items() if v not in ("", (), None)}
        described[name] = {"default": default, **notes}
    return described


def build(plugin: type[T], raw: Mapping[str, object], *, where: str) -> T:
    """Make a fault or probe from raw values; raises ConfigError naming every mistake and the nearest name."""
    known, problems, values = declared(plugin), [], {}
    for name, value in raw.items():
        if name not in known:
            problems.append(f"{name}: unknown parameter{nearest(name, known)}")
            continue
        try:
            values[name] = _convert(known[name], value)
        except ValueError as error:
            problems.append(f"{name}: {error}")
    if not problems:
        try:
            return plugin(**values)
        except ValueError as error:
            problems.append(str(error))
    raise ConfigError(f"{where}: invalid parameters, nothing was started", problems=problems)


def _convert(spec: Field[Any], value: object) -> Any:
    notes = spec.metadata
    if value is None and spec.default is None:
        return None
    if notes["unit"] == "s":
        number: Any = duration(value)
    elif notes["unit"] == "1/s":
        number = rate(value)
    else:
        number = _plain(type(spec.default) if spec.default is not None else str, value)
    if notes["choices"] and number not in notes["choices"]:
        raise ValueError(
            f"{value!r} is not one of {_listed(notes['choices'])}{_meant(str(value), notes['choices'])}"
        )
    if notes["least"] is not None and number < notes["least"]:
        raise ValueError(f"{value!r} is below the least allowed, {notes['least']}")
    if notes["most"] is not None and number > notes["most"]:
        raise ValueError(f"{value!r} is above the most allowed, {notes['most']}")
    return number


def _plain(kind: type[Any], value: object) -> Any:
    if kind is bool:
        words = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
        if str(value).lower() not in words:
            raise ValueError(f"{value!r} is neither true nor false")
        return words[str(value).lower()]
    if kind in (int, float):
        try:
            number = kind(str(value))
        except ValueError:
            raise ValueError(f"{value!r} is no {'whole number' if kind is int else 'number'}") from None
        # No comparison holds for NaN: neither a limit nor what a fault compares with it would be what it seems.
        if kind is float and not math.isfinite(number):
            raise ValueError(f"{value!r} is no number: it must be finite")
        return number
    if kind is tuple:
        return tuple(value) if isinstance(value, list | tuple) else (str(value),)
    return str(value)
