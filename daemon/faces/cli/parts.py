"""The parts of a target that `chaosd monitor` looks at, and what each look becomes in JSON."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from daemon.core.errors import ChaosdError
from daemon.core.panorama import Backlog, Deployed, LogLine, Standing, log_line, newest
from daemon.faces.shapes import stamp

if TYPE_CHECKING:
    from daemon.core.cloud import Service, Task
    from daemon.core.panorama import Branch
    from daemon.core.seams import World
    from daemon.core.target import Deployment, Logs, Queue, Target
    from probes.pipeline.branches import Branches

BACK_S = (15.0, 120.0, 900.0, 21_600.0)  # how far the first looks reach back, until there are lines enough
OVERLAP_S = 30.0  # lines arrive in CloudWatch seconds late
AHEAD_S = 5.0  # the worker's clock may be a little fast

Look = Callable[[], Any]


def looks(target: "Target", world: "World", branches: "Branches", *, lines: int, most: int) -> dict[str, Look]:
    """Return a look for every part the target has, by name; each raises ChaosdErrors."""
    found: dict[str, Look] = {}
    if target.ecs is not None:
        ecs = target.ecs
        found["tasks"] = lambda: world.ecs.service(ecs.cluster, ecs.service)
    if target.queue is not None:
        found["queue"] = QueueLook(target.queue, world).look
    if target.repository is not None and most:
        found["branches"] = lambda: branches.newest(most)
    if target.deployment is not None:
        follow = branches if target.repository is not None else None
        found["deployment"] = DeploymentLook(target.deployment, world, follow).look
    if target.logs is not None and lines:
        found["logs"] = LogLook(target.logs, world, lines).look
    return found


@dataclass(slots=True)
class QueueLook:
    """Counts messages, and remembers since when some were seen waiting at every look."""

    queue: "Queue"
    world: "World"
    _since_s: float | None = field(default=None, init=False)

    def look(self) -> Backlog:
        """Return the counts; without a dead-letter queue that one is None. Raises ChaosdErrors."""
        facts = self.world.sqs.facts(self.queue.url)
        waits = facts.visible > 0
        if waits and self._since_s is None:
            self._since_s = self.world.clock.instant().wall_s
        self._since_s = self._since_s if waits else None
        url = self.queue.dead_letter or facts.dead_letter_url
        dead = self.world.sqs.facts(url) if url is not None else None
        return Backlog(
            visible=facts.visible,
            in_flight=facts.in_flight,
            delayed=facts.delayed,
            dead_letter=dead.visible + dead.in_flight + dead.delayed if dead else None,
            waiting_since_s=self._since_s,
        )


@dataclass(slots=True)
class DeploymentLook:
    """Looks at the head of the deployed object and asks the mirror how its commit stands."""

    where: "Deployment"
    world: "World"
    branches: "Branches | None"

    def look(self) -> Deployed:
        """Return what is deployed; a commit that cannot be compared is UNKNOWN, with the reason.

        Raises ChaosdErrors when the object cannot be looked at.
        """
        bucket, key = self.where.bucket, self.where.key
        head = self.world.s3.head(bucket, key)
        if head is None:
            return Deployed(bucket=bucket, key=key, standing=Standing.ABSENT)
        branch, commit = head.metadata.get("branch"), head.metadata.get("commit")
        standing, home, behind, why = self._compare(branch, commit)
        return Deployed(
            bucket=bucket,
            key=key,
            modified_s=head.modified_s,
            size=head.size,
            branch=home,
            commit=commit,
            standing=standing,
            behind=behind,
            why=why,
        )

    def _compare(self, branch: str | None, commit: str | None) -> tuple[Standing, str | None, int | None, str]:
        if commit is None:
            return Standing.UNKNOWN, branch, None, "its metadata names no commit"
        if self.branches is None:
            return Standing.UNKNOWN, branch, None, "the target names no repository"
        try:
            standing, home, behind = self.branches.standing(branch, commit)
        except ChaosdError as error:
            return Standing.UNKNOWN, branch, None, error.message
        why = "not compared yet, or its branch is not on the remote" if standing is Standing.UNKNOWN else ""
        return standing, home, behind, why


@dataclass(slots=True)
class LogLook:
    """Follows a log group: the first look goes back as far as it must, later ones fetch what is new."""

    logs: "Logs"
    world: "World"
    most: int
    _lines: dict[str, LogLine] = field(default_factory=dict, init=False, repr=False)

    def look(self) -> tuple[LogLine, ...]:
        """Return the latest lines, oldest first. Raises ChaosdErrors."""
        now_s = self.world.clock.instant().wall_s
        newest_s = max((line.at_s for line in self._lines.values()), default=None)
        starts = [now_s - back_s for back_s in BACK_S] if newest_s is None else [newest_s - OVERLAP_S]
        found = self._lines
        for since_s in starts:
            events = self.world.logs.events(self.logs.group, since_s=since_s, until_s=now_s + AHEAD_S)
            late = {event.id: log_line(event) for event in events[-self._kept :] if event.id not in found}
            found = {**found, **late}
            if len(found) >= self.most:
                break
        # More than are shown are remembered: what comes late must not be taken for new again.
        self._lines = dict(sorted(found.items(), key=lambda item: item[1].at_s)[-self._kept :])
        return newest(tuple(self._lines.values()), self.most)

    @property
    def _kept(self) -> int:
        return self.most * 4


def document(part: str, now_s: float, value: Any) -> dict[str, Any]:
    """Return the keys that one part's look adds to its target's document. Ages and durations in seconds."""
    return _SHAPES[part](value, now_s)


def _tasks(service: "Service", now_s: float) -> dict[str, Any]:
    counts = {"desired": service.desired, "running": service.running, "pending": service.pending}
    return {"service": counts, "tasks": [_task(t, now_s) for t in service.tasks]}


def _task(task: "Task", now_s: float) -> dict[str, Any]:
    return {
        "id": task.id,
        "status": task.last_status,
        "health": task.health,
        "started_at": None if task.started_s is None else stamp(task.started_s),
        "age": None if task.started_s is None else age(task.started_s, now_s),
        "revision": task.revision,
        "image": task.image,
    }


def _queue(seen: Backlog, now_s: float) -> dict[str, Any]:
    counts = asdict(seen)
    since_s = counts.pop("waiting_since_s")
    return {"queue": {**counts, "waiting_for": None if since_s is None else age(since_s, now_s)}}


def _branches(found: "tuple[Branch, ...]", now_s: float) -> dict[str, Any]:
    return {
        "branches": [
            {
                "name": b.name,
                "commit": b.commit,
                "at": stamp(b.at_s),
                "age": age(b.at_s, now_s),
                "author": b.author,
                "subject": b.subject,
            }
            for b in found
        ]
    }


def _deployment(seen: Deployed, now_s: float) -> dict[str, Any]:
    changed = seen.modified_s
    return {
        "deployment": {
            "bucket": seen.bucket,
            "key": seen.key,
            "branch": seen.branch,
            "commit": seen.commit,
            "modified_at": None if changed is None else stamp(changed),
            "age": None if changed is None else age(changed, now_s),
            "size": seen.size,
            "standing": seen.standing.value,
            "behind": seen.behind,
            "why": seen.why,
        }
    }


def _logs(lines: tuple[LogLine, ...], _: float) -> dict[str, Any]:
    return {
        "logs": [
            {"at": stamp(line.at_s), "stream": line.stream, "level": line.level, "message": line.text}
            for line in lines
        ]
    }


def age(since_s: float, now_s: float) -> float:
    """Return the seconds since then; a clock that is a little ahead makes no negative age."""
    return round(max(0.0, now_s - since_s), 3)


_SHAPES: Mapping[str, Callable[[Any, float], dict[str, Any]]] = {
    "tasks": _tasks,
    "queue": _queue,
    "branches": _branches,
    "deployment": _deployment,
    "logs": _logs,
}
