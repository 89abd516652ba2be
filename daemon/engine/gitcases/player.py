"""Play one git case: build the situation, give the worker its messages, look after each, judge."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from daemon.core.errors import UnreachableError
from daemon.core.gitcases import (
    Act,
    Case,
    GitScenario,
    GitWitness,
    Judged,
    Look,
    NotConstructibleError,
    Result,
    Run,
    Skipped,
    Step,
    Unbuilt,
    UnbuiltError,
)
from daemon.core.gitchecks import figures, judge
from daemon.core.ledger import Sent
from daemon.core.seams import Completed, World
from daemon.core.target import Target
from daemon.engine.gitcases.acts import play
from daemon.engine.gitcases.desk import Desk
from daemon.engine.gitcases.stage import Ground, Letter, Stage

ATTEMPTS = 3  # a supervisor, or the queue, gives a message again
TAIL_CHARACTERS = 2000
NO_WORKER = "no worker: give --worker 'COMMAND...', or --worker lab"


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """How the worker is started: an argument list, never a shell; ``timeout_s`` is for one start."""

    arguments: tuple[str, ...]
    timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Player:
    """Plays cases below ``root``, a private directory, which is ``kept`` or not."""

    world: World
    ground: Ground
    root: str
    worker: Worker
    witness: Callable[[Target, World], GitWitness]
    kept: bool = False

    def run(self, scenario: GitScenario, name: str, seed: int) -> Result:
        """Play one case to its result; raises TargetAbsentError when the worker cannot be started at all."""
        root = f"{self.root}/{scenario.name}-{name}"
        case = Case(scenario=scenario, name=name, seed=seed, sandbox=root if self.kept else None)
        stage = Stage(
            world=self.world,
            ground=self.ground,
            scenario=scenario.name,
            run=f"git-{seed}-{scenario.name}-{name}",
            root=root,
            dice=Random(seed),  # noqa: S311  a choice, no secret
        )
        try:
            return self._play(case, stage, self.worker)
        except NotConstructibleError as error:
            return Skipped(case, error.message)
        except (UnbuiltError, UnreachableError) as error:  # the latter: git itself did not end in time
            return Unbuilt(case, error.message)

    def _play(self, case: Case, stage: Stage, worker: Worker) -> Result:
        stage.open()
        witness = self.witness(stage.target, self.world)
        witness.begin()
        course = _Course(stage, witness, worker)
        broken_off = course.take(case.scenario.cases[case.name])
        checks = judge(case.scenario, course.looks, broken_off)
        return Judged(case=case, looks=tuple(course.looks), checks=checks, kpis=figures(course.looks, checks))


@dataclass(slots=True)
class _Course:
    """One case under way."""

    stage: Stage
    witness: GitWitness
    worker: Worker
    looks: list[Look] = field(default_factory=list)
    messages: list[Sent] = field(default_factory=list)

    def take(self, steps: Sequence[Step]) -> str:
        """Take the steps; return why not all of them were taken. Raises UnbuiltError before the first message."""
        for number, step in enumerate(steps, 1):
            if step.act is Act.MESSAGE:
                look = self._give(self.stage.letter(step.thread))
                if look.runs[-1].code != 0 and number < len(steps):
                    return f"broken off after {look.message.command}, which the worker did not handle"
                continue
            try:
                play(self.stage, step)
            except UnbuiltError as error:
                if not self.looks:
                    raise
                return error.message
        return ""

    def _give(self, letter: Letter) -> Look:
        """Start the worker until it says that the message is done, and look at what it left."""
        stage = self.stage
        self.messages.append(letter.sent)
        desk = Desk(world=stage.world, path=stage.root)
        name = f"messages/{len(self.messages)}.json"
        desk.write(name, letter.body)
        runs: list[Run] = []
        while len(runs) < ATTEMPTS and not (runs and runs[-1].code == 0):
            runs.append(self._start(letter, f"{stage.root}/{name}"))
        look = self.witness.look(letter.sent, runs, self.messages, stage.pieces)
        self.looks.append(look)
        return look

    def _start(self, letter: Letter, file: str) -> Run:
        stage, clock = self.stage, self.stage.world.clock
        began_s = clock.instant().mono_s
        try:
            end = stage.world.commands.run(
                self.worker.arguments,
                timeout_s=self.worker.timeout_s,
                directory=stage.desk.path,
                environment={
                    "CHAOSD_WORKTREE": stage.desk.path,
                    "CHAOSD_BRANCH": letter.sent.branch or "",
                    "CHAOSD_MAINLINE": stage.ground.mainline,
                    "CHAOSD_REMOTE": stage.remote,
                    "CHAOSD_MESSAGE_FILE": file,
                },
                stdin=letter.body,
            )
        except UnreachableError as error:
            end = Completed(code=0, out="", err=error.message)
            return Run(code=None, took_s=clock.instant().mono_s - began_s, err=end.err)
        took_s = clock.instant().mono_s - began_s
        return Run(code=end.code, took_s=took_s, out=end.out[-TAIL_CHARACTERS:], err=end.err[-TAIL_CHARACTERS:])
