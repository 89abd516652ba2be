"""What tells that an event has happened: for each kind, which directories to watch and what their news mean."""

import fnmatch
import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from daemon.core.errors import TargetAbsentError
from daemon.core.gitclone import Clone, read_head, read_ref
from daemon.core.gitobjects import MalformedError
from daemon.core.moments import EVENTS, Moment
from daemon.core.seams import World
from daemon.core.target import Target
from daemon.core.watching import Change, Happened, Spot
from daemon.engine.asked import Hit, InFlight, Logged, Sensor

_HEADS = "refs/heads/"
_LOG_TAIL_BYTES = 8192
# How git's reflogs name what moved a branch without making a commit on it.
_NO_COMMITS = ("branch:", "checkout:", "clone:", "fetch", "push", "rebase", "reset:", "worktree")
_ONLY_MOVED = (": fast-forward", " (finish): ")  # the second is of a pull that rebases
_WITH_VALUE = frozenset(("-C", "-c", "--config-env", "--git-dir", "--work-tree", "--namespace", "--super-prefix"))
_PLACED = frozenset((Happened.MADE, Happened.MOVED_HERE, Happened.LOST))
_WRITTEN = frozenset((Happened.WRITTEN, Happened.MOVED_HERE, Happened.LOST))


def of_clone(moment: Moment, clone: Clone, world: World) -> Sensor:
    """Return what tells the event in one clone."""
    return _OF_CLONES[moment.event](moment, clone, world)


def of_target(moment: Moment, target: Target, world: World) -> Sensor:
    """Return what tells an event that happens in no clone; raises TargetAbsentError when the target lacks it."""
    if moment.event == "message" and target.queue is not None:
        return InFlight(target.queue.url, world)
    if moment.event == "log" and target.logs is not None:
        return Logged(target.logs.group, re.compile(moment.matching), world)
    raise lacking(moment, target)


def lacking(moment: Moment, target: Target) -> TargetAbsentError:
    """Return the error for a target without what the event happens in."""
    needs = EVENTS[moment.event].needs
    return TargetAbsentError(
        f"nothing was touched: the event {moment.event} needs a {needs}, which target {target.name!r} has not",
        hint=f"set targets.{target.name}.{needs}",
    )


# --- git -------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _InClone:
    moment: Moment
    clone: Clone
    world: World
    ask_every_s: float = field(default=0.0, init=False)

    @property
    def spots(self) -> tuple[Spot, ...]:
        return (Spot(path=self.clone.git_dir),)

    def _fits(self, name: str) -> bool:
        return fnmatch.fnmatchcase(name, self.moment.matching or "*")

    def _hit(self, what: str) -> Hit:
        return Hit(f"{what} in {self.clone.root}", self.clone.root)


@dataclass(slots=True)
class Committed(_InClone):
    """A branch was moved, and its reflog says by what; without a reflog every move counts."""

    _tips: dict[str, str | None] = field(default_factory=dict, init=False)

    @property
    def spots(self) -> tuple[Spot, ...]:
        return (Spot(path=self.clone.path("refs", "heads"), deep=True),)

    def look(self, changes: Sequence[Change]) -> Hit | None:
        for change in changes:
            name = posixpath.relpath(change.path, self.clone.common) if change.path else self._checked_out()
            if change.what in _WRITTEN and name.startswith(_HEADS) and not name.endswith(".lock"):
                branch = name.removeprefix(_HEADS)
                if self._fits(branch) and (made := self._commit(name)):
                    return self._hit(f"commit {made[:12]} on {branch}")
        return None

    def _checked_out(self) -> str:
        try:
            return read_head(self.world.files, self.clone).ref or ""
        except (MalformedError, TargetAbsentError):
            return ""

    def _commit(self, name: str) -> str:
        try:
            now = read_ref(self.world.files, self.clone, name)
        except (MalformedError, TargetAbsentError):
            return ""
        if now is None or now == self._tips.get(name):
            return ""
        self._tips[name] = now
        last = _last_line(self.world, self.clone.path("logs", name))
        made = last is None or (last.split(" ")[1:2] == [now] and _made(_message(last)))
        return now if made and (not self.clone.shared or self._checked_out() == name) else ""


@dataclass(slots=True)
class Switched(_InClone):
    """HEAD names another branch than before."""

    _was: str = field(default="", init=False)

    def __post_init__(self) -> None:
        self._was = self._now()

    def look(self, changes: Sequence[Change]) -> Hit | None:
        head = self.clone.path("HEAD")
        if not any(change.path in (head, "") and change.what in _WRITTEN for change in changes):
            return None
        was, self._was = self._was, self._now()
        return (
            self._hit(f"{self._was} was checked out")
            if self._was not in (was, "") and self._fits(self._was)
            else None
        )

    def _now(self) -> str:
        try:
            head = read_head(self.world.files, self.clone)
        except (MalformedError, TargetAbsentError):
            return ""
        return head.ref.removeprefix(_HEADS) if head.ref else "HEAD"


@dataclass(slots=True)
class Stashed(_InClone):
    """refs/stash was written, and its reflog has more lines than before: an entry was made, not dropped."""

    _entries: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._entries = self._count()

    @property
    def spots(self) -> tuple[Spot, ...]:
        return (Spot(path=self.clone.path("refs")),)

    def look(self, changes: Sequence[Change]) -> Hit | None:
        stash = self.clone.path("refs", "stash")
        if not any(change.path in (stash, "") and change.what in _WRITTEN for change in changes):
            return None
        before, self._entries = self._entries, self._count()
        return self._hit("a stash entry was made") if self._entries > before else None

    def _count(self) -> int:
        path = self.clone.path("logs", "refs", "stash")
        try:
            return self.world.files.read(path).count(b"\n")
        except TargetAbsentError:
            return 0


@dataclass(slots=True)
class Locked(_InClone):
    """``.git/index.lock`` is there."""

    def look(self, changes: Sequence[Change]) -> Hit | None:
        lock = self.clone.path("index.lock")
        seen = any(change.path == lock and change.what in _PLACED for change in changes)
        return self._hit("index.lock appeared") if seen else None


@dataclass(slots=True)
class Pushing(_InClone):
    """Every git command opens HEAD first; when somebody does, it is seen whether that is a ``git push``."""

    def __post_init__(self) -> None:
        self._push()  # the first look loads what the others need at once

    @property
    def spots(self) -> tuple[Spot, ...]:
        return (Spot(path=self.clone.git_dir, opening=True),)

    def look(self, changes: Sequence[Change]) -> Hit | None:
        head = self.clone.path("HEAD")
        return self._push() if any(change.path in (head, "") for change in changes) else None

    def _push(self) -> Hit | None:
        found = self.world.processes.commands("git", below=(self.clone.root, self.clone.git_dir))
        push = next((command for command in found if _verb(command.words) == "push"), None)
        return self._hit(f"git push (pid {push.process.pid})") if push else None


@dataclass(slots=True)
class Written(_InClone):
    """A file of the work tree was closed after writing, or moved into its place."""

    @property
    def spots(self) -> tuple[Spot, ...]:
        return (Spot(path=self.clone.root, deep=True, without=(".git",)),)

    def look(self, changes: Sequence[Change]) -> Hit | None:
        for change in changes:
            name = posixpath.relpath(change.path, self.clone.root) if change.path else ""
            if change.what in _WRITTEN and name and self._fits(name):
                return self._hit(f"{name} was written")
        return None


_OF_CLONES: Mapping[str, Callable[[Moment, Clone, World], Sensor]] = {
    "commit": Committed,
    "push": Pushing,
    "index-lock": Locked,
    "switch": Switched,
    "stash": Stashed,
    "file": Written,
}


def _last_line(world: World, path: str) -> str | None:
    """Return the last line of a reflog; None when there is none."""
    stat = world.files.lstat(path)
    if stat is None:
        return None
    tail = world.files.read(path, offset=max(0, stat.size - _LOG_TAIL_BYTES))
    return tail.decode("utf-8", "replace").rstrip("\n").rpartition("\n")[2]


def _message(line: str) -> str:
    return line.partition("\t")[2].lower()


def _made(message: str) -> bool:
    """Tell whether a reflog's message says that a commit was made: a merge makes one unless it only moves."""
    moved = message.startswith(("merge ", "pull")) and any(words in message for words in _ONLY_MOVED)
    return not moved and not message.startswith(_NO_COMMITS)


def _verb(words: Sequence[str]) -> str:
    """Return git's own command, past the options before it."""
    rest = iter(words[1:])
    for word in rest:
        if word in _WITH_VALUE:
            next(rest, None)
        elif not word.startswith("-"):
            return word
    return ""
