"""Whether two injections would pull the same lever, told from what their undo records name as the victim."""

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from daemon.core.model import Json

Lever: TypeAlias = tuple[str, ...]


def first(victim: Mapping[str, Json], others: Mapping[str, Mapping[str, Json]]) -> str | None:
    """Return the first injection of ``others``, victims by name, that holds a lever of ``victim``; None if none."""
    wanted = set(levers(victim))
    return next((name for name, held in others.items() if wanted.intersection(levers(held))), None)


def objection(other: str | None) -> str | None:
    """Return why nothing is injected beside ``other``, which holds the same lever."""
    if other is None:
        return None
    return f"{other} holds the same victim, and its undo would be mixed up with this one's; wait for its end"


def levers(victim: Mapping[str, Json]) -> Iterator[Lever]:
    """Yield what must not be changed by two at once, because the second would restore the first one's value.

    Whatever the fault: a service and an instance of ECS, a process, a file, a disk that is filled, a queue that
    messages are taken from. None for a clone, whose undo merges, nor for messages that are sent and bear a mark.
    """
    if "repository" in victim:
        return
    # The rules of the fault proxy name a service of AWS, and no cluster.
    if "cluster" in victim and "service" in victim:
        yield "service", _bare(victim["cluster"]), _bare(victim["service"])
    for instance in victim.get("instances") or ():
        yield "instance", _bare(instance)
    # A throttle is on a disk for a process: it minds neither another disk nor what else befalls that process.
    pids, device = victim.get("pids") or (), victim.get("device")
    on = ("process",) if device is None else ("disk of process", str(device))
    for pid in (*pids, *(victim.get("members") or ())):
        yield *on, str(pid)
    if device is not None and not pids:
        yield "disk", str(device)
    if "file" in victim:
        yield "file", str(victim["file"])
    if "queue" in victim and "visible" in victim:  # said by the faults that receive from it, not by those that send
        yield "queue", str(victim["queue"])


def _bare(name: Json) -> str:
    """Return a name without the rest of its ARN: one target may have the one, another the other."""
    return str(name).rpartition("/")[2]
