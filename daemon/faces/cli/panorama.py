"""Everything `chaosd monitor` shows, gathered side by side: a slow or broken part never stops the others."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from threading import Condition, Thread
from typing import TYPE_CHECKING, Any

from daemon.core.errors import ChaosdError, ConfigError
from daemon.core.harmless import printable
from daemon.faces import shapes
from daemon.faces.cli import parts
from daemon.faces.cli.desk import situation
from daemon.faces.cli.past import latest
from daemon.faces.cli.session import Session

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.core.seams import Clock
    from daemon.core.settings import Settings
    from daemon.ports.state import StateDirectory

LATEST = 5
LEAST_S = {"branches": 2.0, "deployment": 2.0}  # a git process and a billed request each: no more often than this
STALE_S = 30.0  # figures older than this are unknown
CHAOSD, PROBE = "chaosd", "probe:"
SITUATION = ("daemon", "halted", "active", "outstanding", "observations", "next", "latest")


@dataclass(slots=True, kw_only=True)
class Source:
    """One part of one target (``target`` empty: chaosd itself) and what its last look gave.

    Instants are monotonic seconds. ``reason`` is why the last look failed; ``value`` None: never seen, or failed.
    """

    target: str
    part: str
    look: Callable[[], Any]
    every_s: float = 0.0
    began_s: float | None = None
    asked_s: float | None = None
    seen_s: float | None = None
    value: Any = None
    reason: str = ""

    def due(self, now_s: float) -> bool:
        """Tell whether it is time to look again and no look is under way."""
        return self.began_s is None and (self.asked_s is None or now_s - self.asked_s >= self.every_s)

    def unseen(self, now_s: float) -> str:
        """Return why its figures are unknown, or nothing when there are some worth showing."""
        if self.reason:
            return self.reason
        if self.seen_s is None:
            return f"no answer yet after {now_s - (self.began_s if self.began_s is not None else now_s):.0f} s"
        old_s = now_s - self.seen_s
        return f"no answer for {old_s:.0f} s" if self.began_s is not None and old_s > STALE_S + self.every_s else ""


class Gatherer:
    """Looks at all sources at the same time, one thread a look, and keeps the last figures of each."""

    def __init__(self, sources: Sequence[Source], clock: "Clock") -> None:
        self._sources = tuple(sources)
        self._clock = clock
        self._news = Condition()

    def refresh(self, patience_s: float) -> None:
        """Begin every look that is due, and wait for those under way, ``patience_s`` at most."""
        now_s = self._clock.instant().mono_s
        with self._news:
            due = [source for source in self._sources if source.due(now_s)]
            for source in due:
                source.began_s = source.asked_s = now_s
        for source in due:
            # Daemon threads: a call that nobody answers must not hold up Ctrl-C.
            Thread(target=self._look, args=(source,), name=f"look-{source.part}", daemon=True).start()
        self.settle(patience_s)

    def settle(self, patience_s: float) -> bool:
        """Wait for the looks under way; False when the patience ended first."""
        with self._news:
            return self._news.wait_for(lambda: all(s.began_s is None for s in self._sources), patience_s)

    def sources(self) -> tuple[Source, ...]:
        """Return every source as it is now."""
        from dataclasses import replace

        with self._news:
            return tuple(replace(source) for source in self._sources)

    def _look(self, source: Source) -> None:
        value, reason = None, "the look broke off"  # stays so when it crashes; Python then tells where
        try:
            value = source.look()
            reason = ""
        except ChaosdError as error:
            reason = error.message
        finally:
            with self._news:
                source.value, source.reason, source.began_s = value, reason, None
                source.seen_s = self._clock.instant().mono_s
                self._news.notify_all()


@dataclass(slots=True, kw_only=True)
class Panorama:
    """What the page is drawn from; ``close`` ends it."""

    gatherer: Gatherer
    clock: "Clock"
    settings: "Settings | None"
    trouble: str = ""

    def document(self) -> dict[str, Any]:
        """Return everything as it is known now, in the shape of ``-o json``."""
        now = self.clock.instant()
        sources = self.gatherer.sources()
        found: dict[str, Any] = {"at": shapes.stamp(now.wall_s), **dict.fromkeys(SITUATION), "unseen": []}
        for source in sources:
            if source.part == CHAOSD:
                _add(found, source, now.mono_s, lambda value: value)
        if self.trouble:
            found["unseen"].append({"part": "configuration", "reason": printable(self.trouble)})
        looked = [s.value for s in sources if s.part.startswith(PROBE) and s.value is not None]
        if looked and not found["daemon"]:
            found["observations"] = [shapes.observation(seen) for seen in looked]
        names = tuple(self.settings.targets) if self.settings else ()
        found["targets"] = [self._target(name, sources, found["observations"], now) for name in names]
        return found

    def _target(self, name: str, sources: Sequence[Source], seen: Any, now: Any) -> dict[str, Any]:
        of = [s for s in sources if s.target == name and not s.part.startswith(PROBE)]
        found: dict[str, Any] = {"target": name, "steady": self._steady(name, seen, now.wall_s)}
        found |= {**dict.fromkeys(s.part for s in of), "unseen": [], "ages": {}}
        for source in of:
            _add(found, source, now.mono_s, partial(parts.document, source.part, now.wall_s))
            if source.seen_s is not None:
                found["ages"][source.part] = round(now.mono_s - source.seen_s, 3)
        return found

    def _steady(self, target: str, seen: Any, now_s: float) -> dict[str, Any] | None:
        """Return the worst status among the steady state's probes; None when the target has no such probes."""
        if self.settings is None:
            return None
        wanted = self.settings.steady_state.get(target, ())
        # A probe whose look hangs leaves its last good one standing: that is no news after a while.
        lasts_s = {p.name: now_s - 2 * p.every_s - STALE_S for p in self.settings.probes}
        status = {
            o["probe"]: o["status"]
            for o in seen or ()
            if o["target"] == target and datetime.fromisoformat(o["at"]).timestamp() >= lasts_s.get(o["probe"], 0.0)
        }
        told = {name: status.get(name, "unknown") for name in wanted}
        if not told:
            return None
        worst = next((s for s in ("failing", "unknown") if s in told.values()), "ok")
        return {"status": worst, "because": [name for name, s in told.items() if s == worst != "ok"]}


def _add(found: dict[str, Any], source: Source, now_s: float, shape: Callable[[Any], dict[str, Any]]) -> None:
    reason = source.unseen(now_s)
    if reason:
        found["unseen"].append({"part": source.part, "reason": printable(reason)})
    else:
        found.update(shape(source.value))


@contextmanager
def panorama(session: Session, *, lines: int, branches: int) -> "Iterator[Panorama]":
    """Yield the panorama of the configured targets; without a configuration only of chaosd itself.

    Raises ConfigError for a broken configuration, unless a daemon runs: then that is told in its place.
    """
    from daemon.ports.clock import SystemClock

    clock = SystemClock()
    sources = [
        Source(target="", part=CHAOSD, look=lambda: {**situation(session), "latest": latest(session, LATEST)})
    ]
    settings, trouble = _settings(session)
    with _private(session.state) as private:
        if settings is not None:
            sources += _of_targets(session, settings, private, lines=lines, branches=branches)
        gatherer = Gatherer(sources, clock)
        try:
            yield Panorama(gatherer=gatherer, clock=clock, settings=settings, trouble=trouble)
        finally:
            gatherer.settle(1.0)  # so that what was begun does not write into a directory that goes away


def _settings(session: Session) -> "tuple[Settings | None, str]":
    if session.config_path() is None:
        return None, "" if session.daemon() is None else "none named: only what the daemon tells is shown (-c FILE)"
    try:
        return session.settings(), ""
    except ConfigError as error:
        if session.daemon() is None:
            raise
        return None, error.message


def _of_targets(
    session: Session, settings: "Settings", private: "Path", *, lines: int, branches: int
) -> list[Source]:
    from daemon import wiring
    from daemon.ports.world import LocalWorld

    world = LocalWorld(aws=settings.aws, private=private)
    found = []
    for target in settings.targets.values():
        looks = parts.looks(target, world, wiring.branches(target, world), lines=lines, most=branches)
        found += [
            Source(target=target.name, part=part, look=look, every_s=LEAST_S.get(part, 0.0))
            for part, look in looks.items()
        ]
    if session.daemon() is None:
        found += _of_probes(settings, world)
    return found


def _of_probes(settings: "Settings", world: Any) -> list[Source]:
    """Return our own looks with the configured probes, for want of a daemon's."""
    from daemon import wiring
    from daemon.core.calls import sends

    # What sends a message at every look is for the daemon, or for who asks for it by name.
    return [
        Source(target=o.target.name, part=f"{PROBE}{o.name}", look=partial(o.look, world), every_s=o.every_s)
        for o in wiring.lookouts(settings)
        if not sends(o.probe.calls)
    ]


@contextmanager
def _private(state: "StateDirectory") -> "Iterator[Path]":
    """Yield a directory for the mirrors: one that stays where a state directory is and nobody else uses it so."""
    import fcntl
    import os
    import tempfile
    from pathlib import Path

    kept = state.private / "monitor"
    if os.access(state.private, os.W_OK):
        kept.mkdir(mode=0o700, exist_ok=True)
        with (kept / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                pass  # somebody else watches: two must not fetch into one mirror
            else:
                yield kept
                return
    with tempfile.TemporaryDirectory(prefix="chaosd-monitor-", ignore_cleanup_errors=True) as made:
        yield Path(made)
