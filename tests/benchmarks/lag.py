"""The schedule: from the planned time to the intent on disk, through scheduler, guard and journal."""

import threading
from collections.abc import Mapping
from itertools import count
from random import Random
from statistics import quantiles
from typing import ClassVar

from daemon.core.events import Event, Planned
from daemon.core.model import Deadline, Mode, Order, Outcome, Resource, Reversion, Undo
from daemon.core.plan import Request
from daemon.core.seams import Flag, World
from daemon.core.settings import Aws, Every, ExperimentSetting, GuardSetting, Sampling, Settings
from daemon.core.target import Target
from daemon.engine.control import Control, Regime
from daemon.engine.injector import Injector
from daemon.engine.parts import Parts
from daemon.engine.prober import ThreadedWatch
from daemon.engine.recorder import Recorder
from daemon.engine.reverter import Reverter
from daemon.engine.scheduler import Scheduler
from daemon.ports.clock import SystemClock
from daemon.ports.journal import Journal
from daemon.ports.world import LocalWorld
from tests.benchmarks.harness import Bench, Limit, MeasurementError, Row, Samples, at_most

EXPERIMENTS, EVERY_S, FIRST_S = 10, 1.0, 2.0
FIRES = 100


class Nothing:
    """A fault that does nothing: what is left is what the engine needs."""

    name: ClassVar[str] = "nothing"
    summary: ClassVar[str] = "does nothing"
    modes: ClassVar[tuple[Mode, ...]] = ()
    touches: ClassVar[Resource] = Resource.PROCESS
    __dataclass_fields__: ClassVar[dict[str, object]] = {}

    def prepare(self, order: Order, world: World) -> Undo:
        del order, world
        return Undo(fault=self.name, mode="", victim={}, actions=(), data={})

    @classmethod
    def inject(cls, undo: Undo, world: World, stop: Flag) -> None: ...

    @classmethod
    def revert(cls, undo: Undo, world: World) -> Reversion:
        del undo, world
        return Reversion(outcome=Outcome.RESTORED)


class Unwatched:
    """A watchman without a process: the lag of a guardian is not what is measured here."""

    def ready(self) -> None: ...
    def deadline(self, undo: Undo, duration_s: float, now_wall_s: float) -> Deadline:
        del undo
        return Deadline(duration_s, now_wall_s + duration_s)

    def arm(self, injection: str) -> None: ...
    def __call__(self, injection: str, event: Event) -> None: ...
    def environment(self, values: Mapping[str, str]) -> None: ...
    def close(self) -> None: ...


class Lags:
    """Collects, for each intent on disk, how long after its planned time that was."""

    def __init__(self, wanted: int) -> None:
        self._wanted = wanted
        self._clock = SystemClock()
        self.found_ms: list[float] = []
        self.skipped: list[str] = []
        self.first_s: Mapping[str, float] = {}
        self.done = threading.Event()

    def experiment_of(self, injection: str) -> str:
        return injection.rpartition("-")[0]

    def __call__(self, injection: str, event: Event) -> None:
        """Hear an event, as every listener does, after it is on disk. Planned times lie on a grid."""
        if isinstance(event, Planned):
            late_s = self._clock.instant().wall_s - self.first_s[self.experiment_of(injection)]
            self.found_ms.append(late_s % EVERY_S * 1000)
            if len(self.found_ms) >= self._wanted:
                self.done.set()


def schedule(bench: Bench) -> list[Row]:
    """A hundred fires of ten experiments, a tenth of a second apart."""
    fires = max(EXPERIMENTS, min(FIRES, (bench.runs or FIRES) * EXPERIMENTS))
    lags = Lags(fires)
    journal = Journal(bench.scratch / "journal.db", clock_s=lambda: SystemClock().instant().wall_s)
    experiments = {e.name: e for e in (_experiment(n) for n in range(EXPERIMENTS))}
    controls = {name: _control(bench, journal, name, lags) for name in experiments}
    scheduler = Scheduler(
        experiments,
        seed=1,
        fire=lambda e: _fire(controls[e.name], e),
        skipped=lambda name, reason: lags.skipped.append(f"{name}: {reason}"),
        lagged=lambda _: None,
    )
    bench.say(f"{fires} fires in {fires * EVERY_S / EXPERIMENTS:g} s")
    scheduler.start()
    lags.first_s = scheduler.next_times()
    ended = lags.done.wait(FIRST_S + fires * EVERY_S / EXPERIMENTS + 30)
    scheduler.stop()
    for control in controls.values():
        control.close("over", 10)
    journal.close()
    if not ended or lags.skipped:
        raise MeasurementError(f"{len(lags.found_ms)} of {fires} fires came; skipped: {lags.skipped}")
    cuts = quantiles(lags.found_ms[:fires], n=100, method="inclusive")
    return [
        _row("p50", cuts[49], None, ""),
        _row("p99", cuts[98], at_most(50), f"{fires} fires, none lost; longest {max(lags.found_ms):.1f} ms"),
    ]


def _row(which: str, figure_ms: float, limit: Limit | None, note: str) -> Row:
    return Row(
        what=f"planned to Planned on disk, {which}", chaosd=Samples("ms", (figure_ms,)), limit=limit, note=note
    )


def _experiment(number: int) -> ExperimentSetting:
    return ExperimentSetting(
        name=f"e{number}",
        fault="nothing",
        target="nobody",
        trigger=Every(seconds=EVERY_S),
        first_after_s=FIRST_S + number * EVERY_S / EXPERIMENTS,
        timeout_s=0.0,
        duration_s=0.0,
    )


def _fire(control: Control, experiment: ExperimentSetting) -> None:
    request = Request(
        fault=experiment.fault,
        target=experiment.target,
        parameters={},
        duration_s=0.0,
        origin="schedule",
        by="schedule",
        experiment=experiment.name,
        recover_s=0.0,
    )
    control.run(request)


def _control(bench: Bench, journal: Journal, experiment: str, lags: Lags) -> Control:
    """Return a control desk as ``wiring`` makes it, whose injections carry the experiment in their id."""
    settings = Settings(
        sampling=Sampling(probe_every_s=0.25, stable_for_s=0.0),
        targets={"nobody": Target(name="nobody")},
        guard=GuardSetting(max_active=100, max_active_per_target=100),
    )
    world, dice, numbers = LocalWorld(aws=Aws(), private=bench.scratch), Random(1), count()
    faults = {"nothing": Nothing}
    recorder = Recorder(journal, listeners=(lags,))
    reverter = Reverter(world=world, recorder=recorder, faults=faults)
    parts = Parts(
        settings=settings,
        world=world,
        journal=journal,
        recorder=recorder,
        reverter=reverter,
        faults=faults,
        watcher=lambda _target, _names, sink: ThreadedWatch((), world=world, every_s=1.0, sink=sink),
        watchman=Unwatched(),
        new_seed=lambda: dice.getrandbits(32),
        boot="",
    )
    return Control(
        regime=Regime(Injector(parts)),
        reverter=reverter,
        journal=journal,
        new_id=lambda: f"{experiment}-{next(numbers)}",
    )
