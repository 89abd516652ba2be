"""How many tasks may be disturbed at once: whole tasks, counted on what is healthy now."""

from collections.abc import Mapping
from math import floor

from daemon.core.model import Json

_ROUNDING = 1e-9  # 29 % of 100 is 28.999999999999996 in binary


def share(healthy: int, percent: float) -> int:
    """Return how many whole tasks ``percent`` of ``healthy`` are: rounded down, so it may be none."""
    return floor(healthy * percent / 100 + _ROUNDING)


def room(healthy: int, *, keep: int, percent: float | None, disturbed: int) -> int:
    """Return how many more tasks may be disturbed, at least 0: ``keep`` stay healthy, ``disturbed`` are already.

    ``disturbed`` may be healthy for ECS (a stopped process) or not, which cannot be told: they are no spare ones.
    """
    spare = healthy - keep - disturbed if keep else healthy
    if percent is not None:
        spare = min(spare, share(healthy, percent) - disturbed)
    return max(0, spare)


def victims(victim: Mapping[str, Json]) -> int:
    """Return how many tasks or processes an undo record's ``victim`` names or counts; at least one is disturbed."""
    return max(1, int(victim.get("count", 0)), len(victim.get("tasks") or victim.get("pids") or ()))
