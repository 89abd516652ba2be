"""Looks at the targets: slowly between experiments, fast while one runs."""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self

from daemon.core.errors import ChaosdError
from daemon.core.events import Observed
from daemon.core.model import Finding, Observation, Phase, Reading, Status
from daemon.core.seams import Flag, Probe, World
from daemon.core.target import Target

FLUSH_S = 1.0
LOOK_MOST_S = 1800.0  # longer than any look may take, that of `git fsck` over many clones included
FRESH_S = 1.0


@dataclass(slots=True, kw_only=True)
class Lookout:
    """One configured probe, ready to look. ``every_s`` is its slow interval.

    ``since_s`` is when the look under way began (monotonic seconds), None while nobody looks.
    """

    name: str
    target: Target
    probe: Probe
    every_s: float
    lock: threading.Lock = field(default_factory=threading.Lock)
    since_s: float | None = None

    def look(self, world: World) -> Observation:
        """Look once; a probe that cannot answer, or breaks, is UNKNOWN with the reason as its finding."""
        with self.lock:
            return self._look(world)

    def look_within(
        self, world: World, timeout_s: float, *, tell: Callable[[Observation], None]
    ) -> Observation | None:
        """Look once as ``look`` does, waiting at most so long for it; None when that was too short.

        A look that is late goes on in its thread, and nobody else looks with this probe before it has ended. What
        it sees is given to ``tell`` there, late or not.
        """
        late_s = world.clock.instant().mono_s + timeout_s
        if not self.lock.acquire(timeout=timeout_s):
            return None
        seen: list[Observation] = []
        done = threading.Event()

        def look() -> None:
            try:
                seen.append(self._look(world))
                tell(seen[0])
            finally:
                self.lock.release()
                done.set()

        threading.Thread(target=look, name=f"asked-{self.name}", daemon=True).start()
        done.wait(max(0.0, late_s - world.clock.instant().mono_s))
        return seen[0] if seen else None

    def _look(self, world: World) -> Observation:
        asked = world.clock.instant()
        self.since_s = asked.mono_s
        try:
            reading = self._read(world)
        finally:
            self.since_s = None
        answered = world.clock.instant()
        return Observation(
            probe=self.name, target=self.target.name, asked=asked, answered=answered, reading=reading
        )

    def _read(self, world: World) -> Reading:
        try:
            return self.probe.observe(self.target, world)
        except ChaosdError as error:
            return Reading(status=Status.UNKNOWN, findings=(Finding("unanswered", error.message),))
        except Exception as error:  # noqa: BLE001  a crashing check is unknown, never a pass, and ends no experiment
            return Reading(status=Status.UNKNOWN, findings=(Finding("crashed", repr(error)),))


class Watch(Protocol):
    """Fast looking during one experiment. A context manager; leaving it ends the looking."""

    def enter(self, phase: Phase) -> None:
        """Begin a phase: what is seen from now on belongs to it, and every probe looks at once."""
        ...

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def wait(self, timeout_s: float, *, until: Callable[[], bool], stop: Flag) -> bool:
        """Wait until the condition holds (True), the time is over, or ``stop`` is set."""
        ...

    def series(self) -> Mapping[str, Sequence[Observation]]:
        """Return what each probe saw so far, in order."""
        ...


Sink = Callable[[Sequence[Observed]], None]


class ThreadedWatch:
    """One thread a probe, each looking every ``every_s``; ``sink`` gets what is new about once a second."""

    def __init__(self, lookouts: Iterable[Lookout], *, world: World, every_s: float, sink: Sink) -> None:
        self._lookouts = tuple(lookouts)
        self._world = world
        self._every_s = every_s
        self._sink = sink
        self._news = threading.Condition()
        self._over = threading.Event()
        self._now = {o.name: threading.Event() for o in self._lookouts}
        self._seen: dict[str, list[Observation]] = {o.name: [] for o in self._lookouts}
        self._unsent: list[Observed] = []
        self._threads = [
            threading.Thread(target=self._sample, args=(o,), name=f"watch-{o.name}", daemon=True)
            for o in self._lookouts
        ]
        self._phase = Phase.BEFORE

    def enter(self, phase: Phase) -> None:
        self._phase = phase
        self._wake()

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A look that is still under way is not waited for: a slow probe must not hold up the verdict.
        self._over.set()
        self._wake()
        self._flush()

    def _wake(self) -> None:
        for now in self._now.values():
            now.set()

    def wait(self, timeout_s: float, *, until: Callable[[], bool], stop: Flag) -> bool:
        clock = self._world.clock
        deadline = clock.instant().mono_s + timeout_s
        flushed = clock.instant().mono_s
        while True:
            if until():
                self._flush()
                return True
            now = clock.instant().mono_s
            if stop.is_set() or now >= deadline:
                self._flush()
                return False
            if now - flushed >= FLUSH_S:
                self._flush()
                flushed = now
            with self._news:
                # Bounded, so that ``stop`` is noticed within a quarter of a second even if no probe answers.
                self._news.wait(min(deadline - now, 0.25))

    def series(self) -> Mapping[str, Sequence[Observation]]:
        with self._news:
            return {name: tuple(seen) for name, seen in self._seen.items()}

    def _sample(self, lookout: Lookout) -> None:
        now = self._now[lookout.name]
        while not self._over.is_set():
            now.clear()
            observation = lookout.look(self._world)
            if self._over.is_set():
                return
            with self._news:
                self._seen[lookout.name].append(observation)
                self._unsent.append(Observed(phase=self._phase, observation=observation))
                self._news.notify_all()
            self._world.clock.wait(now, self._every_s)

    def _flush(self) -> None:
        with self._news:
            unsent, self._unsent = self._unsent, []
        if unsent:
            self._sink(unsent)


class Prober:
    """Looks with every probe at its slow interval, one thread a probe; results go to ``publish``."""

    def __init__(
        self, lookouts: Sequence[Lookout], *, world: World, publish: Callable[[Observation], None]
    ) -> None:
        self._world = world
        self._publish = publish
        self._over = threading.Event()
        self._lookouts = {o.name: o for o in lookouts}
        self._latest: dict[str, Observation] = {}
        # Daemon threads: a canary in flight must not hold up the end of the process.
        self._threads = [
            threading.Thread(target=self._run, args=(o,), name=f"probe-{o.name}", daemon=True) for o in lookouts
        ]

    @property
    def latest(self) -> Mapping[str, Observation]:
        """Return the last observation of each probe that has answered yet."""
        return dict(self._latest)

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def ailing(self) -> tuple[str, ...]:
        """Tell which probes look no more: their thread has ended, or one look takes longer than any may."""
        if self._over.is_set():
            return ()
        now_s = self._world.clock.instant().mono_s
        ended = (t.name for t in self._threads if t.ident is not None and not t.is_alive())
        since = [(o.name, s) for o in self._lookouts.values() if (s := o.since_s) is not None]
        return (
            *(f"the thread {name} has ended" for name in ended),
            *(f"probe {name} has looked for {now_s - s:.0f} s" for name, s in since if now_s - s > LOOK_MOST_S),
        )

    def successor(self, lookouts: Sequence[Lookout]) -> "Prober":
        """Return one that looks with other probes and remembers what was seen with those that stay the same."""
        other = Prober(lookouts, world=self._world, publish=self._publish)
        for one in lookouts:
            seen = self._latest.get(one.name)
            if seen is not None and self._lookouts[one.name] is one:
                other.note(seen)
        return other

    def stop(self) -> None:
        """End the looking; returns without waiting for looks under way. Idempotent."""
        self._over.set()

    def look(self, name: str, timeout_s: float) -> Observation | None:
        """Return what one of the probes sees now; None when it does not answer in time. It is published either way.

        A look that is hardly older than FRESH_S is as good as another: who asks often does not make it look often.
        Raises KeyError for a name that is not configured.
        """
        lookout = self._lookouts[name]
        seen, now_s = self._latest.get(name), self._world.clock.instant().mono_s
        if seen is not None and now_s - seen.answered.mono_s < FRESH_S:
            return seen
        return lookout.look_within(self._world, timeout_s, tell=self._tell)

    def _tell(self, observation: Observation) -> None:
        """Remember and publish a look, unless the looking is over: then another may look under this name."""
        if not self._over.is_set():
            self.note(observation)
            self._publish(observation)

    def note(self, observation: Observation) -> None:
        """Remember a look that a watch made; one of a probe that is configured no more is forgotten."""
        if observation.probe in self._lookouts:
            self._latest[observation.probe] = observation

    def _run(self, lookout: Lookout) -> None:
        while not self._over.is_set():
            if not lookout.lock.locked():  # else an experiment is looking faster than we would
                self._tell(lookout.look(self._world))
            self._world.clock.wait(self._over, lookout.every_s)
