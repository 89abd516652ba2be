"""The sandbox of one git case: a bare remote, the worker's clone, and the situation that is put into it.

Everything is made by git itself, or is the very damage that a killed git leaves behind, and is looked at before the
worker comes: a situation that is not there raises UnbuiltError, and nobody passes for what he never met.
"""

from dataclasses import dataclass, field
from random import Random

from daemon.core import messages
from daemon.core.errors import UsageError
from daemon.core.gitcases import Piece, Work
from daemon.core.ledger import Effect, Kind, Sent
from daemon.core.seams import World
from daemon.core.target import Repository, Target
from daemon.engine.gitcases.desk import Desk

INSTRUCTION = "Add this line to the file of this session."


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What all cases of one command stand on. ``origin`` is a bare repository of our own, only read by them."""

    origin: str
    mainline: str
    branch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One message for the worker, as text and as the ledger knows it."""

    body: str
    sent: Sent


@dataclass(slots=True, kw_only=True)
class Stage:
    """One case's sandbox below ``root``, and what has been put into it so far."""

    world: World
    ground: Ground
    scenario: str
    run: str
    root: str
    dice: Random
    pieces: list[Piece] = field(default_factory=list)
    _sequence: int = 0

    @property
    def remote(self) -> str:
        return f"{self.root}/remote.git"

    @property
    def desk(self) -> Desk:
        """Return the worker's clone."""
        return Desk(world=self.world, path=f"{self.root}/clone")

    @property
    def target(self) -> Target:
        """Return the sandbox as a target to be looked at."""
        repository = Repository(
            worktree=(self.desk.path,),
            remote=self.remote,
            branch=self.ground.branch,
            mainline=self.ground.mainline,
        )
        return Target(name=self.scenario, repository=repository)

    def open(self) -> None:
        """Make remote and clone; raises UnbuiltError."""
        base = Desk(world=self.world, path=self.root)
        base.make_directory()
        base.git("clone", "--quiet", "--bare", "--no-hardlinks", self.ground.origin, self.remote)
        self.other("clone")

    def other(self, name: str) -> Desk:
        """Return a clone of the remote with its objects its own, made when it is not there."""
        desk = Desk(world=self.world, path=f"{self.root}/{name}")
        if not desk.has(".git"):
            base = Desk(world=self.world, path=self.root)
            options = ("--quiet", "--no-hardlinks", "--branch", self.ground.mainline)
            base.git("clone", *options, self.remote, desk.path)
            # A worker that brings no name of its own must be able to commit.
            desk.git("config", "user.name", "worker")
            desk.git("config", "user.email", "worker@chaosd.invalid")
        return desk

    def letter(self, thread: int) -> Letter:
        """Write the next message for a thread; raises UsageError when the branch template needs what it lacks."""
        order = self._command(thread, INSTRUCTION)
        body = messages.body(order)
        return Letter(body=body, sent=self._sent(order, Effect.ONCE, order.command))

    def piece(self, work: Work, thread: int) -> Piece:
        """Begin a piece of work: it has its token, and is noted once it is ``done``."""
        order = self._command(thread, work)
        return Piece(work=work, sent=self._sent(order, Effect.ANY, f"{work} of thread {thread}"))

    def done(self, piece: Piece, commit: str | None = None) -> None:
        """Note a piece of work that is there now."""
        self.pieces.append(Piece(work=piece.work, sent=piece.sent, commit=commit))

    def branch(self, thread: int) -> str:
        """Return the branch of a thread; raises UsageError."""
        order = messages.command(self.run, 0, timestamp_ms=0, instruction="", session=thread)
        branch = messages.branch(self.ground.branch, messages.body(order))
        if branch is None:
            raise UsageError(
                f"nothing was started: the messages lack a field of the branch template {self.ground.branch!r}",
                hint=f"fields: {', '.join(messages.PLACEHOLDERS)}",
            )
        return branch

    def _command(self, thread: int, instruction: str) -> messages.Command:
        self._sequence += 1
        return messages.command(
            self.run,
            self._sequence,
            timestamp_ms=round(self.world.clock.instant().wall_s * 1000),
            instruction=instruction,
            session=thread,
            user=thread,
        )

    def _sent(self, order: messages.Command, effect: Effect, name: str) -> Sent:
        return Sent(
            token=messages.token(self.run, self._sequence),
            sequence=self._sequence,
            scenario=self.scenario,
            session=order.session,
            thread=order.thread,
            command=name,
            branch=self.branch(int(order.thread.rpartition("-")[2])),
            kind=Kind.NORMAL,
            effect=effect,
            at=self.world.clock.instant(),
        )
