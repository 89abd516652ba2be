"""Plays one scenario so that nothing is forgotten: opened on disk, played, judged, swept."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass

from daemon.core.course import Course, Opened, Owner, Played, Purpose
from daemon.core.ledger import Witness
from daemon.core.model import Undo
from daemon.core.scenario import Parameters, Scenario
from daemon.core.seams import Flag, World
from daemon.core.target import Target
from daemon.engine.ending import Ending
from daemon.engine.recorder import Recorder
from daemon.engine.sweeper import Sweeper
from daemon.engine.workload import Bill, Told, Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What is to be played, and why. ``injection`` is the one for whose sake, None when a scenario runs alone."""

    purpose: Purpose
    scenario: Scenario
    given: Parameters
    target: Target
    seed: int
    injection: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Player:
    """Plays scenarios. Thread-safe: runs share nothing but the journal.

    ``room`` lends a world with a private directory that no other run uses at the time. ``undo`` returns what
    sweeping a run's messages will need (target, run, planned messages, world) and touches nothing.
    """

    world: World
    recorder: Recorder
    sweeper: Sweeper
    every_s: float
    witness: Callable[[Target, str, World], Witness]
    room: Callable[[], AbstractContextManager[World]]
    undo: Callable[[Target, str, int, World], Undo]
    owner: Owner
    new_id: Callable[[], str]

    def play(
        self,
        part: Part,
        stop: Flag,
        *,
        told: Told = lambda _: None,
        planned: Callable[[Bill], object] = lambda _: None,
        ending: Ending | None = None,
    ) -> Course:
        """Play one part to its end and return its course, slim only in the journal. Whatever happens, it is swept.

        ``planned`` hears what will be sent before anything is; ``ending`` says from when on it may be judged.
        Raises ChaosdError when it cannot begin: then nothing was sent; and when it breaks on the way: then what
        was sent has been swept.
        """
        workload = Workload(world=self.world, target=part.target, every_s=self.every_s, told=told)
        bill = workload.plan(part.scenario, part.given, run=self.new_id(), seed=part.seed)
        with self.room() as room:
            witness = self.witness(part.target, bill.run, room)
            self.recorder.record_run(bill.run, self._opened(part, bill))
            course = None
            try:
                planned(bill)
                course = workload.play(bill, witness, stop, ending)
                self.recorder.record_run(bill.run, Played(at=self.world.clock.instant(), course=course.slim()))
            finally:
                self._sweep(bill.run, course)
        return course

    def _opened(self, part: Part, bill: Bill) -> Opened:
        return Opened(
            at=self.world.clock.instant(),
            run=bill.run,
            purpose=part.purpose,
            scenario=part.scenario.name,
            target=part.target.name,
            seed=bill.seed,
            parameters=asdict(part.given),
            injection=part.injection,
            undo=self.undo(part.target, bill.run, len(bill.mails), self.world),
            owner=self.owner,
        )

    def _sweep(self, run: str, course: Course | None) -> None:
        if course is not None and not course.ledger.sent:
            self.sweeper.clean(run, "nothing was sent")
            return
        state = course.ledger.queue if course is not None else None
        if state is None or state.dead or state.after.waiting:
            self.sweeper.sweep(run)
        else:
            self.sweeper.clean(run, "none was left: the queues were empty at the end of the run")
