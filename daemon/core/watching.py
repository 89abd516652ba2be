"""What happens to files, as the file system tells it, as a protocol: nobody polls."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, Self


class Happened(StrEnum):
    """What happened to a file. ``LOST``: more happened than the system kept; look for yourself."""

    MADE = "made"
    WRITTEN = "written"
    MOVED_HERE = "moved here"
    OPENED = "opened"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Change:
    """One event. ``path`` is below the path that is watched."""

    path: str
    what: Happened


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A directory to watch. ``deep``: with all below it, except directories named in ``without``.

    ``opening``: tell when a file in it is opened as well, which is often.
    """

    path: str
    deep: bool = False
    without: tuple[str, ...] = ()
    opening: bool = False


class Watching(Protocol):
    """What is watched, from its making on, until it is left as a context manager."""

    def wait(self, timeout_s: float) -> tuple[Change, ...]:
        """Return what has happened since the last call, waiting at most so long for something to."""
        ...

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...


class FileEvents(Protocol):
    """The file system's own notifications."""

    def watch(self, spots: Sequence[Spot]) -> Watching:
        """Begin to watch; raises RefusedError when the system does not let us watch so much."""
        ...
