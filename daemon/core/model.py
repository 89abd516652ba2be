"""The vocabulary: faults' records, observations, instants. Plain frozen data, units in the names."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from types import MappingProxyType
from typing import Any, TypeAlias

from daemon.core.redact import redact
from daemon.core.target import Target

Json: TypeAlias = Any  # what json.loads returns; a recursive alias buys casts, not safety
EMPTY: Mapping[str, Json] = MappingProxyType({})


class Status(StrEnum):
    """What a probe saw. UNKNOWN is never treated as OK."""

    OK = "ok"
    FAILING = "failing"
    UNKNOWN = "unknown"


class Phase(StrEnum):
    """When an observation was made, seen from the fault."""

    BEFORE = "before"
    DURING = "during"
    AFTER = "after"


class Resource(StrEnum):
    """What a fault touches: decides which tags, allow-lists and limits the guard asks about."""

    ECS = "ecs"
    QUEUE = "queue"
    REPOSITORY = "repository"
    PROCESS = "process"
    NETWORK = "network"
    AWS_API = "aws-api"
    DISK = "disk"


@dataclass(frozen=True, slots=True, order=True)
class Instant:
    """One moment on two clocks: ``mono_s`` for differences (CLOCK_MONOTONIC), ``wall_s`` (epoch) for people."""

    mono_s: float
    wall_s: float


@dataclass(frozen=True, slots=True)
class Deadline:
    """When taking a fault back must have begun, on two clocks: ``boot_s`` counts while the machine sleeps too.

    ``boot_s`` (CLOCK_BOOTTIME) is good within one boot, for the guardian; ``wall_s`` (epoch) for everybody else.
    """

    boot_s: float
    wall_s: float


@dataclass(frozen=True, slots=True)
class Bracket:
    """An instant known only to lie between two samples, in seconds after the injection."""

    lo_s: float
    hi_s: float

    @property
    def middle_s(self) -> float:
        """Return the midpoint: it removes the bias of half a sampling interval that the first good sample has."""
        return (self.lo_s + self.hi_s) / 2


@dataclass(frozen=True, slots=True)
class Mode:
    """One way a fault can strike. ``silent``: the victim's commands succeed with wrong content.

    ``notes`` are what else is known of it, in words: what fails, how it is repaired.
    """

    name: str
    summary: str
    silent: bool = False
    notes: Mapping[str, str] = field(default_factory=lambda: EMPTY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What ``prepare`` is given besides the fault's own parameters.

    ``dice`` is seeded from the injection's seed: same seed and same target state, same victim.
    ``keep_healthy`` is the guard's ``min_healthy_tasks``, ``max_percent`` its share of the healthy tasks, of which
    ``disturbed`` are disturbed by others already; a task with ``protect_tag`` is no victim;
    ``lasts_s`` is how long the fault is to stay. ``allow_repositories`` are its path patterns,
    or ``None`` when an operator named the path himself.
    """

    injection: str
    target: Target
    dice: Random
    keep_healthy: int = 0
    max_percent: float | None = None
    disturbed: int = 0
    protect_tag: tuple[str, str] | None = None
    allow_repositories: tuple[str, ...] | None = None
    lasts_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Undo:
    """Plain data, never code: sufficient to inject, to revert, and to prove the reverting of one injection.

    ``victim`` names what was chosen; ``actions`` says what injecting will do, one sentence each (the dry run
    prints them). ``data`` is the fault's own record and survives JSON. ``wait_s`` bounds how long revert may
    wait for a supervisor; ``takes_s`` is how long injecting itself is expected to take. ``restores`` is False
    for what cannot be taken back: then revert only waits for what must come back, and whatever healed was not
    healed by us.
    """

    fault: str
    mode: str
    victim: Mapping[str, Json]
    actions: tuple[str, ...]
    data: Mapping[str, Json]
    wait_s: float = 0.0
    takes_s: float = 0.0
    restores: bool = True


class Outcome(StrEnum):
    """What a revert found."""

    RESTORED = "restored"
    SUPERSEDED = "superseded"
    UNTOUCHED = "untouched"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reversion:
    """The result of one revert. ``proof`` holds digests or ids a person can check, before and after.

    RESTORED: it is again as it was. SUPERSEDED: the worker had repaired, replaced or changed it (which of these the
    probes tell); its version was left alone; ``partly``: only of some of it, the rest was taken back by us.
    UNTOUCHED: it had had no effect.
    ``doubt`` says what could not be told: such a revert is not proved. ``idle``: it was in force and met nothing,
    or was not in force up to its end: what the probes saw does not tell how anybody bears it.
    """

    outcome: Outcome
    proof: Mapping[str, Json] = field(default_factory=dict)
    detail: str = ""
    doubt: str = ""
    partly: bool = False
    idle: bool = False

    @property
    def by_worker(self) -> bool:
        """Tell whether nothing of it was taken back by us: if it is well, the worker alone had put it right."""
        return self.outcome is Outcome.SUPERSEDED and not self.partly

    @property
    def told(self) -> str:
        """Return detail and doubt in one line."""
        return "; ".join(part for part in (self.detail, self.doubt and f"not proved: {self.doubt}") if part)

    def __post_init__(self) -> None:
        object.__setattr__(self, "detail", redact(self.detail))


@dataclass(frozen=True, slots=True)
class Finding:
    """One named thing a probe found, e.g. ``stale-lock`` in ``.git/index.lock``; secrets in it are redacted."""

    name: str
    detail: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "detail", redact(self.detail))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a probe returns. ``measures`` carry their unit in the name (``age_seconds``, ``visible``)."""

    status: Status
    measures: Mapping[str, float] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """A reading with its name, its target and the two instants it lies between."""

    probe: str
    target: str
    asked: Instant
    answered: Instant
    reading: Reading

    @property
    def status(self) -> Status:
        return self.reading.status
