"""What the keys of the file's `guard` say about one another: which go together, which probes must exist."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from daemon.config.guarding import LEVERS, STOPS
from daemon.config.problems import Path, Problem
from daemon.core.parameters import nearest

Data: TypeAlias = Mapping[str, Any]
# Each key and the one it belongs to.
_WITH = {"is": "probe", "query": "prometheus", "above": "prometheus", "below": "prometheus"}


def problems_in_guard(guard: Data, probes: Data) -> Iterator[Problem]:
    """Yield what does not fit together. Works on the plain data: mistakes of shape are somebody else's."""
    for i, entry in _entries(guard, "stop_when"):
        yield from _stop(("guard", "stop_when", i), entry, probes)
    for i, entry in _entries(guard, "levers"):
        yield from _one_of(("guard", "levers", i), entry, LEVERS)
    budget = guard.get("error_budget")
    if isinstance(budget, Mapping):
        path = ("guard", "error_budget")
        yield from _probe((*path, "probe"), budget, probes)
        if "probe" in budget and "query" in budget:
            yield Problem((*path, "query"), "give probe or query, not both", budget["query"])


def _entries(guard: Data, key: str) -> Iterator[tuple[int, Data]]:
    found = guard.get(key)
    for i, entry in enumerate(found if isinstance(found, list) else []):
        if isinstance(entry, Mapping):
            yield i, entry


def _stop(path: Path, entry: Data, probes: Data) -> Iterator[Problem]:
    yield from _one_of(path, entry, STOPS)
    yield from _probe((*path, "probe"), entry, probes)
    for key, owner in _WITH.items():
        if key in entry and owner not in entry:
            yield Problem((*path, key), f"belongs to {owner}, which is not given", entry[key])
    if "prometheus" in entry and "query" not in entry:
        yield Problem((*path, "query"), "is required")
    if "above" in entry and "below" in entry:
        yield Problem((*path, "below"), "give above or below, not both", entry["below"])


def _one_of(path: Path, entry: Data, keys: tuple[str, ...]) -> Iterator[Problem]:
    given = [key for key in keys if key in entry]
    if len(given) != 1:
        found = " and ".join(given) or "none"
        yield Problem(path, f"expected exactly one of {', '.join(keys)}; found {found}")


def _probe(path: Path, entry: Data, probes: Data) -> Iterator[Problem]:
    name = entry.get("probe")
    if isinstance(name, str) and name not in probes:
        yield Problem(path, f"unknown probe{nearest(name, probes)}", name)
