"""What the file leaves out and chaosd's own ECS task tells: cluster and service of a target, and the region."""

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from daemon.config.problems import Path, Place, Problem
from daemon.core.errors import UnreachableError
from daemon.core.whereabouts import OwnTask

ORIGIN = Place("metadata")
Discover: TypeAlias = Callable[[], OwnTask | None]
"""Return the task chaosd runs in, None outside ECS; raises UnreachableError when it cannot be told."""


def fill_in(data: dict[str, Any], places: dict[Path, Place], discover: Discover) -> Iterator[Problem]:
    """Put in what is missing, noting its origin; yields what could not be found out. Asks only when it must."""
    targets = data.get("targets")
    wanting = [
        (("targets", name, "ecs"), target["ecs"])
        for name, target in (targets.items() if isinstance(targets, dict) else ())
        if isinstance(target, dict)
        and isinstance(target.get("ecs"), dict)
        and not {"cluster", "service"} <= target["ecs"].keys()
    ]
    if not wanting:
        return
    try:
        own = discover()
    except UnreachableError as error:
        for path, _ in wanting:
            yield Problem(path, f"what it leaves out cannot be found: {error.message}")
        return
    if own is None:
        return  # outside ECS the keys are simply missing, and reported as that
    for path, ecs in wanting:
        _put(ecs, places, (*path, "cluster"), own.cluster)
        # A service of that name in another cluster is somebody else's.
        if str(ecs["cluster"]).rpartition("/")[2] == own.cluster and own.service is not None:
            _put(ecs, places, (*path, "service"), own.service)
    aws = data.setdefault("aws", {})
    if isinstance(aws, dict) and aws.get("endpoint_url") is None:
        _put(aws, places, ("aws", "region"), own.region)


def _put(here: dict[str, Any], places: dict[Path, Place], path: Path, value: str) -> None:
    if here.get(str(path[-1])) is None:
        here[str(path[-1])] = value
        places[path] = ORIGIN
