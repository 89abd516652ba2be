"""File system events by inotify: told by the kernel the moment they happen, whoever caused them."""

import os
import posixpath
from collections.abc import Iterator, Sequence
from typing import Self

from inotify_simple import Event, INotify, flags

from daemon.core.errors import RefusedError, TargetAbsentError
from daemon.core.watching import Change, Happened, Spot

_BASE = flags.CREATE | flags.CLOSE_WRITE | flags.MOVED_TO | flags.ONLYDIR | flags.DONT_FOLLOW
_MEANS = (
    (flags.MOVED_TO, Happened.MOVED_HERE),
    (flags.CLOSE_WRITE, Happened.WRITTEN),
    (flags.CREATE, Happened.MADE),
    (flags.OPEN, Happened.OPENED),
)


def _instance() -> INotify:
    try:
        return INotify()
    except OSError as error:
        raise RefusedError(
            f"not injecting: no event can be waited for: {error.strerror}",
            rule="watches",
            hint="raise fs.inotify.max_user_instances or the limit of open files, or wait for another event",
        ) from error


class InotifyEvents:
    """core.watching.FileEvents of this machine. Network file systems tell only what this machine does."""

    def watch(self, spots: Sequence[Spot]) -> "InotifyWatch":
        return InotifyWatch(spots)


class InotifyWatch:
    """One inotify instance; not thread-safe."""

    def __init__(self, spots: Sequence[Spot]) -> None:
        self._inotify = _instance()
        self._watched: dict[int, tuple[str, Spot]] = {}
        try:
            for spot in spots:
                self._begin(spot)
        except BaseException:
            self._inotify.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._inotify.close()

    def wait(self, timeout_s: float) -> tuple[Change, ...]:
        events = self._inotify.read(timeout=max(0, round(timeout_s * 1000)))
        return tuple(change for event in events for change in self._changes(event))

    def _changes(self, event: Event) -> Iterator[Change]:
        if event.mask & flags.Q_OVERFLOW:
            yield Change("", Happened.LOST)
            return
        if event.wd not in self._watched or event.mask & flags.IGNORED:
            return
        directory, spot = self._watched[event.wd]
        path = posixpath.join(directory, event.name)
        if event.mask & flags.ISDIR:
            if spot.deep and event.mask & (flags.CREATE | flags.MOVED_TO) and self._add(path, spot):
                # Made before we watched, and perhaps written to its end: nobody will tell.
                yield from (Change(found, Happened.MOVED_HERE) for found in self._below(path, spot))
            return
        for flag, meaning in _MEANS:
            if event.mask & flag:
                yield Change(path, meaning)
                return

    def _begin(self, spot: Spot) -> None:
        if not self._add(spot.path, spot):
            raise TargetAbsentError(f"nothing was touched: {spot.path} cannot be watched: it is not there")
        if spot.deep:
            for _ in self._below(spot.path, spot):
                pass

    def _add(self, path: str, spot: Spot) -> bool:
        """Watch one directory; False when it is gone already."""
        if posixpath.basename(path) in spot.without and path != spot.path:
            return False
        try:
            descriptor = self._inotify.add_watch(path, _BASE | (flags.OPEN if spot.opening else 0))
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise RefusedError(
                f"not injecting: {path} cannot be watched: {error.strerror} ({len(self._watched)} directories are)",
                rule="watches",
                hint="raise fs.inotify.max_user_watches, or wait for another event",
            ) from error
        self._watched[descriptor] = (path, spot)
        return True

    def _below(self, path: str, spot: Spot) -> Iterator[str]:
        """Watch what is below a directory, and yield the files that were in it before it was watched."""
        for directory, folders, files in os.walk(path):
            yield from (posixpath.join(directory, name) for name in files)
            folders[:] = [name for name in folders if self._add(posixpath.join(directory, name), spot)]
