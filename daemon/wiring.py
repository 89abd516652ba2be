"""The composition root: settings in, running parts out; the only importer of faults and probes."""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from daemon.core.errors import ConfigError, TargetAbsentError
from daemon.core.events import Observed
from daemon.core.ledger import Witness
from daemon.core.model import Repository, Reversion, Target, Undo
from daemon.core.parameters import build
from daemon.core.seams import Fault, Probe, World
from daemon.core.settings import Aws, ProbeSetting, Sampling, Settings
from daemon.engine.control import Control
from daemon.engine.injector import Injector, Parts
from daemon.engine.prober import Lookout, ThreadedWatch, Watch
from daemon.engine.recorder import Listener, Looked, Recorder, RunListener
from daemon.engine.reverter import Reverter
from daemon.engine.theatre import Theatre
from daemon.ports.clock import SystemClock
from daemon.ports.journal import Journal
from daemon.ports.state import StateDirectory, boot_id
from daemon.ports.world import LocalWorld
from faults import CATALOGUE as FAULTS
from faults.sqs.marks import reverted
from faults.sqs.places import places, places_of, recorded, wait_s
from probes import CATALOGUE as PROBES
from probes.pipeline.branches import Branches
from probes.pipeline.observer import Observer

if TYPE_CHECKING:
    from daemon.core.gitcases import GitWitness

T = TypeVar("T")

AD_HOC = "repository"
SCENARIO = "scenario"


def faults() -> Mapping[str, type[Fault]]:
    """Return the fault kinds: the built-in table, then the entry points ``chaosd.faults``."""
    return Catalogue(FAULTS, "chaosd.faults")


def probes() -> Mapping[str, type[Probe]]:
    """Return the probe kinds: the built-in table, then the entry points ``chaosd.probes``."""
    return Catalogue(PROBES, "chaosd.probes")


class Catalogue(Mapping[str, T]):
    """A built-in table that plug-ins add to; they are looked for only when the table has no answer.

    Looking costs more than everything else `chaosd inject` does before it starts. Raises ConfigError when a
    plug-in claims a built-in name.
    """

    def __init__(self, built_in: Mapping[str, T], group: str) -> None:
        self._built_in = built_in
        self._group = group

    @cached_property
    def _all(self) -> Mapping[str, T]:
        from importlib.metadata import entry_points  # noqa: PLC0415  30 ms, see above

        found = dict(self._built_in)
        for entry in entry_points(group=self._group):
            if entry.name in found:
                raise ConfigError(
                    f"nothing was started: plug-in {entry.value} claims the name {entry.name!r}, which is taken",
                    hint=f"uninstall it or let it choose another name in the entry points {self._group}",
                )
            found[entry.name] = entry.load()
        return found

    def __getitem__(self, name: str) -> T:
        return self._built_in[name] if name in self._built_in else self._all[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)


def ad_hoc(path: str, *, stable_s: float = 1.0) -> Settings:
    """Return settings for ``--repository PATH``: one target, watched by git-health, no AWS."""
    target = Target(name=AD_HOC, repository=Repository(worktree=(path,)))
    return Settings(
        sampling=Sampling(probe_every_s=0.25, stable_for_s=stable_s, steady_timeout_s=10.0),
        aws=Aws(),
        targets={AD_HOC: target},
        probes=(ProbeSetting(name="git-health", probe="git-health", target=AD_HOC),),
        steady_state={AD_HOC: ("git-health",)},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """The parts, put together. ``close`` gives back what they hold."""

    settings: Settings
    state: StateDirectory
    world: LocalWorld
    journal: Journal
    recorder: Recorder
    reverter: Reverter
    injector: Injector
    control: Control
    lookouts: tuple[Lookout, ...]
    faults: Mapping[str, type[Fault]]

    def close(self) -> None:
        """Close the journal; idempotent."""
        self.journal.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """Who is told what happens; all may fail, none can stop anything."""

    listeners: Sequence[Listener] = ()
    looked: Sequence[Looked] = ()
    runs: Sequence[RunListener] = ()
    on_failure: Callable[[str, BaseException], None] | None = None


def station(settings: Settings, state: StateDirectory, audience: Audience | None = None) -> Station:
    """Put the parts together; the state directory must be entered (locked) by the caller. Raises ConfigError."""
    told = audience or Audience()
    world = LocalWorld(aws=settings.aws, private=state.private)
    journal = open_journal(state)
    recorder = Recorder(
        journal, listeners=told.listeners, looked=told.looked, runs=told.runs, on_failure=told.on_failure
    )
    kinds = faults()
    stage = _theatre(settings, state, world, recorder)
    reverter = Reverter(world=world, recorder=recorder, faults=kinds, sweeper=lambda: stage.sweeper)
    looking = lookouts(settings)
    injector = Injector(
        Parts(
            settings=settings,
            world=world,
            journal=journal,
            recorder=recorder,
            reverter=reverter,
            faults=kinds,
            watcher=_watcher(settings, world, looking),
            new_seed=lambda: secrets.randbits(32),
            boot=boot_id(),
            company=lambda: stage.company,
        )
    )
    return Station(
        settings=settings,
        state=state,
        world=world,
        journal=journal,
        recorder=recorder,
        reverter=reverter,
        injector=injector,
        control=Control(injector=injector, reverter=reverter, journal=journal, new_id=lambda: new_id(world)),
        lookouts=looking,
        faults=kinds,
    )


def open_journal(state: StateDirectory, *, readonly: bool = False) -> Journal:
    """Open the state directory's journal; raises JournalError."""
    return Journal(state.journal, clock_s=lambda: SystemClock().instant().wall_s, readonly=readonly)


def new_id(world: LocalWorld) -> str:
    """Return an injection id that sorts by time and two processes will not both choose."""
    return f"{world.clock.now():%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


def new_seed() -> int:
    """Return a seed for what nobody asked to repeat."""
    return secrets.randbits(32)


def witness(target: Target, run: str, world: World) -> Witness:
    """Return who fills the ledger of one run; raises TargetAbsentError for a target that cannot be observed."""
    return Observer.of(target, run, world)


def git_witness(target: Target, world: World) -> "GitWitness":
    """Return who looks at the sandbox of a git scenario; raises ChaosdError when it cannot be looked at."""
    from probes.pipeline.gitwitness import Onlooker  # noqa: PLC0415  only `scenario git` needs it

    return Onlooker.of(target, world)


def branches(target: Target, world: World) -> Branches:
    """Return who follows the branches of the target's remote, in a private mirror."""
    return Branches(target, world)


def undo_of_run(target: Target, run: str, planned: int, world: World) -> Undo:
    """Return what sweeping a scenario's messages will need; looks only. Raises ChaosdError where none could."""
    if target.queue is None:
        raise TargetAbsentError(f"nothing was sent: target {target.name} has no queue")
    found = places(target.queue, world, separate=True)
    return Undo(
        fault=SCENARIO,
        mode="",
        victim={"queue": target.queue.url, "messages": planned},
        actions=(f"send {planned} messages marked {run} to {target.queue.url}, afterwards remove what is left",),
        data={"run": run, "planned": planned, "places": recorded(found)},
        wait_s=wait_s(found, world),
    )


def sweep_run(undo: Undo, world: World) -> Reversion:
    """Remove what is left of one run's messages, from its undo record alone; raises ChaosdError."""
    run, planned = str(undo.data["run"]), int(undo.data["planned"])
    return reverted(run, places_of(undo), planned, world, within_s=undo.wait_s)


def _theatre(settings: Settings, state: StateDirectory, world: LocalWorld, recorder: Recorder) -> Theatre:
    @contextmanager
    def room() -> Iterator[World]:
        with state.room() as private:
            yield world.within(private)

    return Theatre(
        world=world,
        recorder=recorder,
        sampling=settings.sampling,
        witness=witness,
        undo=undo_of_run,
        sweep=sweep_run,
        room=room,
        new_id=lambda: new_id(world),
        boot=boot_id(),
    )


@contextmanager
def theatre(settings: Settings, state: StateDirectory) -> Iterator[Theatre]:
    """Lend what plays scenarios without an engine: the state directory need not be ours. Raises JournalError."""
    journal = open_journal(state.make())
    try:
        world = LocalWorld(aws=settings.aws, private=state.private)
        yield _theatre(settings, state, world, Recorder(journal))
    finally:
        journal.close()


def lookouts(settings: Settings) -> tuple[Lookout, ...]:
    """Return the configured probes, ready to look; raises ConfigError."""
    kinds = probes()
    return tuple(
        Lookout(
            name=p.name,
            target=settings.targets[p.target],
            probe=build(kinds[p.probe], p.parameters, where=f"probe {p.name}"),
            every_s=p.every_s,
        )
        for p in settings.probes
    )


def _watcher(
    settings: Settings, world: LocalWorld, lookouts: Sequence[Lookout]
) -> Callable[[Target, Sequence[str], Callable[[Sequence[Observed]], None]], Watch]:
    def watch(target: Target, names: Sequence[str], sink: Callable[[Sequence[Observed]], None]) -> Watch:
        chosen = [o for o in lookouts if o.name in names and o.target.name == target.name]
        return ThreadedWatch(chosen, world=world, every_s=settings.sampling.probe_every_s, sink=sink)

    return watch
