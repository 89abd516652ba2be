"""The file's shape as pydantic models: keys, types, ranges, descriptions. Defaults come from ``core.settings``."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from daemon.config.guarding import Guard
from daemon.config.notifying import Destination, Grafana
from daemon.config.part import Part
from daemon.config.proxying import Proxy, Routes
from daemon.config.scalars import (
    Absolute,
    Count,
    Format,
    Host,
    Interval,
    Name,
    Paths,
    Port,
    Sample,
    Seconds,
    Template,
    Text,
    Url,
    checked,
    default,
    read_address,
    write_address,
)
from daemon.core import settings
from daemon.core import target as core
from daemon.core.calendar import zone
from daemon.core.moments import EVENTS, Moment

TRIGGERS = ("cron", "every", "about_every")


def _may_be_left_out(schema: dict[str, Any]) -> None:
    """Let an editor accept what only the place chaosd runs in can tell to be missing."""
    schema.pop("required", None)


class Aws(Part):
    """Where AWS is."""

    region: Text | None = Field(
        default=default(settings.Aws, "region"), description="AWS region; unset: the SDK's choice"
    )
    endpoint_url: Url | None = Field(
        default=default(settings.Aws, "endpoint_url"), description="an emulator's address; unset: AWS itself"
    )


class Ecs(Part):
    """The worker's ECS service; in ECS what is left out is that of chaosd's own task."""

    model_config = ConfigDict(json_schema_extra=_may_be_left_out)
    cluster: Text = Field(description="cluster, name or ARN; unset: chaosd's own")
    service: Text = Field(description="service, name or ARN; unset: chaosd's own")


class Queue(Part):
    """The worker's queues."""

    url: Url = Field(description="the worker's input queue")
    responses: Url | None = Field(default=None, description="where the worker answers")
    dead_letter: Url | None = Field(default=None, description="where messages end that failed too often")
    interrupts: Url | None = Field(default=None, description="a separate queue for interrupts")
    format: Format = Field(
        default=default(core.Queue, "format"), description="`standard`, or a JSON template with placeholders"
    )


class Repository(Part):
    """The worker's working clones and their remote."""

    worktree: Paths = Field(description="the worker's clones: a path, a list or a pattern")
    remote: Text = Field(default=default(core.Repository, "remote"), description="remote name, path or URL")
    branch: Template = Field(
        default=default(core.Repository, "branch"), description="branch of a message, with placeholders"
    )
    mainline: Text = Field(
        default=default(core.Repository, "mainline"), description="the branch new threads start from"
    )


class Deployment(Part):
    """Where the worker publishes."""

    bucket: Text = Field(description="bucket that holds the site")
    key: Text = Field(default=default(core.Deployment, "key"), description="object that shows what is deployed")


class Logs(Part):
    """Where the worker logs."""

    group: Text = Field(description="CloudWatch Logs group")


class Processes(Part):
    """How to find the worker's local processes; at least one key."""

    match: Text | None = Field(default=None, description="part of the command line")
    pid_file: Absolute | None = Field(default=None, description="file that holds the pid")
    port: Port | None = Field(default=None, description="TCP port it listens on")


class Network(Part):
    """How the worker's packets are reached."""

    through: Literal["auto", "agent", "host"] = Field(
        default=default(core.Network, "through"),
        description="the ECS agent of chaosd's task, or the host's tc and nft; auto: the agent, if any",
    )
    device: Text | None = Field(default=None, description="host: interface; unset: that of the default route")
    namespace: Text | None = Field(default=None, description="host: network namespace; unset: chaosd's own")


class Disk(Part):
    """The file system the worker works on."""

    path: Absolute = Field(description="directory that `disk-fill` may fill; never below its floor")


class Limits(Part):
    """The target's own objectives."""

    message: Seconds = Field(default=default(core.Limits, "message_s"), description="longest time for one message")
    branch_switch: Seconds = Field(
        default=default(core.Limits, "branch_switch_s"), description="longest switch of branch"
    )
    recover: Seconds = Field(default=default(core.Limits, "recover_s"), description="longest recovery from a fault")


class Target(Part):
    """One worker system; what is left out is not there."""

    ecs: Ecs | None = None
    queue: Queue | None = None
    repository: Repository | None = None
    deployment: Deployment | None = None
    logs: Logs | None = None
    processes: Processes | None = None
    network: Network | None = None
    disk: Disk | None = None
    proxy: Routes | None = None
    limits: Limits = Field(default_factory=Limits)


class Probe(Part):
    """One probe. Keys beyond these are the probe's own parameters, as are those under ``set``."""

    model_config = ConfigDict(extra="allow")
    name: Name
    probe: Text = Field(description="kind of probe; `chaosd probes list` names them")
    target: Text
    every: Sample = Field(
        default=default(settings.ProbeSetting, "every_s"), description="interval between experiments"
    )
    parameters: dict[str, Any] = Field(default={}, alias="set", description="the probe's parameters")


def _or_a_name(found: dict[str, Any]) -> None:
    found["anyOf"].insert(0, {"type": "string", "minLength": 1})


class Workload(Part):
    """A scenario played while the fault is active; a scenario's name alone stands for all of it."""

    scenario: Text = Field(description="`chaosd scenario list` names them")
    parameters: dict[str, Any] = Field(default={}, alias="set", description="the scenario's parameters")
    strike: Seconds | None = Field(
        default=default(settings.WorkloadSetting, "strike_s"),
        description="when the fault strikes, from the first message; unset: drawn from the seed while it sends",
    )


class When(Part):
    """The event on which a fault strikes; `EVENT` or `EVENT:PATTERN` stands for all of it."""

    event: Text = Field(description=f"one of {', '.join(EVENTS)}")
    matching: Text | None = Field(default=None, description="pattern for a branch, a path or a log line")
    within: Interval = Field(
        default=default(Moment, "within_s"), description="how long it is waited for; then nothing is injected"
    )


class Experiment(Part):
    """One experiment; exactly one of `cron`, `every`, `about_every`."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": [key]} for key in TRIGGERS]})
    name: Name
    fault: Text = Field(description="kind of fault; `chaosd faults list` names them")
    target: Text
    cron: Text | None = Field(default=None, description="five-field cron expression; or `every`, or `about_every`")
    timezone: Annotated[str, checked(zone)] = Field(
        default=default(settings.Cron, "timezone"), description="zone of `cron`"
    )
    every: Interval | None = Field(default=None, description="fixed interval")
    about_every: Interval | None = Field(default=None, description="mean of random (exponential) gaps")
    first_after: Seconds | None = Field(
        default=default(settings.ExperimentSetting, "first_after_s"),
        description="first start of `every` after the daemon's; unset: one interval",
    )
    jitter: Seconds = Field(
        default=default(settings.ExperimentSetting, "jitter_s"), description="random delay of each start"
    )
    misfire_grace: Interval = Field(
        default=default(settings.ExperimentSetting, "misfire_grace_s"),
        description="a start missed by more is skipped",
    )
    duration: Seconds = Field(
        default=default(settings.ExperimentSetting, "duration_s"),
        alias="for",
        description="how long the fault stays",
    )
    timeout: Interval | None = Field(
        default=None, description="how long to wait for recovery; unset: limits.recover"
    )
    parameters: dict[str, Any] = Field(default={}, alias="set", description="the fault's parameters")
    when: When | None = Field(
        default=None, description="the event to strike on, once due", json_schema_extra=_or_a_name
    )
    workload: Workload | None = Field(
        default=None, description="messages sent meanwhile, and judged", json_schema_extra=_or_a_name
    )


class Token(Part):
    """A bearer token of the API, in a file or in one of systemd's credentials."""

    name: Name = Field(description="what the audit log calls who uses it")
    scope: Literal["read", "control"] = Field(description="control includes read")
    file: Absolute | None = Field(default=None, description="file with the token, mode 0600")
    credential: Name | None = Field(default=None, description="name of a systemd credential (LoadCredential=)")


class Api(Part):
    """Where people and Prometheus look."""

    listen: Annotated[str, checked(read_address)] = Field(
        default=write_address(default(settings.Api, "listen")),
        description="HOST:PORT or unix:/path; not loopback needs a token",
    )
    token_file: Absolute | None = Field(
        default=default(settings.Api, "token_file"),
        description="file with a control token; short for one of tokens",
    )
    tokens: tuple[Token, ...] = ()
    read: Literal["open", "token"] | None = Field(
        default=default(settings.Api, "read"),
        description="who may read; unset: everybody on loopback, else who has a token",
    )
    hosts: tuple[Host, ...] = Field(
        default=default(settings.Api, "hosts"), description="names it answers to, besides localhost and addresses"
    )


class Sampling(Part):
    """How experiments look."""

    probe_every: Sample | None = Field(
        default=None, description="during experiments; unset: 250ms locally, 1s on AWS"
    )
    stable_for: Seconds = Field(
        default=default(settings.Sampling, "stable_for_s"), description="steady this long is recovered"
    )
    steady_timeout: Seconds = Field(
        default=default(settings.Sampling, "steady_timeout_s"),
        description="how long to wait for steady state before",
    )
    baseline_every: Seconds = Field(
        default=default(settings.Sampling, "baseline_every_s"),
        description="how old a workload's run without a fault may be; 0s: one before every experiment",
    )


class Root(Part):
    """The whole file."""

    version: Literal[1] = Field(default=1, description="version of this format")
    seed: Count | None = Field(
        default=default(settings.Settings, "seed"), description="repeatable schedule and choices"
    )
    aws: Aws = Field(default_factory=Aws)
    targets: dict[Name, Target] = Field(default={})
    probes: tuple[Probe, ...] = ()
    steady_state: dict[str, tuple[str, ...]] = Field(default={}, description="target to the probes that must be ok")
    experiments: tuple[Experiment, ...] = ()
    guard: Guard = Field(default_factory=Guard)
    api: Api = Field(default_factory=Api)
    notify: tuple[Destination, ...] = Field(default=(), description="who is told what became of faults")
    grafana: Grafana | None = Field(default=None, description="a Grafana that marks each fault in its dashboards")
    proxy: Proxy | None = Field(default=None, description="the fault proxy, started and kept by the daemon")
    sampling: Sampling = Field(default_factory=Sampling)
