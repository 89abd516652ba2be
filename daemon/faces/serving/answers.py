"""What the API answers, as types: the OpenAPI document is made from them, and a test holds real answers to them."""

from typing import Any, Literal, NotRequired, TypedDict

#: Written so because ``for`` is a word of the language; seconds both.
_Spans = TypedDict("_Spans", {"for": NotRequired[float], "recover": NotRequired[float]})


class InjectionHead(_Spans):
    """One injection: who, what, when."""

    id: str
    experiment: NotRequired[str | None]
    fault: NotRequired[str]
    mode: NotRequired[str]
    target: NotRequired[str]
    seed: NotRequired[int]
    state: str
    planned_at: NotRequired[str]
    injected_at: NotRequired[str | None]
    injecting_took: NotRequired[float | None]
    reverted_at: NotRequired[str | None]
    origin: NotRequired[str]
    by: NotRequired[str]
    workload: NotRequired[str | None]
    when: NotRequired[str | None]
    victim: NotRequired[dict[str, Any]]


class Impact(TypedDict):
    """Whether failing was seen, and when: a bracket in seconds after the injection."""

    seen: bool
    after: list[float] | None


class Recovery(TypedDict):
    """When the target was well again, and who healed it."""

    after: list[float] | None
    censored: bool
    healed_by: Literal["worker", "revert"] | None


class Undone(TypedDict):
    """How the fault was taken back."""

    proved: bool
    doubt: str
    superseded: bool
    detail: str
    proof: dict[str, Any]
    deadline_at: str | None
    settled: dict[str, str] | None


class Workload(TypedDict):
    """What was played beside the fault, and how its messages fared."""

    scenario: str
    set: dict[str, Any]
    strike: float | None
    run: str | None
    baseline: str | None
    masked: list[str]
    unknown: list[dict[str, Any]]
    settled: bool | None


class Trigger(TypedDict):
    """Which event was waited for, what was seen, and how soon the fault followed."""

    event: str
    matching: str | None
    within: float
    armed_at: str | None
    fired_at: str | None
    what: str | None
    struck_after: float | None


class Injection(TypedDict):
    """One injection with its verdict."""

    injection: InjectionHead
    verdict: str | None
    reasons: NotRequired[list[str]]
    impact: NotRequired[Impact]
    recovery: NotRequired[Recovery]
    undo: NotRequired[Undone]
    violations: NotRequired[list[dict[str, Any]]]
    workload: NotRequired[Workload | None]
    trigger: NotRequired[Trigger | None]


class InjectionDocument(Injection):
    """One injection, as a document of its own."""

    schema_version: Literal[1]


class Injections(TypedDict):
    """One page of injections, newest first; ``next`` is where the following page is, null on the last."""

    schema_version: Literal[1]
    injections: list[Injection]
    next: str | None


class Accepted(TypedDict):
    """The id of an injection that was begun."""

    schema_version: Literal[1]
    id: str


class Halted(TypedDict):
    """The reason of the halt in force, or null."""

    schema_version: Literal[1]
    halted: str | None


class Changed(TypedDict):
    """What another configuration changed of one of its parts, by name."""

    added: list[str]
    removed: list[str]
    changed: list[str]


class Reloaded(TypedDict):
    """What a reload changed; ``others`` are the parts without names."""

    schema_version: Literal[1]
    targets: Changed
    probes: Changed
    experiments: Changed
    tokens: Changed
    others: list[str]


class Found(TypedDict):
    """One named thing a probe found."""

    name: str
    detail: str


class ScenarioRun(TypedDict):
    """One run of a scenario whose messages may be in the queues."""

    run: str
    purpose: Literal["alone", "baseline", "experiment"]
    scenario: str
    target: str
    opened_at: str
    injection: str | None
    state: Literal["open", "swept", "sweep-failed"]
    detail: str
    proof: dict[str, Any]


class Recovered(TypedDict):
    """What was taken back, and whose messages were swept."""

    schema_version: Literal[1]
    injections: list[Injection]
    runs: list[ScenarioRun]


class Observation(TypedDict):
    """One look of a probe."""

    probe: str
    target: str
    status: Literal["ok", "failing", "unknown"]
    at: str
    took: float
    measures: dict[str, float]
    findings: list[Found]


class Observations(TypedDict):
    """The latest look of every probe."""

    schema_version: Literal[1]
    observations: list[Observation]


class Mode(TypedDict):
    """One way of a fault; of git's, also what then fails, how it is repaired, who sees it, and how common it is."""

    name: str
    summary: str
    silent: bool
    fails: NotRequired[str]
    repair: NotRequired[str]
    fsck: NotRequired[str]
    seen: NotRequired[str]
    often: NotRequired[str]


class Fault(TypedDict):
    """One kind of fault."""

    name: str
    summary: str
    modes: list[Mode]
    parameters: dict[str, dict[str, Any]]


class Faults(TypedDict):
    """The faults that can be injected."""

    schema_version: Literal[1]
    faults: list[Fault]


class Schedule(TypedDict):
    """When it is due: one of the three; seconds."""

    cron: NotRequired[str]
    timezone: NotRequired[str]
    every: NotRequired[float]
    about_every: NotRequired[float]


_Stay = TypedDict("_Stay", {"for": float})


class Experiment(_Stay):
    """One configured experiment."""

    name: str
    fault: str
    target: str
    set: dict[str, Any]
    schedule: Schedule
    timeout: float
    workload: str | None
    when: str | None
    next_at: str | None


class Experiments(TypedDict):
    """The configured experiments."""

    schema_version: Literal[1]
    experiments: list[Experiment]


class DaemonFacts(TypedDict):
    """The daemon itself."""

    pid: int
    version: str
    started_at: str
    halted: str | None


class Due(TypedDict):
    """When an experiment is due."""

    experiment: str
    at: str


class Situation(TypedDict):
    """What is active, outstanding, seen and due."""

    schema_version: Literal[1]
    daemon: DaemonFacts
    active: list[Injection]
    outstanding: list[Injection]
    runs: list[ScenarioRun]
    observations: list[Observation]
    next: list[Due]


class Problem(TypedDict):
    """What was not done, and why (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    hint: NotRequired[str]
    exit_code: NotRequired[int]
    rule: NotRequired[str]
    problems: NotRequired[list[str]]
