"""Git scenarios: situations of a clone and the messages handled in them, as data; and what may be said of a case.

A result that is not ``Judged`` cannot be passed, and ``Judged`` cannot be made without a run of the worker and a
check: what was skipped, or could not be built, never looks like success.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from daemon.core.errors import ChaosdError
from daemon.core.evidence import Evidence, Standing
from daemon.core.kpi import Kpi
from daemon.core.ledger import Condition, Ledger, Sent

# --- situations as data ----------------------------------------------------------------------------------


class Act(StrEnum):
    """One step of a case: something is put into the clone or its remote, or the worker gets a message."""

    EARLIER = "earlier"  # a commit on the thread's branch, pushed
    UNPUSHED = "unpushed"  # a commit on the thread's branch, not pushed
    UNFINISHED = "unfinished"  # a tracked edit and an untracked file, on the thread's branch
    UNTRACKED = "untracked"  # an untracked file only
    STASH = "stash"  # somebody's own stash
    CONFLICT = "conflict"  # another's pushed commit, one of our own, and a merge of both that stopped
    DAMAGE = "damage"
    MESSAGE = "message"


@dataclass(frozen=True, slots=True)
class Step:
    """An act on a thread; ``how`` tells the kind of a conflict or damage."""

    act: Act
    thread: int = 1
    how: str = ""


class Work(StrEnum):
    """What kind of work a piece is."""

    TRACKED = "tracked edit"
    UNTRACKED = "untracked file"
    COMMITTED = "unpushed commit"
    PUSHED = "pushed commit"
    STASHED = "stash"


UNFINISHED = frozenset({Work.TRACKED, Work.UNTRACKED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Work that was there before the worker came. ``sent`` carries its trace token and the branch it belongs to."""

    work: Work
    sent: Sent
    commit: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GitScenario:
    """A named family of cases. ``checks`` names what is judged besides what every case is judged by."""

    name: str
    summary: str
    expects: tuple[str, ...]
    cases: Mapping[str, tuple[Step, ...]]
    checks: tuple[str, ...] = ()


class UnbuiltError(ChaosdError):
    """The situation could not be built: nothing can be said of the worker."""


class NotConstructibleError(ChaosdError):
    """The case cannot exist in this repository: it is skipped."""


# --- what was done and seen ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One start of the worker's command. ``code`` None: it was stopped at its timeout. The texts are their ends."""

    code: int | None
    took_s: float
    out: str = ""
    err: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was seen after one message. ``rewritten`` are branches of the remote that lack a commit they had.

    ``stashes`` are the ids of the clone's stashes, None when they could not be read.
    """

    message: Sent
    runs: tuple[Run, ...]
    pieces: tuple[Piece, ...]
    ledger: Ledger
    rewritten: tuple[Condition, ...] = ()
    stashes: tuple[str, ...] | None = ()


class GitWitness(Protocol):
    """Who looks at clone and remote from outside. Changes nothing but its own mirror."""

    def begin(self) -> None:
        """Remember how things are before anything is prepared; raises ChaosdError."""
        ...

    def look(self, message: Sent, runs: Sequence[Run], messages: Sequence[Sent], pieces: Sequence[Piece]) -> Look:
        """Look for everything; what cannot be seen is written down as such."""
        ...


# --- results ---------------------------------------------------------------------------------------------


class Outcome(StrEnum):
    """What is said of one case."""

    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """How one check stands; an ``objective`` may stay unknown without making the case unknown."""

    name: str
    standing: Standing
    detail: str = ""
    evidence: tuple[Evidence, ...] = ()
    objective: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Which case, with which seed; ``sandbox`` is where it lies when it was kept."""

    scenario: GitScenario
    name: str
    seed: int
    sandbox: str | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """The case did not run, and why not."""

    case: Case
    reason: str

    @property
    def outcome(self) -> Outcome:
        return Outcome.SKIPPED


@dataclass(frozen=True, slots=True)
class Unbuilt:
    """The situation was not what it should be before the worker came: nothing is known of the worker."""

    case: Case
    reason: str

    @property
    def outcome(self) -> Outcome:
        return Outcome.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The worker ran, and everything was checked; raises ValueError when it did not run or nothing was checked."""

    case: Case
    looks: tuple[Look, ...]
    checks: tuple[Checked, ...]
    kpis: tuple[Kpi, ...] = ()

    def __post_init__(self) -> None:
        if not any(look.runs for look in self.looks) or not self.checks:
            raise ValueError("a case without a run of the worker, or without a check, was not judged")

    @property
    def outcome(self) -> Outcome:
        """Return failed when anything is violated, passed when everything held, else unknown."""
        standings = {c.standing for c in self.checks}
        needed = {c.standing for c in self.checks if not c.objective}
        if Standing.VIOLATED in standings:
            return Outcome.FAILED
        return Outcome.PASSED if needed == {Standing.HELD} else Outcome.UNKNOWN


Result = Skipped | Unbuilt | Judged


def exit_code(results: Sequence[Result]) -> int:
    """Return 1 when anything failed or is unknown, 5 when anything, or everything, was skipped, 0 else."""
    outcomes = {r.outcome for r in results}
    if outcomes & {Outcome.FAILED, Outcome.UNKNOWN}:
        return 1
    return 0 if outcomes == {Outcome.PASSED} else 5
