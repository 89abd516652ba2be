"""Who a target is: what tells it from another that took its place since it was planned for."""

from collections.abc import Mapping

from daemon.core.errors import ChaosdError
from daemon.core.guard import Answer, Unanswered
from daemon.core.model import Resource
from daemon.core.seams import World
from daemon.core.target import Target

Identity = Mapping[str, str]


def identity(target: Target, touches: Resource, world: World) -> Identity | Unanswered:
    """Return what each thing that would be touched is now. Looks, never touches.

    A clone is its directory (device and inode), a queue the moment it was made. Tasks and processes are told apart
    by the faults themselves: they come and go.
    """
    try:
        if touches is Resource.REPOSITORY and target.repository is not None:
            return _clones(target.repository.worktree, world)
        if touches is Resource.QUEUE and target.queue is not None:
            made = world.sqs.facts(target.queue.url).created_s
            return {target.queue.url: f"made at {made:.0f}" if made is not None else ""}
    except ChaosdError as error:
        return Unanswered(error.message)
    return {}


def drifted(before: Identity | Unanswered, now: Identity | Unanswered) -> Answer:
    """Return what is no longer what it was, None when all is, Unanswered when one of the looks failed.

    What came new is no drift: it was not planned for, and the fault chooses among what there is.
    """
    if isinstance(before, Unanswered):
        return before
    if isinstance(now, Unanswered):
        return now
    for name, was in before.items():
        if name not in now:
            return f"{name} has gone since the experiment was planned"
        if now[name] != was:
            return f"{name} is another one than when the experiment was planned ({was}, now {now[name]})"
    return None


def _clones(patterns: tuple[str, ...], world: World) -> Identity:
    found = {}
    for path in (path for pattern in patterns for path in world.files.glob(pattern)):
        stat = world.files.lstat(world.files.resolve(path))
        if stat is not None:
            found[path] = f"device {stat.device} inode {stat.inode}"
    return found
