"""What stands above the file: ``CHAOSD_*`` variables, and flags above those."""

from collections.abc import Mapping
from typing import Any

from daemon.config.problems import Path, Place, Problem
from daemon.core.parameters import nearest

ENVIRONMENT: Mapping[str, Path] = {
    "CHAOSD_SEED": ("seed",),
    "CHAOSD_AWS_REGION": ("aws", "region"),
    "CHAOSD_AWS_ENDPOINT_URL": ("aws", "endpoint_url"),
    "CHAOSD_GUARD_MAX_ACTIVE": ("guard", "max_active"),
    "CHAOSD_GUARD_MAX_ACTIVE_PER_TARGET": ("guard", "max_active_per_target"),
    "CHAOSD_GUARD_MAX_PER_DAY": ("guard", "max_per_day"),
    "CHAOSD_GUARD_MIN_GAP": ("guard", "min_gap"),
    "CHAOSD_GUARD_MIN_HEALTHY_TASKS": ("guard", "min_healthy_tasks"),
    "CHAOSD_API_LISTEN": ("api", "listen"),
    "CHAOSD_API_TOKEN_FILE": ("api", "token_file"),
    "CHAOSD_SAMPLING_PROBE_EVERY": ("sampling", "probe_every"),
    "CHAOSD_SAMPLING_STABLE_FOR": ("sampling", "stable_for"),
    "CHAOSD_SAMPLING_STEADY_TIMEOUT": ("sampling", "steady_timeout"),
    "CHAOSD_SAMPLING_BASELINE_EVERY": ("sampling", "baseline_every"),
}
_OURS = ("CHAOSD_SEED", "CHAOSD_AWS_", "CHAOSD_GUARD_", "CHAOSD_API_", "CHAOSD_SAMPLING_")
_WHOLE = frozenset({"seed", "max_active", "max_active_per_target", "max_per_day", "min_healthy_tasks"})


def lay_over(
    data: dict[str, Any], places: dict[Path, Place], environment: Mapping[str, str], overrides: Mapping[str, object]
) -> list[Problem]:
    """Put variables and then flags (dotted key paths; None is not given) over the data, noting their places.

    Returns the variables that look like ours and are none: ignoring a misspelt endpoint could hit the real AWS.
    """
    problems = []
    for name, text in sorted(environment.items()):
        if name in ENVIRONMENT and text:
            _put(data, places, ENVIRONMENT[name], _number(ENVIRONMENT[name], text), Place(name))
        elif name not in ENVIRONMENT and name.startswith(_OURS):
            places[(name,)] = Place("environment")
            problems.append(Problem((name,), f"unknown variable{nearest(name, ENVIRONMENT)}"))
    for key, value in overrides.items():
        if value is not None:
            _put(data, places, tuple(key.split(".")), value, Place("flag"))
    return problems


def _put(data: dict[str, Any], places: dict[Path, Place], path: Path, value: object, place: Place) -> None:
    here: Any = data
    for part in path[:-1]:
        if here.get(part) is None:
            here[part] = {}
        here = here[part]
        if not isinstance(here, dict):
            return  # the file says something else there, which is reported as its own mistake
    here[path[-1]] = value
    places[path] = place


def _number(path: Path, text: str) -> object:
    digits = path[-1] in _WHOLE and text.isascii() and text.isdigit()
    return int(text) if digits and len(text) < 20 else text  # noqa: PLR2004  beyond any 64-bit number
