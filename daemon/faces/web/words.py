"""Times and figures in words, for the status page."""

import math
from collections.abc import Mapping

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"))


def span(seconds: float) -> str:
    """Return ``1.5 s``, ``90 s``, ``5 min``, ``1 h 30 min``: two units at most."""
    for size, unit in _UNITS:
        if seconds >= 2 * size or (seconds >= size and seconds % size == 0):
            whole, rest = divmod(round(seconds), size)
            smaller = {86400: (3600, "h"), 3600: (60, "min"), 60: (1, "s")}[size]
            more = f" {rest // smaller[0]} {smaller[1]}" if rest >= smaller[0] else ""
            return f"{whole} {unit}{more}"
    return f"{seconds:.2f}".rstrip("0").rstrip(".") + " s"


def measures(found: Mapping[str, float]) -> str:
    """Return a look's figures in one line."""
    return ", ".join(f"{_words(name)} {_figure(name, value)}" for name, value in found.items())


def _words(name: str) -> str:
    return name.removesuffix("_seconds").replace("_", " ")


def _figure(name: str, value: float) -> str:
    if name.endswith("_seconds") and math.isfinite(value):
        return span(value)
    return f"{value:.2f}".removesuffix("0").removesuffix(".0") if abs(value) >= 1 else f"{value:.3g}"


def time_of_day(stamp: str) -> str:
    """Return the time of an RFC 3339 UTC stamp, to the second."""
    return stamp[11:19]
