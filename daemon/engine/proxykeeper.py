"""The daemon's hold on the fault proxy: found or started before anything else, started again when it dies.

The proxy is a process of its own, so that the worker keeps its AWS when the daemon is killed; the next daemon finds
it and goes on with it. One that somebody started by hand is used, never ended.
"""

from collections.abc import Callable, Mapping
from threading import Event, Lock, Thread
from typing import Any, Protocol

from daemon.core.errors import ChaosdError, TargetAbsentError
from daemon.core.seams import Clock

LOOK_S = 1.0
PAUSE_S, PAUSE_MOST_S = 1.0, 30.0
SILENT_S = 30.0  # after which one that does not answer is replaced
END_S = 15.0
THEIRS_S = 10.0  # for whoever started one that we did not start: a supervisor has it again by then
FRESH_S = 1.0  # how long what it said holds for those who scrape
SCRAPE_S = 0.5

Tell = Callable[[str, Mapping[str, Any]], None]
"""Told what happened (``proxy.started``, ...) with its facts."""


class Child(Protocol):
    """A proxy that we started."""

    @property
    def pid(self) -> int: ...
    def ended(self) -> int | None: ...


class Hands(Protocol):
    """What can be done about the proxy; ``wiring.proxying`` has the real ones."""

    wanted: str
    """What a running one must say its configuration is."""

    def word(self, *, timeout_s: float) -> dict[str, Any]: ...
    def start(self) -> Child: ...
    def end(self, pid: int, *, within_s: float) -> bool: ...


class Keeper:
    """Keeps one proxy running. ``begin`` then ``close``, each once; thread-safe.

    Without ``starts`` somebody else starts it: then it is only found, used and missed, and ended only if it is an
    earlier daemon's of another configuration. Nothing here raises: a daemon whose proxy does not come up still
    undoes, watches, and tries again.
    """

    def __init__(self, hands: Hands, clock: Clock, tell: Tell, *, starts: bool = True) -> None:
        self._hands, self._clock, self._tell, self._starts = hands, clock, tell, starts
        self._awaited = False
        self._child: Child | None = None
        self._pid = 0
        self._kept = False
        self._said: tuple[float, dict[str, Any] | None] = (-FRESH_S, None)
        self._pause_s, self._not_before_s = PAUSE_S, 0.0
        self._answered_s = 0.0
        self._stop, self._lock = Event(), Lock()
        self._thread = Thread(target=self._keep, name="proxy", daemon=True)

    def begin(self) -> None:
        """Find the proxy or start it, and keep an eye on it from now on. Takes as long as its start, at most."""
        self._answered_s = self._clock.instant().mono_s
        self.look()
        self._thread.start()

    def close(self) -> None:
        """End the proxy, if it is the daemon's own. Idempotent."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()
        if self._pid and self._kept:
            self._end(self._pid)
            self._tell("proxy.stopped", {"pid": self._pid})
        self._pid = 0

    def look(self) -> None:
        """See that a proxy answers; start one when none does."""
        now_s = self._clock.instant().mono_s
        try:
            found = self._hands.word(timeout_s=LOOK_S * 2)
        except TargetAbsentError:
            self._absent(now_s)
        except ChaosdError as error:
            self._silent(now_s, error)
        else:
            self._answered_s = now_s
            self._pause_s = PAUSE_S
            self._awaited = False
            if found["pid"] != self._pid:
                self._meet(found)

    def word(self) -> dict[str, Any] | None:
        """Return what the proxy says of itself, at most a second old; None when it does not answer in time."""
        with self._lock:
            now_s = self._clock.instant().mono_s
            if now_s - self._said[0] >= FRESH_S:
                try:
                    found: dict[str, Any] | None = self._hands.word(timeout_s=SCRAPE_S)
                except ChaosdError:
                    found = None
                self._said = (now_s, found)
            return self._said[1]

    # --- inside ------------------------------------------------------------------------------------------

    def _keep(self) -> None:
        while not self._clock.wait(self._stop, LOOK_S):
            self.look()

    def _meet(self, found: Mapping[str, Any]) -> None:
        """Go on with a proxy that was there already, unless it is ours and of another configuration."""
        same = found["configuration"] == self._hands.wanted
        facts = {"pid": found["pid"], "lanes": found["lanes"]}
        if same or not found["kept"]:
            self._pid, self._kept, self._child = found["pid"], found["kept"], None
            self._tell("proxy.found" if same else "proxy.differs", facts)
            return
        self._tell("proxy.replaced", facts)
        self._end(found["pid"])
        self._come()

    def _absent(self, now_s: float) -> None:
        if self._pid:
            code = self._child.ended() if self._child else None
            self._tell("proxy.died", {"pid": self._pid, "code": code})
            if not self._kept:
                self._not_before_s = now_s + THEIRS_S
            self._pid, self._child = 0, None
        if now_s >= self._not_before_s:
            self._come()

    def _silent(self, now_s: float, error: ChaosdError) -> None:
        if now_s - self._answered_s < SILENT_S or not (self._pid and self._kept):
            return
        self._tell("proxy.silent", {"pid": self._pid, "error": error.message})
        self._end(self._pid)
        self._pid, self._child, self._answered_s = 0, None, now_s

    def _come(self) -> None:
        if self._starts:
            self._start()
        elif not self._awaited:
            self._awaited = True
            self._tell(
                "proxy.awaited", {"hint": "proxy.start is false: start chaosd-proxy.service or `chaosd proxy`"}
            )

    def _start(self) -> None:
        try:
            child = self._hands.start()
            found = self._hands.word(timeout_s=LOOK_S * 2)
        except ChaosdError as error:
            self._not_before_s = self._clock.instant().mono_s + self._pause_s
            self._tell("proxy.failed", {"error": error.message, "hint": error.hint, "again_in_s": self._pause_s})
            self._pause_s = min(PAUSE_MOST_S, self._pause_s * 2)
            return
        # One that dies again and again is started less and less often; an answer later on sets that back.
        self._answered_s = self._clock.instant().mono_s
        self._not_before_s = self._answered_s + self._pause_s
        self._pause_s = min(PAUSE_MOST_S, self._pause_s * 2)
        self._child, self._pid, self._kept = child, child.pid, True
        self._tell("proxy.started", {"pid": child.pid, "lanes": found["lanes"]})

    def _end(self, pid: int) -> None:
        self._hands.end(pid, within_s=END_S)
        if self._child is not None:
            self._child.ended()
