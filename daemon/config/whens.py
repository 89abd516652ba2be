"""What does not fit together about the event that an experiment waits for."""

from collections.abc import Iterator, Mapping
from typing import Any

from daemon.config.problems import Path, Problem
from daemon.core.moments import EVENTS, Moment

Data = Mapping[str, Any]


def problems_in_when(path: Path, entry: Data, targets: Data) -> Iterator[Problem]:
    """Yield what is wrong with ``when``."""
    given, here = entry.get("when"), (*path, "when")
    if not isinstance(given, Mapping) or not isinstance(event := given.get("event"), str):
        return
    matching = given.get("matching")
    found = Moment(event=event, matching=matching if isinstance(matching, str) else "")
    if found.problem:
        yield Problem((*here, "event"), found.problem, event)
    workload = entry.get("workload")
    if isinstance(workload, Mapping) and "strike" in workload:
        yield Problem((*path, "workload", "strike"), "give `when` or `strike`, not both", workload["strike"])
    target, kind = entry.get("target"), EVENTS.get(event)
    there = targets.get(target) if isinstance(target, str) else None
    if kind and isinstance(there, Mapping) and kind.needs not in there:
        text = f"{event} needs targets.{target}.{kind.needs}, which is not given"
        yield Problem((*path, "target"), text, target)
