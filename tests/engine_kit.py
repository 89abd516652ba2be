"""An engine on a fake world: a real journal, a fault that breaks one thing, a probe that sees it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

from daemon.core.errors import RefusedError, UnreachableError
from daemon.core.events import Observed
from daemon.core.model import (
    Deadline,
    Finding,
    Mode,
    Observation,
    Order,
    Outcome,
    Phase,
    Reading,
    Resource,
    Reversion,
    Status,
    Undo,
)
from daemon.core.parameters import parameter
from daemon.core.plan import Request
from daemon.core.seams import Flag
from daemon.core.settings import GuardSetting, ProbeSetting, Sampling, Settings
from daemon.core.target import Target
from daemon.engine.control import Control, Regime
from daemon.engine.injector import Injector
from daemon.engine.parts import Parts
from daemon.engine.prober import Lookout
from daemon.engine.recorder import Recorder
from daemon.engine.reverter import Reverter
from daemon.ports.files import LocalFiles
from daemon.ports.journal import Journal
from tests.fakes import Death, FakeWorld

STEP_S = 0.25


class Lamp:
    """The thing that is broken: ``good`` is how it should be. Every change is a moment to die at."""

    def __init__(self, moment: Callable[[], None] = lambda: None) -> None:
        self.light = "good"
        self._moment = moment
        self.writes = 0

    def put(self, light: str) -> None:
        self._moment()
        self.light = light
        self.writes += 1
        self._moment()


@dataclass(frozen=True, slots=True, kw_only=True)
class Darken:
    """Put the lamp out; taken back by putting it on, unless somebody else did."""

    name: ClassVar[str] = "test-darken"
    summary: ClassVar[str] = "Put the lamp out."
    modes: ClassVar[tuple[Mode, ...]] = (Mode("dark", "no light"),)
    touches: ClassVar[Resource] = Resource.PROCESS

    mode: str = parameter("dark", "how", choices=("dark",))
    broken: str = parameter("", "where it breaks", choices=("", "prepare", "inject", "revert"))

    def prepare(self, order: Order, world: Any) -> Undo:
        if self.broken == "prepare":
            raise UnreachableError("not injecting: nobody answers")
        data = {"was": world.lamp.light, "will": f"dark-{order.dice.randint(0, 9)}", "broken": self.broken}
        return Undo(
            fault=self.name, mode=self.mode, victim={"lamp": data["will"]}, actions=("put it out",), data=data
        )

    @classmethod
    def inject(cls, undo: Undo, world: Any, stop: Flag) -> None:
        assert not stop.is_set()
        world.lamp.put(undo.data["will"])
        if undo.data["broken"] == "inject":
            raise RuntimeError("broke half-way")

    @classmethod
    def revert(cls, undo: Undo, world: Any) -> Reversion:
        if undo.data["broken"] == "revert":
            raise OSError("cannot reach the lamp")
        if world.lamp.light == undo.data["will"]:
            world.lamp.put(undo.data["was"])
            return Reversion(outcome=Outcome.RESTORED)
        if world.lamp.light == undo.data["was"]:
            return Reversion(outcome=Outcome.UNTOUCHED)
        return Reversion(outcome=Outcome.SUPERSEDED, detail="somebody put another lamp")


@dataclass(slots=True)
class Look:
    """Sees whether the lamp shines."""

    name: ClassVar[str] = "test-look"
    summary: ClassVar[str] = "Is there light?"
    measures: ClassVar[Mapping[str, str]] = {}
    silent: bool = False

    def observe(self, target: Target, world: Any) -> Reading:
        if self.silent:
            raise UnreachableError(f"{target.name} does not answer")
        if world.lamp.light.startswith("dark"):
            return Reading(status=Status.FAILING, findings=(Finding("dark"),))
        return Reading(status=Status.OK)


class SteppedWatch:
    """A watch without threads: every wait looks, then turns the fake clock by one step."""

    def __init__(self, lookouts: Sequence[Lookout], world: Any, sink: Callable[[Sequence[Observed]], None]) -> None:
        self._lookouts, self._world, self._sink = lookouts, world, sink
        self._seen: dict[str, list[Observation]] = {o.name: [] for o in lookouts}
        self._phase = Phase.BEFORE

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def enter(self, phase: Phase) -> None:
        self._phase = phase

    def wait(self, timeout_s: float, *, until: Callable[[], bool], stop: Flag) -> bool:
        deadline = self._world.clock.instant().mono_s + timeout_s
        while True:
            new = [Observed(phase=self._phase, observation=o.look(self._world)) for o in self._lookouts]
            for one in new:
                self._seen[one.observation.probe].append(one.observation)
            self._sink(new)
            if until():
                return True
            if stop.is_set() or self._world.clock.instant().mono_s >= deadline:
                return False
            self._world.clock.advance(STEP_S)

    def series(self) -> Mapping[str, Sequence[Observation]]:
        return self._seen


@dataclass
class Deadly:
    """Kills its user at the n-th moment; the dead do nothing more: every later moment kills again."""

    dies_at: int = 0
    moments: int = 0
    dead: bool = False

    def moment(self) -> None:
        self.moments += 1
        if self.dead or self.moments == self.dies_at:
            self.dead = True
            raise Death


class DeadlyJournal:
    """A journal whose every write is a moment to die before, and one after."""

    def __init__(self, journal: Journal, deadly: Deadly) -> None:
        self._journal, self._deadly = journal, deadly

    def append(self, injection: str, *happened: Any) -> None:
        self._deadly.moment()
        self._journal.append(injection, *happened)
        self._deadly.moment()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)


class FakeWatchman:
    """A guardian without a process: knows what it was told, and takes charge of everything, unless ``absent``."""

    def __init__(self, clock: Any, moment: Callable[[], None]) -> None:
        self._clock, self._moment = clock, moment
        self.absent = False
        self.armed: list[str] = []
        self.heard: list[tuple[str, str]] = []

    def ready(self) -> None:
        if self.absent:
            raise RefusedError("not injecting: there is no guardian", rule="guardian")

    def deadline(self, undo: Undo, duration_s: float, now_wall_s: float) -> Deadline:
        lasts_s = duration_s + undo.takes_s + 2
        return Deadline(self._clock.instant().mono_s + lasts_s, now_wall_s + lasts_s)

    def arm(self, injection: str) -> None:
        self._moment()
        self.ready()
        self.armed.append(injection)
        self._moment()

    def __call__(self, injection: str, event: object) -> None:
        self.heard.append((injection, type(event).__name__))

    def environment(self, values: Mapping[str, str]) -> None:
        pass

    def close(self) -> None:
        pass


@dataclass
class Kit:
    """The engine and everything a test may want to turn or look at."""

    directory: Path
    guard: GuardSetting = field(default_factory=GuardSetting)
    deadly: Deadly = field(default_factory=Deadly)
    lamp: Lamp | None = None
    stable_s: float = 1.0
    steady: tuple[str, ...] = ("look",)
    clock: Any = None

    def __post_init__(self) -> None:
        self.world: Any = FakeWorld(str(self.directory), files=LocalFiles(), clock=self.clock)
        self.lamp = self.lamp or Lamp(self.deadly.moment)
        self.world.lamp = self.lamp
        self.events: list[Any] = []
        clock = self.world.clock
        self.store = Journal(self.directory / "journal.sqlite", clock_s=lambda: clock.instant().wall_s)
        self.journal: Any = DeadlyJournal(self.store, self.deadly)
        self.look = Look()
        lookout = Lookout(name="look", target=self.target, probe=self.look, every_s=10)
        self.watchman = FakeWatchman(clock, self.deadly.moment)
        self.recorder = Recorder(
            self.journal,
            listeners=[self.watchman, lambda _, event: self.events.append(event)],
            runs=[lambda _, event: self.events.append(event)],
        )
        faults: Any = {Darken.name: Darken}
        self.reverter = Reverter(world=self.world, recorder=self.recorder, faults=faults)
        self.parts = Parts(
            settings=self.settings,
            world=self.world,
            journal=self.journal,
            recorder=self.recorder,
            reverter=self.reverter,
            faults=faults,
            watcher=lambda _target, names, sink: SteppedWatch(
                [lookout] if "look" in names else [], self.world, sink
            ),
            watchman=self.watchman,
            new_seed=lambda: 7,
            boot="boot-1",
        )
        self.injector = Injector(self.parts)
        ids = iter(f"inj-{n}" for n in range(1000))
        self.control = Control(
            regime=Regime(self.injector), reverter=self.reverter, journal=self.journal, new_id=lambda: next(ids)
        )

    @property
    def target(self) -> Target:
        return Target(name="editor")

    @property
    def settings(self) -> Settings:
        return Settings(
            sampling=Sampling(probe_every_s=STEP_S, stable_for_s=self.stable_s, steady_timeout_s=5),
            targets={"editor": self.target},
            probes=(ProbeSetting(name="look", probe=Look.name, target="editor"),),
            steady_state={"editor": self.steady},
            guard=self.guard,
        )


def request(*, duration_s: float = 5.0, seed: int | None = None, **parameters: str) -> Request:
    return Request(
        fault=Darken.name,
        target="editor",
        parameters=parameters,
        duration_s=duration_s,
        origin="cli",
        by="test",
        seed=seed,
        recover_s=20,
    )
