"""The engine kit with workloads, which play in a thread that takes turns with the injector's, on one fake clock."""

import threading
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

from daemon import wiring
from daemon.core.ledger import Answer, Condition, Counts, Ledger, Part, Place, QueueState, Sent, Sighting
from daemon.core.plan import Request
from daemon.core.settings import Sampling, Settings, WorkloadSetting
from daemon.core.target import Queue, Repository, Target
from daemon.engine.company import Company
from daemon.engine.control import Control, Regime
from daemon.engine.injector import Injector
from daemon.engine.reverter import Reverter
from daemon.engine.theatre import Theatre
from tests.engine_kit import DeadlyJournal, Kit, request
from tests.fakes import FakeClock

URL = "http://queue/input"
PATIENCE_S = 20.0


class Turns(FakeClock):
    """A fake clock for two threads of which one runs at a time: the player's, while the other's time passes."""

    def __init__(self) -> None:
        super().__init__()
        self._player: threading.Thread | None = None
        self._go, self._back = threading.Event(), threading.Event()

    def spawn(self, work: Callable[[], None], name: str) -> None:
        def body() -> None:
            try:
                work()
            finally:
                self._player = None
                self._back.set()

        self._player = threading.Thread(target=body, name=name, daemon=True)
        self._player.start()
        self._await(self._back)

    def advance(self, seconds: float, flag: Any = None) -> None:
        if threading.current_thread() is not self._player:
            super().advance(seconds, flag)
            return
        self.at(seconds, self._resume)
        self._back.set()
        self._await(self._go)

    def _resume(self) -> None:
        self._go.set()
        self._await(self._back)

    def _await(self, event: threading.Event) -> None:
        assert event.wait(PATIENCE_S), "the other thread does not give the turn back"
        event.clear()


@dataclass
class Script:
    """What a worker makes of messages. ``loses``: acknowledged, no effect; ``stuck``: it takes none at all.

    ``clone``: there is one to look at, in which fsck complains as long as it is dark.
    """

    loses: Callable[[Sent, str], bool] = lambda _sent, _light: False
    stuck: bool = False
    moving: bool = False
    blind: str = ""
    clone: bool = False


class Scripted:
    """A witness whose worker does what the script says, seeing the lamp's light as each message is taken."""

    def __init__(self, target: Target, run: str, world: Any, script: Script) -> None:
        self._run, self._world, self._script = run, world, script
        self._light: dict[str, str] = {}
        assert target.queue is not None

    def begin(self) -> None:
        pass

    def look(self, sent: Sequence[Sent]) -> bool:
        if self._script.stuck:
            return False
        for one in sent:
            self._light.setdefault(one.token, self._world.lamp.light)
        taken = self._world.sqs.receive(URL, visibility_s=30)
        if taken:
            self._world.sqs.delete(URL, [t.handle for t in taken])
        return bool(taken) or self._script.moving

    def finished(self, sent: Sequence[Sent]) -> bool:
        return not self.waiting() and not self._script.moving and len(self._light) == len(sent)

    def waiting(self) -> int:
        return len(self._world.sqs.messages(URL))

    def ledger(self, sent: Sequence[Sent]) -> Ledger:
        light = self._world.lamp.light
        dark = Condition(what="fsck", repository="/clone", detail=f"object-corrupt: {light}")
        hidden = {Part.DEPLOYMENT} if self._script.clone else {Part.CLONES, Part.DEPLOYMENT}
        kept = [s for s in sent if not self._script.loses(s, self._light.get(s.token, "good"))]
        return Ledger(
            run=self._run,
            sent=tuple(sent),
            remote="/remote.git",
            sightings=tuple(
                Sighting(
                    token=s.token, place=Place.MESSAGE, repository="/remote.git", branch=s.branch, commit="a" * 40
                )
                for s in kept
            ),
            answers=tuple(Answer(token=s.token, success=True, said="success", at=s.at) for s in sent),
            queue=QueueState(
                before=Counts(visible=0, in_flight=0), after=Counts(visible=self.waiting(), in_flight=0)
            ),
            conditions=(dark,) if self._script.clone and light.startswith("dark") else (),
            blind={Part.REMOTE: self._script.blind} if self._script.blind else {},
            absent=frozenset(hidden),
        )


class _DeadlySqs:
    def __init__(self, sqs: Any, moment: Callable[[], None]) -> None:
        self._sqs, self._moment = sqs, moment

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._sqs, name)
        if name not in {"send", "delete"}:
            return real

        def call(*arguments: Any) -> Any:
            self._moment()
            answer = real(*arguments)
            self._moment()
            return answer

        return call


class _DeadlyRuns(DeadlyJournal):
    """The runs of the journal, each write a moment to die before and after."""


@dataclass
class WorkKit(Kit):
    """``script`` is how the worker fares; ``baseline_every_s`` as configured. ``sqs`` outlives a kit that died."""

    script: Script = field(default_factory=Script)
    baseline_every_s: float = 86400.0
    sqs: Any = None

    def __post_init__(self) -> None:
        self.turns = Turns()
        self.clock = self.turns
        super().__post_init__()
        if self.sqs is None:
            self.world.sqs.add(URL, visibility_s=1.0)
        else:
            self.world.sqs = self.sqs
            self.sqs._clock = self.turns
        self.plain_sqs = self.world.sqs
        self.world.sqs = _DeadlySqs(self.plain_sqs, self.deadly.moment)
        self.journal.scenarios = _DeadlyRuns(self.store.scenarios, self.deadly)
        self.theatre = Theatre(
            world=self.world,
            recorder=self.recorder,
            sampling=self.settings.sampling,
            witness=lambda target, run, world: Scripted(target, run, world, self.script),
            undo=wiring.undo_of_run,
            sweep=wiring.sweep_run,
            room=lambda: nullcontext(self.world),
            new_id=iter(f"run-{self.turns.instant().wall_s:.0f}-{n}" for n in range(1000)).__next__,
            boot="boot-1",
        )
        self.company = Company(self.theatre.player, baseline_every_s=self.baseline_every_s, spawn=self.turns.spawn)
        self.reverter = Reverter(
            world=self.world,
            recorder=self.recorder,
            faults=self.parts.faults,
            sweeper=lambda: self.theatre.sweeper,
        )
        self.injector = Injector(replace(self.parts, reverter=self.reverter, company=lambda: self.company))
        ids = iter(f"inj-{self.turns.instant().wall_s:.0f}-{n}" for n in range(1000))
        self.control = Control(
            regime=Regime(self.injector), reverter=self.reverter, journal=self.journal, new_id=lambda: next(ids)
        )

    @property
    def target(self) -> Target:
        return Target(name="editor", queue=Queue(url=URL), repository=Repository(worktree=("/clone",)))

    @property
    def settings(self) -> Settings:
        sampling = Sampling(probe_every_s=0.25, stable_for_s=1.0, steady_timeout_s=5.0)
        return replace(super().settings, sampling=sampling)

    def names(self) -> list[str]:
        """Return what happened, in order, without the looks."""
        return [type(e).__name__ for e in self.events if type(e).__name__ != "Observed"]

    def purposes(self) -> list[str]:
        """Return the purposes of the runs so far, with ``!`` where messages may be left."""
        return [r.opened.purpose.value + "!" * r.outstanding for r in self.store.runs()]


def asked(*, strike_s: float | None = None, seed: int | None = None, broken: str = "", **given: Any) -> Request:
    """Return a request with the workload ``basic``."""
    workload = WorkloadSetting(scenario="basic", parameters=given, strike_s=strike_s)
    return replace(request(seed=seed, **({"broken": broken} if broken else {})), workload=workload)
