"""The validated settings: what ``chaosd.yaml`` says, frozen. Every default of the product stands here, once.

Durations are seconds. ``daemon.config`` makes these records; nothing else reads the file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from daemon.core.addresses import Listen, Tcp, UnixSocket, is_loopback
from daemon.core.calendar import Blackout, Window
from daemon.core.levers import ErrorBudget, Lever, StopCondition
from daemon.core.moments import Moment
from daemon.core.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Aws:
    """Where AWS is. None leaves the choice to the SDK's own chain (environment, profile, instance)."""

    region: str | None = None
    endpoint_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeSetting:
    """One configured probe: ``probe`` names the kind, ``every_s`` is its slow interval between experiments."""

    name: str
    probe: str
    target: str
    every_s: float = 15.0
    parameters: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron:
    """At the minutes of a five-field cron expression, in the wall-clock time of ``timezone``."""

    expression: str
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Every:
    """At a fixed interval."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AboutEvery:
    """At random: exponential gaps with this mean, drawn from the seed."""

    seconds: float


Trigger: TypeAlias = Cron | Every | AboutEvery


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadSetting:
    """A scenario played while a fault is active; ``parameters`` (key ``set``) are the scenario's.

    ``strike_s`` is when the fault strikes, counted from the first message sent; None draws that moment from the
    injection's seed, from the time in which the scenario sends.
    """

    scenario: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    strike_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentSetting:
    """One configured experiment.

    ``duration_s`` (key ``for``) is how long the fault stays before it is reverted; ``timeout_s`` how long
    recovery is waited for, the target's ``limits.recover`` when the file does not say. ``first_after_s`` is when
    an interval's first occurrence comes, None after one interval. ``jitter_s`` moves each
    start by up to that much; a start missed by more than ``misfire_grace_s`` is skipped. ``parameters`` (key
    ``set``) are the fault's. ``when`` is the event on which it strikes once it is due; None: at once.
    """

    name: str
    fault: str
    target: str
    trigger: Trigger
    timeout_s: float
    duration_s: float = 30.0
    jitter_s: float = 0.0
    first_after_s: float | None = None
    misfire_grace_s: float = 60.0
    parameters: Mapping[str, object] = field(default_factory=dict)
    workload: WorkloadSetting | None = None
    when: Moment | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Allow:
    """What may be touched. None: what the configuration names as targets, nothing else.

    ``repositories`` are directories or glob patterns of paths; ``queues`` are patterns of ``ACCOUNT:NAME``,
    such as ``*:edit-*``.
    """

    repositories: tuple[str, ...] | None = None
    queues: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardSetting:
    """The rules that admit, refuse or stop an experiment.

    ``max_per_day`` None is no limit; the day is the UTC day. ``windows`` empty: always open. ``require_tag``
    is (key, value) on every AWS resource that would be touched. ``max_percent`` is of the tasks healthy now;
    ``protect`` are patterns of names never to be touched, ``protect_tag`` the (key, value) on a service, queue or
    task that must not be. ``halt_file`` halts while it exists, besides ``HALT`` in
    the state directory. ``blind_after_s``: how long a lever or stop condition may stay unanswered while something
    runs.
    """

    max_active: int = 1
    max_active_per_target: int = 1
    max_per_day: int | None = None
    min_gap_s: float = 0.0
    min_healthy_tasks: int = 0
    require_tag: tuple[str, str] | None = None
    allow: Allow = field(default_factory=Allow)
    windows: tuple[Window, ...] = ()
    blackouts: tuple[Blackout, ...] = ()
    stop_when: tuple[StopCondition, ...] = ()
    max_percent: float | None = None
    protect: tuple[str, ...] = ()
    protect_tag: tuple[str, str] | None = None
    max_disturbed_s_per_day: float | None = None
    error_budget: ErrorBudget | None = None
    halt_file: str | None = None
    levers: tuple[Lever, ...] = ()
    blind_after_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSetting:
    """One bearer token, in ``file`` or in systemd's credential of that name. ``control`` includes reading."""

    name: str
    control: bool
    file: str | None = None
    credential: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """Where people and Prometheus look. Anything but loopback and a Unix socket needs a token.

    ``tokens`` holds that of ``token_file``, too, named ``token``. ``read`` is ``open`` or ``token``; None is open
    where only this machine can look. ``hosts`` are names the API answers to besides addresses and ``localhost``.
    """

    listen: Listen = field(default_factory=Tcp)
    token_file: str | None = None
    tokens: tuple[TokenSetting, ...] = ()
    read: str | None = None
    hosts: tuple[str, ...] = ()

    @property
    def reading_is_open(self) -> bool:
        if self.read is not None:
            return self.read == "open"
        return isinstance(self.listen, UnixSocket) or self.listen.loopback


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretSetting:
    """Where a secret word is: in ``file``, or in systemd's credential of that name; exactly one."""

    file: str | None = None
    credential: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationSetting:
    """Who is told: by ``kind`` (``webhook``, ``slack``, ``cloudevents``), of the news in ``on``; empty: of all.

    ``url`` is the address, or where it is kept when it is a secret itself. ``token`` is sent as a bearer token.
    """

    name: str
    kind: str
    url: str | SecretSetting
    token: SecretSetting | None = None
    on: tuple[str, ...] = ()
    timeout_s: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GrafanaSetting:
    """The Grafana server that marks each fault in its dashboards; ``token`` is a service account's."""

    url: str
    token: SecretSetting | None = None
    timeout_s: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RelaySetting:
    """A TCP relay of the fault proxy in front of a git remote; ``name`` is its lane in rules."""

    name: str
    listen: Tcp
    upstream: Tcp


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxySetting:
    """The fault proxy. ``upstream`` None is AWS itself; ``services`` empty are all that it knows.

    ``secret_file`` holds the word that must be the first part of every path; without it only loopback may listen.
    ``start`` is whether the daemon starts it.
    """

    start: bool = True
    listen: Tcp = field(default_factory=lambda: Tcp(port=4510))
    upstream: str | None = None
    services: tuple[str, ...] = ()
    secret_file: str | None = None
    relays: tuple[RelaySetting, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How experiments look: fast interval, how long steady counts as steady, how long to wait for steady before.

    ``probe_every_s`` comes from ``default_probe_every_s`` when the file does not say. ``baseline_every_s`` is how
    long a run of a workload without a fault counts as its baseline; 0 takes one before every experiment.
    """

    probe_every_s: float
    stable_for_s: float = 3.0
    steady_timeout_s: float = 30.0
    baseline_every_s: float = 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything the file, the environment and the flags said, checked. ``steady_state``: target to probe names."""

    sampling: Sampling
    seed: int | None = None
    aws: Aws = field(default_factory=Aws)
    targets: Mapping[str, Target] = field(default_factory=dict)
    probes: tuple[ProbeSetting, ...] = ()
    steady_state: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    experiments: tuple[ExperimentSetting, ...] = ()
    guard: GuardSetting = field(default_factory=GuardSetting)
    api: Api = field(default_factory=Api)
    notify: tuple[DestinationSetting, ...] = ()
    grafana: GrafanaSetting | None = None
    proxy: ProxySetting | None = None


def same_probes(now: Settings, wanted: Settings) -> frozenset[str]:
    """Return the probes that look at the same thing in the same way under both: what they saw still holds."""
    before = {p.name: (p, now.targets[p.target]) for p in now.probes}
    return frozenset(p.name for p in wanted.probes if before.get(p.name) == (p, wanted.targets[p.target]))


def default_probe_every_s(aws: Aws, targets: Mapping[str, Target]) -> float:
    """Return the fast interval: 250 ms where looking is local and free, 1 s where each look is an AWS call."""
    remote = any(t.ecs or t.queue or t.deployment or t.logs for t in targets.values())
    endpoint = urlsplit(aws.endpoint_url).hostname if aws.endpoint_url else None
    return 1.0 if remote and not (endpoint and is_loopback(endpoint)) else 0.25
