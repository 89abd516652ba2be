"""The shape of the file's `guard`: rules, stop conditions, levers, budgets. Defaults come from the core."""

import re
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, WithJsonSchema

from daemon.config.part import Part
from daemon.config.scalars import (
    Absolute,
    Count,
    Number,
    Percent,
    Positive,
    Seconds,
    Text,
    Url,
    checked,
    default,
)
from daemon.core import levers, settings
from daemon.core.calendar import Blackout, Window

STOPS = ("probe", "prometheus", "alarm")
LEVERS = ("fis", "parameter", "alarm")
SPAN = re.compile(r"^[1-9]\d*[smhdw]$")


def _span(text: str) -> None:
    if not SPAN.match(text):
        raise ValueError(f"{text!r} is no span of Prometheus: write 7d or 12h")


class Tag(Part):
    """A tag and its value."""

    key: Text
    value: str


class Allow(Part):
    """What may be touched."""

    repositories: tuple[Absolute, ...] | None = Field(
        default=default(settings.Allow, "repositories"),
        description="directories or patterns; unset: the targets' own",
    )
    queues: tuple[Text, ...] | None = Field(
        default=default(settings.Allow, "queues"), description="patterns of ACCOUNT:NAME; unset: the targets' own"
    )


class StopWhen(Part):
    """Stops every running experiment, and lets none begin while it holds; one of `probe`, `prometheus`, `alarm`."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": [key]} for key in STOPS]})
    probe: Text | None = Field(default=None, description="name of a configured probe")
    status: Literal["failing", "unknown", "ok"] = Field(
        default=default(levers.StopWhen, "status").value, alias="is", description="of `probe`"
    )
    prometheus: Url | None = Field(default=None, description="a Prometheus server; asks `query`")
    query: Text | None = Field(
        default=None, description="PromQL; without `above` and `below` any sample in the answer holds"
    )
    above: Number | None = Field(default=None, description="holds when a series of `query` is above this")
    below: Number | None = Field(default=None, description="holds when a series of `query` is below this")
    alarm: Text | None = Field(default=None, description="name of a CloudWatch alarm; holds in ALARM")
    lasting: Seconds = Field(default=default(levers.StopWhen, "for_s"), alias="for", description="without a break")


class Lever(Part):
    """Somebody else's switch: while it is engaged nothing runs; one of `fis`, `parameter`, `alarm`."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": [key]} for key in LEVERS]})
    fis: Text | None = Field(default=None, description="id of an AWS FIS safety lever: `default`")
    parameter: Text | None = Field(
        default=None, description="name of an SSM parameter; engaged unless its value is `released`"
    )
    alarm: Text | None = Field(default=None, description="name of a CloudWatch alarm; engaged in ALARM")


class ErrorBudget(Part):
    """Nothing begins on a target whose own objective is missed already."""

    objective: Percent = Field(description="share of good time the target must have had, such as `99%`")
    prometheus: Url = Field(description="the Prometheus server that knows")
    window: Annotated[str, checked(_span), WithJsonSchema({"type": "string", "pattern": SPAN.pattern})] = Field(
        default=default(levers.ErrorBudget, "window"), description="over how long, as Prometheus writes it"
    )
    probe: Text | None = Field(default=None, description="judge by this probe; unset: by the steady state")
    query: Text | None = Field(
        default=None, description="PromQL for a share from 0 to 1; `$target` and `$window` are filled in"
    )


class Guard(Part):
    """The rules that admit, refuse or stop an experiment."""

    max_active: Positive = Field(
        default=default(settings.GuardSetting, "max_active"), description="experiments at once"
    )
    max_active_per_target: Positive = Field(default=default(settings.GuardSetting, "max_active_per_target"))
    max_per_day: Count | None = Field(
        default=default(settings.GuardSetting, "max_per_day"), description="per UTC day"
    )
    max_disturbed_time_per_day: Seconds | None = Field(
        default=default(settings.GuardSetting, "max_disturbed_s_per_day"),
        description="of one target, injected to healed, per UTC day; the next one counts with its `for`",
    )
    min_gap: Seconds = Field(
        default=default(settings.GuardSetting, "min_gap_s"), description="between two experiments"
    )
    min_healthy_tasks: Count = Field(
        default=default(settings.GuardSetting, "min_healthy_tasks"),
        description="never fewer running tasks than this",
    )
    max_percent: Percent | None = Field(
        default=default(settings.GuardSetting, "max_percent"),
        description="share of the tasks healthy now that may be disturbed at once, rounded down",
    )
    protect: tuple[Text, ...] = Field(
        default=default(settings.GuardSetting, "protect"),
        description="patterns of names (targets, their cluster, service, queue, bucket) never to be touched",
    )
    protect_tag: Tag | None = Field(
        default=None, description="tag of ECS services, tasks and queues never to be touched"
    )
    require_tag: Tag | None = Field(default=None, description="tag every AWS resource must carry to be touched")
    allow: Allow = Field(default_factory=Allow)
    windows: tuple[Annotated[str, checked(Window.parse)], ...] = Field(
        default=(), description="when experiments may run"
    )
    blackouts: tuple[Annotated[str, checked(Blackout.parse)], ...] = Field(
        default=(), description="when they may not"
    )
    stop_when: tuple[StopWhen, ...] = ()
    levers: tuple[Lever, ...] = Field(default=(), description="somebody else's switches")
    blind_after: Seconds = Field(
        default=default(settings.GuardSetting, "blind_after_s"),
        description="a lever or stop condition unanswered for longer stops what runs",
    )
    error_budget: ErrorBudget | None = None
    halt_file: Absolute | None = Field(
        default=default(settings.GuardSetting, "halt_file"),
        description="halts while it exists, as HALT in the state directory does; its text is the reason",
    )
