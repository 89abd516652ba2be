"""Waits for the event on which a fault is to strike: the file system tells, or somebody is asked."""

from contextlib import ExitStack
from typing import Self

from daemon.core.errors import ChaosdError, RefusedError, TargetAbsentError
from daemon.core.gitclone import Clone, open_clone
from daemon.core.moments import EVENTS, Moment
from daemon.core.seams import World
from daemon.core.target import Target
from daemon.core.watching import Watching
from daemon.engine.asked import Hit, Sensor
from daemon.engine.sensors import lacking, of_clone, of_target


class Ambush:
    """One moment of one target. A context manager: it watches from entering on. Not thread-safe.

    Entering raises ChaosdError when the target has nothing in which the event could happen.
    """

    def __init__(self, moment: Moment, target: Target, world: World) -> None:
        self._moment, self._target, self._world = moment, target, world
        self._sensors: tuple[Sensor, ...] = ()
        self._watching: Watching | None = None
        self._stack = ExitStack()
        self.unanswered: ChaosdError | None = None

    def __enter__(self) -> Self:
        clones = self._clones()
        self._sensors = tuple(of_clone(self._moment, clone, self._world) for clone in clones)
        if not self._sensors:
            self._sensors = (of_target(self._moment, self._target, self._world),)
        spots = tuple(spot for sensor in self._sensors for spot in sensor.spots)
        if spots:
            self._watching = self._stack.enter_context(self._world.events.watch(spots))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def wait(self, timeout_s: float) -> Hit | None:
        """Return the event once it is seen, None after the time; who has to be asked is asked at least once.

        ``unanswered`` is why the last one asked gave no answer; None when it did.
        """
        end_s = self._now_s() + timeout_s
        while True:
            left_s = max(0.0, end_s - self._now_s())
            hit = self._told(left_s) if self._watching else self._asked(left_s)
            if hit is not None or self._now_s() >= end_s:
                return hit

    def _told(self, left_s: float) -> Hit | None:
        assert self._watching is not None  # noqa: S101  wait has looked
        changes = self._watching.wait(left_s)
        return next((hit for sensor in self._sensors if (hit := sensor.look(changes))), None)

    def _asked(self, left_s: float) -> Hit | None:
        for sensor in self._sensors:
            self.unanswered = None
            try:
                if hit := sensor.look(()):
                    return hit
            except ChaosdError as error:
                self.unanswered = error
            self._world.clock.wait(None, min(left_s, sensor.ask_every_s))
        return None

    def _clones(self) -> list[Clone]:
        if EVENTS[self._moment.event].needs != "repository":
            return []
        repository = self._target.repository
        if repository is None:
            raise lacking(self._moment, self._target)
        files, found = self._world.files, dict[str, Clone]()
        problem: ChaosdError | None = None
        for path in (path for pattern in repository.worktree for path in files.glob(pattern)):
            try:
                clone = open_clone(files, path)
                found[clone.root] = clone
            except (TargetAbsentError, RefusedError) as error:
                problem = error
        if not found:
            raise problem or TargetAbsentError(
                f"nothing was touched: {', '.join(repository.worktree)} does not exist",
                hint="check the repository's path",
            )
        return list(found.values())

    def _now_s(self) -> float:
        return self._world.clock.instant().mono_s
