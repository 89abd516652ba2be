"""The composition root: settings in, running parts out; the only importer of faults and probes."""

import glob
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from daemon.core.errors import JournalError
from daemon.core.events import Observed
from daemon.core.parameters import build
from daemon.core.seams import Fault, World
from daemon.core.settings import Aws, ProbeSetting, Sampling, Settings, same_probes
from daemon.core.target import Repository, Target
from daemon.engine.control import Control, Regime
from daemon.engine.injector import Injector
from daemon.engine.outside import Outside
from daemon.engine.parts import Parts
from daemon.engine.prober import Lookout, ThreadedWatch, Watch
from daemon.engine.recorder import Listener, Looked, Recorder, RunListener
from daemon.engine.reverter import Reverter
from daemon.engine.sentinel import Sentinel
from daemon.engine.theatre import Theatre
from daemon.engine.watchman import Nobody, Watchman
from daemon.ports.clock import SystemClock
from daemon.ports.journal import Journal
from daemon.ports.keep import Keep
from daemon.ports.lease import WAIT_S as LEASE_S
from daemon.ports.lease import RevertLease, nobody_is_told
from daemon.ports.settling import settle
from daemon.ports.state import StateDirectory
from daemon.ports.world import LocalWorld
from daemon.wiring.catalogue import Catalogue, faults, probes
from daemon.wiring.observers import branches, git_witness, sweep_run, undo_of_run, witness

__all__ = ["Catalogue", "branches", "faults", "git_witness", "probes", "sweep_run", "undo_of_run", "witness"]

AD_HOC = "repository"
UNDO_S = 60.0  # for undoing that waits for nobody
REGION, ENDPOINT = "CHAOSD_AWS_REGION", "CHAOSD_AWS_ENDPOINT_URL"


def ad_hoc(path: str, *, stable_s: float = 1.0) -> Settings:
    """Return settings for ``--repository PATH``: one target, watched by git-health, no AWS; PATH is no pattern."""
    target = Target(name=AD_HOC, repository=Repository(worktree=(glob.escape(path),)))
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
    parts: Parts
    injector: Injector
    control: Control
    lookouts: tuple[Lookout, ...]
    faults: Mapping[str, type[Fault]]
    watchman: Watchman

    def close(self) -> None:
        """Close the journal and dismiss the guardian; idempotent."""
        self.journal.close()
        self.watchman.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """Who is told what happens; all may fail, none can stop anything.

    ``watchman`` None: this process injects nothing. ``waiting`` is told for whom a revert has to wait.
    """

    watchman: Watchman | None = None
    listeners: Sequence[Listener] = ()
    looked: Sequence[Looked] = ()
    runs: Sequence[RunListener] = ()
    on_failure: Callable[[str, BaseException], None] | None = None
    waiting: Callable[[str], None] = nobody_is_told


def _outside(settings: Settings, state: StateDirectory, world: World, lookouts: Sequence[Lookout]) -> Outside:
    named = settings.guard.halt_file
    return Outside(
        settings.guard,
        world=world,
        lookouts=lookouts,
        halt_files=[str(state.halt_file), *([named] if named else [])],
        fast_s=settings.sampling.probe_every_s,
    )


def _reach(aws: Aws) -> dict[str, str]:
    """Return what a reverter must have in its environment to find the same AWS."""
    return {name: value for name, value in {REGION: aws.region, ENDPOINT: aws.endpoint_url}.items() if value}


def station(settings: Settings, state: StateDirectory, audience: Audience | None = None) -> Station:
    """Put the parts together; the state directory must be entered (locked) by the caller. Raises ConfigError."""
    told = audience or Audience()
    world = LocalWorld(aws=settings.aws, private=state.private)
    journal = settled(state)
    watchman = told.watchman or Nobody()
    watchman.environment(_reach(settings.aws))
    recorder = _recorder(journal, watchman, told)
    kinds = faults()
    stage = _theatre(settings, state, world, recorder)
    lease = RevertLease(state.path, world.clock, tell=told.waiting)
    looking = lookouts(settings)
    parts = Parts(
        settings=settings,
        world=world,
        journal=journal,
        recorder=recorder,
        reverter=Reverter(world=world, recorder=recorder, faults=kinds, lease=lease, sweeper=lambda: stage.sweeper),
        faults=kinds,
        watcher=_watcher(settings, world, looking),
        watchman=watchman,
        new_seed=lambda: secrets.randbits(32),
        boot=world.boot,
        outside=_outside(settings, state, world, looking),
        company=lambda: stage.company,
    )
    return _station(parts, state, world, journal, looking)


def _recorder(journal: Journal, watchman: Watchman, told: Audience) -> Recorder:
    return Recorder(
        journal,
        listeners=(watchman, *told.listeners),
        looked=told.looked,
        runs=told.runs,
        on_failure=told.on_failure,
    )


def _station(
    parts: Parts, state: StateDirectory, world: LocalWorld, journal: Journal, looking: tuple[Lookout, ...]
) -> Station:
    injector, outside = Injector(parts), parts.outside
    assert outside is not None  # noqa: S101  made two lines before
    return Station(
        settings=parts.settings,
        state=state,
        world=world,
        journal=journal,
        recorder=parts.recorder,
        reverter=parts.reverter,
        parts=parts,
        injector=injector,
        control=Control(
            regime=Regime(injector, outside, Sentinel(outside.questions, world.clock)),
            reverter=parts.reverter,
            journal=journal,
            new_id=lambda: new_id(world),
            halt_by_file=state.halt,
        ),
        lookouts=looking,
        faults=parts.faults,
        watchman=parts.watchman,
    )


def renewed(now: Station, settings: Settings) -> Station:
    """Return the station under other settings: what begins from now on runs under them, what is under way does not.

    A probe that stays as it was keeps what it remembers. Nothing has changed when this raises ConfigError.
    """
    same = same_probes(now.settings, settings)
    before = {o.name: o for o in now.lookouts if o.name in same}
    looking = tuple(before.get(o.name, o) for o in lookouts(settings))
    outside = _outside(settings, now.state, now.world, looking)
    stage = _theatre(settings, now.state, now.world, now.recorder)
    parts = replace(
        now.parts,
        settings=settings,
        watcher=_watcher(settings, now.world, looking),
        outside=outside,
        company=lambda: stage.company,
    )
    injector = Injector(parts)
    now.control.adopt(Regime(injector, outside, Sentinel(outside.questions, now.world.clock)))
    return replace(now, settings=settings, parts=parts, injector=injector, lookouts=looking)


def open_journal(state: StateDirectory, *, readonly: bool = False) -> Journal:
    """Open the state directory's journal; raises JournalError."""
    keep = None if readonly else Keep(state.path)
    return Journal(state.journal, clock_s=lambda: SystemClock().instant().wall_s, readonly=readonly, keep=keep)


def patience_s(journal: Journal) -> float:
    """Return how long undoing what is outstanding may take at most, one after the other.

    Where the journal cannot be read, as long as one that waits for nobody: asking must keep nothing from ending.
    """
    try:
        runs = [run.opened.undo for run in journal.scenarios.open_runs() if run.outstanding]
        undos = [i.undo for i in journal.outstanding() if i.undo]
    except JournalError:
        return UNDO_S
    return UNDO_S + sum(undo.wait_s + undo.takes_s for undo in (*undos, *runs))


def retry_most_s(journal: Journal) -> float:
    """Return how long a try to undo what is outstanding may take: somebody else's, that it waits for, included."""
    return LEASE_S + patience_s(journal)


def settled(state: StateDirectory) -> Journal:
    """Open the journal for an engine: whole, ours, with room for an undo. Raises JournalError.

    Without the lock (a dry run) it is only opened.
    """
    journal = open_journal(state)
    try:
        if state.held:
            settle(journal)
    except BaseException:
        journal.close()
        raise
    return journal


def new_id(world: LocalWorld) -> str:
    """Return an injection id that sorts by time and two processes will not both choose."""
    return f"{world.clock.now():%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


def new_seed() -> int:
    """Return a seed for what nobody asked to repeat."""
    return secrets.randbits(32)


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
        boot=world.boot,
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
