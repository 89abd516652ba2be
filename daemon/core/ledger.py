"""The ledger: what was sent, and what became of it, per message, as seen from outside.

It holds what was seen and, part by part, what could not be seen and why: a check that needs a blind part says
``unknown``, never ``held``.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from daemon.core.model import Instant


class Kind(StrEnum):
    """What kind of message was sent."""

    NORMAL = "normal"
    INTERRUPT = "interrupt"
    DUPLICATE = "duplicate"
    MALFORMED = "malformed"
    OVERSIZE = "oversize"


class Effect(StrEnum):
    """What a message may lead to: ``once`` exactly once, ``none`` nothing, ``any`` at most once."""

    ONCE = "once"
    NONE = "none"
    ANY = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One message sent. ``branch`` is where its effect belongs, None where it names none.

    ``refused`` is the queue's own error code; then the message was never in it.
    """

    token: str
    sequence: int
    scenario: str
    session: str
    thread: str
    command: str
    branch: str | None
    kind: Kind
    effect: Effect
    at: Instant
    refused: str | None = None


class Place(StrEnum):
    """Where a token was found. The first two are on a branch of the remote, the others in a clone only."""

    MESSAGE = "commit message"
    LINE = "file"
    STASH = "stash"
    DANGLING = "dangling commit"
    UNPUSHED = "unpushed commit"
    DIRTY = "dirty tree"


PUBLISHED = frozenset({Place.MESSAGE, Place.LINE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A token found. ``repository`` is the remote's URL or the clone's path."""

    token: str
    place: Place
    repository: str
    branch: str | None = None
    commit: str | None = None
    path: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the worker answered to one of our messages; ``success`` None when its words mean neither."""

    token: str
    success: bool | None
    said: str
    at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """When a message reached each stage; None: not, or it could not be seen.

    ``committed_s`` is the commit's own date (epoch, whole seconds). The others are when we first saw it; the true
    moment lies between ``*_after`` (the last look without it) and that.
    """

    committed_s: float | None = None
    commit: str | None = None
    pushed: Instant | None = None
    pushed_after: Instant | None = None
    deployed: Instant | None = None
    answered: Instant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Something wrong that is not a message's: ``what`` is its kind, e.g. ``ahead`` or ``stale-lock``."""

    what: str
    repository: str
    detail: str
    branch: str | None = None
    commit: str | None = None
    path: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The counters of the queues a message may be in; ``dead`` is None where there is no dead-letter queue."""

    visible: int
    in_flight: int
    delayed: int = 0
    dead: int | None = None

    @property
    def waiting(self) -> int:
        return self.visible + self.in_flight + self.delayed


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueState:
    """The queue before and after. ``dead`` are our tokens found in the dead-letter queue.

    ``unfit`` are the messages of other runs of chaosd's found there that no worker can handle. ``emptied``: the
    queue was seen empty after all of ours had been pushed, so what is in it since is others'.
    """

    before: Counts
    after: Counts
    dead: tuple[str, ...] = ()
    unfit: int = 0
    emptied: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """What the deployment shows at the end.

    ``commit`` is the commit it names, or None. ``tip_of`` are the branches, anybody's, that have come to end there
    since the run began. ``holds`` are the tokens whose commit is that or an ancestor of it; ``unchanged_since`` is
    when exactly this object was first seen. ``behind`` is what chaosd's messages, of whatever run, have added since
    to the branches that the commit is on.
    """

    place: str
    commit: str | None
    tip_of: tuple[str, ...]
    holds: frozenset[str]
    unchanged_since: Instant
    behind: tuple[Sighting, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """One change of branch in a clone, known to have taken between ``least_s`` and ``most_s`` seconds."""

    repository: str
    origin: str
    branch: str
    least_s: float
    most_s: float


class Part(StrEnum):
    """What the ledger looks at, each of which may be out of sight."""

    REMOTE = "remote"
    CLONES = "clones"
    QUEUE = "queue"
    RESPONSES = "responses"
    DEPLOYMENT = "deployment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Everything seen of one run. ``blind`` says what could not be seen, and why.

    ``absent`` are the parts that the target does not have at all. ``before`` are the conditions that were there
    when the run began: nobody is blamed for them.
    """

    run: str
    sent: tuple[Sent, ...]
    remote: str = ""
    mainline: str = "main"
    sightings: tuple[Sighting, ...] = ()
    answers: tuple[Answer, ...] = ()
    stages: Mapping[str, Stages] = field(default_factory=dict)
    conditions: tuple[Condition, ...] = ()
    before: tuple[Condition, ...] = ()
    queue: QueueState | None = None
    deployed: Deployed | None = None
    switches: tuple[Switch, ...] = ()
    blind: Mapping[Part, str] = field(default_factory=dict)
    absent: frozenset[Part] = frozenset()

    def wanted(self) -> Iterator[Sent]:
        """Yield, once for each token, the messages that must have their effect."""
        return (s for s in self.accepted() if s.effect is Effect.ONCE)

    def accepted(self) -> Iterator[Sent]:
        """Yield the first message of each token that the queue took."""
        seen: set[str] = set()
        for one in self.sent:
            if one.refused is None and one.token not in seen:
                seen.add(one.token)
                yield one

    def published(self, token: str) -> tuple[Sighting, ...]:
        """Return where a token is on branches of the remote."""
        return tuple(s for s in self.sightings if s.token == token and s.place in PUBLISHED)

    def kept_back(self, token: str) -> tuple[Sighting, ...]:
        """Return where a token lies in a clone without being on a branch of the remote."""
        return tuple(s for s in self.sightings if s.token == token and s.place not in PUBLISHED)

    def new_conditions(self) -> tuple[Condition, ...]:
        """Return the conditions that were not there before the run."""
        old = {(c.what, c.repository, c.branch, c.commit, c.path) for c in self.before}
        return tuple(c for c in self.conditions if (c.what, c.repository, c.branch, c.commit, c.path) not in old)

    def answered(self, token: str) -> bool | None:
        """Return what was last said of a token: True success, False failure, None nothing that says either."""
        said = [a.success for a in self.answers if a.token == token and a.success is not None]
        return said[-1] if said else None

    def took_s(self, one: Sent) -> tuple[float, float | None]:
        """Return the least and most seconds to the last stage the target has; most None: not seen there.

        A deployment that was overtaken before it was seen took no longer than until the last change there.
        """
        stages = self.stages.get(one.token, Stages())
        least_s = stages.pushed_after.mono_s - one.at.mono_s if stages.pushed_after else 0.0
        deployed, shown = stages.deployed, self.deployed
        if deployed is None and stages.pushed and shown and shown.unchanged_since > stages.pushed:
            deployed = shown.unchanged_since
        ends = [stages.pushed] if Part.DEPLOYMENT in self.absent else [stages.pushed, deployed]
        known = [e.mono_s for e in ends if e is not None]
        return max(0.0, least_s), max(known) - one.at.mono_s if len(known) == len(ends) else None


class Witness(Protocol):
    """Who fills the ledger. Changes nothing but its own mirror and the answers to our own messages."""

    def begin(self) -> None:
        """Remember how things are before the run; raises ChaosdError when nothing can be observed."""
        ...

    def look(self, sent: Sequence[Sent]) -> bool:
        """Look once, cheaply; True when something has changed since the last look."""
        ...

    def finished(self, sent: Sequence[Sent]) -> bool:
        """Tell, from the last look, whether every message has reached the end of its way."""
        ...

    def waiting(self) -> int:
        """Return how many messages the last look saw in the queues."""
        ...

    def ledger(self, sent: Sequence[Sent]) -> Ledger:
        """Look at everything, thoroughly, and write it down."""
        ...
