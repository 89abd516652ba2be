"""The seams: what the engine, the faults and the probes may ask of the outside, as protocols.

Every call that has a side effect outside the state directory goes through here, so that a test can let the
program die at each of them. Foreign exceptions never cross a seam: ports translate them to ``errors``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Protocol

from daemon.core.calls import Call
from daemon.core.filesystem import Files, FileStat, Piece
from daemon.core.model import Instant, Mode, Order, Reading, Resource, Reversion, Undo
from daemon.core.processes import Holders, Process, ProcessTable
from daemon.core.target import Target
from daemon.core.watching import FileEvents

if TYPE_CHECKING:  # its records cost 8 ms to make, and a git fault needs none of them
    from daemon.core.cgroups import Cgroups
    from daemon.core.cloud import S3, CloudWatchLogs, Ecs, Levers, Sqs
    from daemon.core.proxying import FaultProxy
    from daemon.core.wire import Agent, Names

__all__ = (
    "Clock",
    "Commands",
    "Completed",
    "Fault",
    "FileStat",
    "Files",
    "Flag",
    "Git",
    "Holders",
    "Http",
    "Piece",
    "Probe",
    "Process",
    "ProcessTable",
    "World",
)


class Flag(Protocol):
    """A one-way switch threads can wait for; ``threading.Event`` is one."""

    def is_set(self) -> bool: ...
    def wait(self, timeout: float | None = None) -> bool: ...


class Clock(Protocol):
    """Time, by argument: tests turn it by hand."""

    def instant(self) -> Instant: ...
    def now(self) -> datetime:
        """Return the aware UTC time."""
        ...

    def wait(self, flag: Flag | None, timeout_s: float) -> bool:
        """Wait until the flag is set or the time is over; True when the flag is set.

        None waits the whole time: for a revert or a probe, which have a deadline of their own and no stop flag.
        """
        ...


# --- git -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """The end of one command; ``code`` is negative when a signal ended it."""

    code: int
    out: str
    err: str


class Git(Protocol):
    """The git program, without a terminal, in the C locale, taking no optional locks."""

    def run(self, directory: str, *arguments: str, timeout_s: float = 30.0, stdin: str | None = None) -> Completed:
        """Run one git command; raises UnreachableError on timeout, TargetAbsentError when git is missing."""
        ...


# --- others ----------------------------------------------------------------------------------------------


class Http(Protocol):
    """Plain HTTP GET."""

    def get(self, url: str, *, timeout_s: float) -> tuple[int, bytes]:
        """Return status and at most 1 MiB of body; raises UnreachableError when nobody answers."""
        ...


class Commands(Protocol):
    """Local commands, as argument lists, never through a shell."""

    def run(
        self,
        arguments: Sequence[str],
        *,
        timeout_s: float,
        directory: str | None = None,
        environment: Mapping[str, str] | None = None,
        stdin: str | None = None,
    ) -> Completed:
        """Run to the end; raises UnreachableError on timeout, TargetAbsentError when it cannot start.

        ``environment`` adds to the small one that every command gets; children left in its process group are ended.
        """
        ...


class World(Protocol):
    """Everything faults and probes may touch; AWS parts are built when first asked for.

    ``private`` is a directory of chaosd's own where a probe may keep a mirror.
    """

    @property
    def clock(self) -> Clock: ...
    @property
    def files(self) -> Files: ...
    @property
    def processes(self) -> ProcessTable: ...
    @property
    def holders(self) -> Holders: ...
    @property
    def cgroups(self) -> "Cgroups": ...
    @property
    def git(self) -> Git: ...
    @property
    def events(self) -> FileEvents: ...
    @property
    def ecs(self) -> "Ecs": ...
    @property
    def sqs(self) -> "Sqs": ...
    @property
    def s3(self) -> "S3": ...
    @property
    def logs(self) -> "CloudWatchLogs": ...
    @property
    def levers(self) -> "Levers": ...
    @property
    def proxy(self) -> "FaultProxy": ...
    @property
    def agent(self) -> "Agent": ...
    @property
    def names(self) -> "Names": ...
    @property
    def http(self) -> Http: ...
    @property
    def commands(self) -> Commands: ...
    @property
    def private(self) -> str: ...
    @property
    def own_task(self) -> str:
        """Return the id of the ECS task this runs in; empty outside ECS. Raises UnreachableError when unknown."""
        ...

    @property
    def boot(self) -> str:
        """Return what tells this boot of the machine from others; empty where the system does not say."""
        ...


# --- what a plug-in is -----------------------------------------------------------------------------------


class Fault(Protocol):
    """A kind of disturbance: a frozen dataclass whose fields are its parameters (one is ``mode``).

    ``prepare`` looks and never touches; everything random comes from ``order.dice``. ``inject`` and ``revert``
    work from the undo record alone, so a process that knows nothing else can take the fault back. ``revert``
    is idempotent, safe without a prior ``inject`` and after a partial one; it restores only what still is as
    we left it, and raises UndoFailedError when residue may remain. ``inject`` returns early once ``stop`` is set.
    ``calls`` is all it asks of AWS: `chaosd iam-policy` grants that and nothing else.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    modes: ClassVar[tuple[Mode, ...]]
    touches: ClassVar[Resource]
    calls: ClassVar[tuple[Call, ...]]

    @property
    def mode(self) -> str: ...
    def prepare(self, order: Order, world: World) -> Undo: ...
    @classmethod
    def inject(cls, undo: Undo, world: World, stop: Flag) -> None: ...
    @classmethod
    def revert(cls, undo: Undo, world: World) -> Reversion: ...


class Probe(Protocol):
    """A measurement of one aspect of a target: a dataclass whose init fields are its parameters.

    ``observe`` changes nothing outside ``world.private`` (the canary, which sends one marked message, says so).
    It may raise any ChaosdError: the prober turns that into an UNKNOWN reading. One instance serves one
    configured probe and may remember what it saw last; it is never called by two threads at once.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    calls: ClassVar[tuple[Call, ...]]
    measures: ClassVar[Mapping[str, str]]

    def observe(self, target: Target, world: World) -> Reading: ...
