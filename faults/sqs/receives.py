"""How often chaosd may receive what others sent: where receives are counted, each one may be a message's last.

SQS tells how often a message was received only by giving it out. So a queue that allows few receives is refused
before any, messages are asked for one by one, and one that is met at the brink is given back at once and noted, and
the queue left alone until it was seen empty, or for ``SHUN_S``.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from daemon.core.cloud import QueueFacts, Received
from daemon.core.errors import RefusedError, TargetAbsentError, UndoFailedError
from daemon.core.seams import FileStat, World

LEFT_LEAST = 2  # receives that a message of somebody else must have left after ours: one may fail as well
SHUN_S = 86_400.0
PRIVATE_MODE = 0o600
BESIDE = ".new"  # what a file is called until it is whole; a crash may leave it


def check(url: str, facts: QueueFacts, world: World) -> None:
    """Raise RefusedError where receiving a message of somebody else once could cost it its last but one receive."""
    if facts.max_receives is not None and facts.max_receives <= LEFT_LEAST:
        raise RefusedError(
            f"nothing was received: {url} moves a message to its dead-letter queue after {facts.max_receives}"
            f" receives, and chaosd's own would leave fewer than {LEFT_LEAST} to the worker",
            rule="max-receives",
            hint=f"raise the queue's maxReceiveCount to {LEFT_LEAST + 1} or more",
        )
    check_note(url, facts, world, done="received")


def check_note(url: str, facts: QueueFacts, world: World, *, done: str) -> None:
    """Raise RefusedError (nothing was ``done``) where a message at the brink was met and may be there still."""
    note = Brink(url).standing(facts, world)
    if note is not None:
        raise RefusedError(
            f"nothing was {done}: message {note['id']} of {url} was last met with {note['receives']} of its"
            f" {facts.max_receives} receives used, and may be there still: another could be its last",
            rule="max-receives",
            hint="find out why the worker does not finish it; once it is gone, empty the queue or remove"
            f" {Brink(url).path(world)}",
        )


def at_brink(receives: int, facts: QueueFacts) -> bool:
    """Tell whether a message received so often has fewer than ``LEFT_LEAST`` receives left."""
    return facts.max_receives is not None and receives > facts.max_receives - LEFT_LEAST


def spent(receives: int, facts: QueueFacts) -> bool:
    """Tell whether a message received so often had its last receive."""
    return facts.max_receives is not None and receives >= facts.max_receives


def together(facts: QueueFacts, most: int) -> int:
    """Return how many messages may be asked for at once: one where receives are counted or order is kept."""
    return 1 if facts.max_receives is not None or facts.fifo else min(10, most)


@dataclass(frozen=True, slots=True)
class Brink:
    """The note, on chaosd's own disk, that a message of a queue was met at the brink."""

    url: str

    def path(self, world: World) -> str:
        name = hashlib.sha256(self.url.encode()).hexdigest()[:16]
        return f"{world.files.resolve(world.private)}/brink-{name}.json"

    def read(self, world: World) -> dict[str, Any] | None:
        """Return the note; None when there is none, or it is older than ``SHUN_S``."""
        note = read_json(self.path(world), world)
        fresh = note is not None and world.clock.instant().wall_s - float(note["at_s"]) < SHUN_S
        return note if fresh else None

    def standing(self, facts: QueueFacts, world: World) -> dict[str, Any] | None:
        """Return the note as long as it keeps chaosd from receiving: None also when the queue is seen empty."""
        return self.read(world) if facts.visible + facts.in_flight + facts.delayed else None

    def write(self, met: Received, world: World) -> None:
        note = {"url": self.url, "id": met.id, "receives": met.receives, "at_s": world.clock.instant().wall_s}
        write_json(self.path(world), note, world)

    def forget(self, world: World) -> None:
        if world.files.lstat(self.path(world)) is not None:
            world.files.remove(self.path(world))


def read_json(path: str, world: World) -> dict[str, Any] | None:
    """Return what a file of chaosd's own holds, None without it; raises UndoFailedError when it is damaged."""
    try:
        found: dict[str, Any] = json.loads(world.files.read(path))
    except TargetAbsentError:
        return None
    except ValueError as error:
        raise UndoFailedError(
            f"what was received was not looked up: {path} is damaged ({error})",
            hint="wait out the visibility the injection asked for (`chaosd show ID`), then remove the file",
        ) from None
    return found


def write_json(path: str, content: object, world: World) -> None:
    """Write a file of chaosd's own, durable and whole or not at all, for nobody else to read."""
    owner = world.files.lstat(path.rpartition("/")[0])
    uid, gid = (owner.uid, owner.gid) if owner is not None else (0, 0)
    # As every file that is made here: now, in nanoseconds since the epoch.
    now_ns = int(world.clock.instant().wall_s * 1e9)
    like = FileStat(kind="file", size=0, mode=PRIVATE_MODE, mtime_ns=now_ns, uid=uid, gid=gid, inode=0, links=1)
    world.files.put(path, json.dumps(content).encode(), like, temporary=f"{path}{BESIDE}")
