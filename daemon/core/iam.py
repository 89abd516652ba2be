"""The least-privilege IAM policy of one configuration. Pure: settings and declared calls in, a document out."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any
from urllib.parse import urlsplit

from daemon.core.calls import SCENARIO, WHEN, Call, On
from daemon.core.guard_calls import guard_calls
from daemon.core.levers import Alarm, Parameter, SafetyLever
from daemon.core.model import Json
from daemon.core.settings import Settings
from daemon.core.target import Target

VERSION = "2012-10-17"
BYTES_MAX = 6144  # of a managed policy, white space not counted
ANY = "*"
_ACCOUNT_DIGITS = 12


class Form:
    """How a resource of an action is named; the words are those of the service authorization reference."""

    SERVICE, TASKS, EVERY, INSTANCES = "service", "tasks", "every", "instances"
    QUEUE, OBJECT, BUCKET, LOG_GROUP = "queue", "object", "bucket", "log group"


ACTIONS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "ecs.service": (
        ("ecs:DescribeServices", Form.SERVICE),
        ("ecs:ListTasks", Form.EVERY),  # takes no resource that is ours; bound to the cluster by a condition
        ("ecs:DescribeTasks", Form.TASKS),
    ),
    "ecs.tasks": (("ecs:DescribeTasks", Form.TASKS),),
    "ecs.stop_task": (("ecs:StopTask", Form.TASKS),),
    "ecs.scale": (("ecs:UpdateService", Form.SERVICE),),
    "ecs.redeploy": (("ecs:UpdateService", Form.SERVICE),),
    "ecs.instances": (("ecs:DescribeContainerInstances", Form.INSTANCES),),
    "ecs.set_instances": (("ecs:UpdateContainerInstancesState", Form.INSTANCES),),
    "sqs.facts": (("sqs:GetQueueAttributes", Form.QUEUE),),
    "sqs.tags": (("sqs:ListQueueTags", Form.QUEUE),),
    "sqs.send": (("sqs:SendMessage", Form.QUEUE),),
    "sqs.receive": (("sqs:ReceiveMessage", Form.QUEUE),),
    "sqs.delete": (("sqs:DeleteMessage", Form.QUEUE),),
    "sqs.release": (("sqs:ChangeMessageVisibility", Form.QUEUE),),
    "s3.head": (("s3:GetObject", Form.OBJECT), ("s3:ListBucket", Form.BUCKET)),
    "s3.get": (("s3:GetObject", Form.OBJECT), ("s3:ListBucket", Form.BUCKET)),
    "logs.events": (("logs:FilterLogEvents", Form.LOG_GROUP),),
}
"""What IAM calls each verb of the ports. A verb that is missing here is one nobody may use."""

TAGGED = ("ecs:StopTask", "ecs:UpdateService")
"""What the guard asks the tags of a task or a service about, IAM asks as well."""

NEVER = (
    "ecs:Delete*", "ecs:Deregister*",
    "logs:DeleteLogGroup", "logs:DeleteLogStream",
    "s3:DeleteBucket", "s3:DeleteBucketPolicy", "s3:PutBucketPolicy",
    "sqs:AddPermission", "sqs:DeleteQueue", "sqs:PurgeQueue", "sqs:RemovePermission", "sqs:SetQueueAttributes",
)  # fmt: skip
"""Denied by name, whatever other policies of the role allow; nothing that a worker in the same task needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """What the configuration does not say: whose account, and what chaosd is to be able to do besides.

    ``calls`` are asked on every target. None: as far as the configuration tells.
    """

    account: str | None = None
    region: str | None = None
    calls: tuple[Call, ...] = ()


@dataclass(frozen=True, slots=True)
class Generated:
    """A policy document, and what its reader must know besides."""

    document: dict[str, Json]
    notes: tuple[str, ...] = ()


Plugins = Mapping[str, type[Any]]
Grant = tuple[str, str, str]
"""Condition as sorted text, resource, action."""


def policy(settings: Settings, faults: Plugins, probes: Plugins, role: Role | None = None) -> Generated:
    """Return the policy under which everything the settings name may run, and nothing else."""
    maker = _Maker(settings, role or Role())
    for target, call in _asked(settings, faults, probes, maker):
        maker.grant(target, call)
    maker.levers()
    return Generated(document=maker.document(), notes=tuple(dict.fromkeys(maker.notes)))


def _asked(settings: Settings, faults: Plugins, probes: Plugins, maker: "_Maker") -> Iterator[tuple[Target, Call]]:
    """Yield every call on every target that a run of these settings may make."""
    for probe in settings.probes:
        yield from ((settings.targets[probe.target], c) for c in maker.declared(probe.probe, probes[probe.probe]))
    for experiment in settings.experiments:
        target, kind = settings.targets[experiment.target], faults[experiment.fault]
        striking = maker.declared(experiment.fault, kind)
        beside = SCENARIO if experiment.workload else ()
        guarding = guard_calls(settings.guard, kind.touches, striking, beside=bool(beside))
        waiting = WHEN.get(experiment.when.event, ()) if experiment.when else ()
        yield from ((target, call) for call in (*striking, *guarding, *beside, *waiting))
    for target in settings.targets.values():
        yield from ((target, call) for call in maker.role.calls)


@dataclass(slots=True)
class _Maker:
    settings: Settings
    role: Role
    grants: set[Grant] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    @property
    def region(self) -> str:
        return self.role.region or self.settings.aws.region or self._from_arns(3) or self._queue_region() or ANY

    @property
    def account(self) -> str:
        return self.role.account or self._from_arns(4) or self._queue_account() or ANY

    @property
    def partition(self) -> str:
        return {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(
            self.region.rpartition("-")[0].rpartition("-")[0], "aws"
        )

    def declared(self, name: str, kind: type[Any]) -> tuple[Call, ...]:
        """Return what a plug-in says that it calls; says so when it says nothing."""
        found: tuple[Call, ...] | None = getattr(kind, "calls", None)
        if found is None:
            self.notes.append(f"plug-in {name} does not say what it asks of AWS: nothing is granted for it")
        return found or ()

    def grant(self, target: Target, call: Call) -> None:
        """Allow one call on one part of a target; a part that the target has not needs none."""
        for action, form in ACTIONS[call.verb]:
            for resource, condition in self._resources(target, call.on, form, action):
                self.grants.add((condition, resource, action))

    def levers(self) -> None:
        """Allow reading what others pull to stop everything."""
        rules = self.settings.guard
        for lever in (*rules.levers, *rules.stop_when):
            match lever:
                case Alarm(alarm=name):
                    self._one("cloudwatch:DescribeAlarms", self._arn("cloudwatch", f"alarm:{name}"))
                case Parameter(parameter=name):
                    self._one("ssm:GetParameter", self._arn("ssm", f"parameter/{name.lstrip('/')}"))
                case SafetyLever(fis=name):
                    self._one("fis:GetSafetyLever", self._arn("fis", f"safety-lever/{name}"))
                case _:
                    pass  # Prometheus and probes: no matter of IAM

    def document(self) -> dict[str, Json]:
        """Return the document: a statement for each set of resources that shares its actions, then the denials."""
        if ANY in (self.region, self.account) and self.grants:
            self.notes.append("region or account is not known and stands as *: name them with --region, --account")
        statements = [*self._allowed(), *self._denied()]
        for number, statement in enumerate(statements):
            statement["Sid"] = f"Chaosd{statement['Effect']}{number}"
        document = {"Version": VERSION, "Statement": [_ordered(one) for one in statements]}
        size = len(re.sub(r"\s", "", str(document)))  # quotes and commas count as in JSON
        if size > BYTES_MAX:
            self.notes.append(
                f"{size} bytes are more than a managed policy may have ({BYTES_MAX}): split it by target"
            )
        return document

    def _allowed(self) -> Iterator[dict[str, Json]]:
        actions: dict[tuple[str, str], list[str]] = {}
        for condition, resource, action in sorted(self.grants):
            actions.setdefault((condition, resource), []).append(action)
        alike = sorted((condition, tuple(found), resource) for (condition, resource), found in actions.items())
        for (condition, found), group in groupby(alike, key=lambda one: one[:2]):
            statement: dict[str, Json] = {
                "Effect": "Allow",
                "Action": list(found),
                "Resource": [resource for *_, resource in group],
            }
            yield statement | ({"Condition": _conditions(condition)} if condition else {})

    def _denied(self) -> Iterator[dict[str, Json]]:
        yield {"Effect": "Deny", "Action": list(NEVER), "Resource": [ANY]}
        rules = self.settings.guard
        for tag, operator in ((rules.require_tag, "StringNotEquals"), (rules.protect_tag, "StringEquals")):
            if tag is not None:
                condition = {operator: {f"aws:ResourceTag/{tag[0]}": tag[1]}}
                yield {"Effect": "Deny", "Action": list(TAGGED), "Resource": [ANY], "Condition": condition}

    # --- how things are named -----------------------------------------------------------------------------

    def _resources(self, target: Target, on: On, form: str, action: str) -> Iterator[tuple[str, str]]:
        """Yield resource and condition; nothing for a part the target has not."""
        queue = target.queue
        match on:
            case On.SERVICE if target.ecs is not None:
                yield self._ecs(target.ecs.cluster, target.ecs.service, form, action)
            case On.INPUT if queue is not None:
                yield self._queue(queue.url), ""
            case On.INTERRUPTS if queue is not None and queue.interrupts:
                yield self._queue(queue.interrupts), ""
            case On.RESPONSES if queue is not None and queue.responses:
                yield self._queue(queue.responses), ""
            case On.DEAD_LETTER if queue is not None and queue.dead_letter:
                yield self._queue(queue.dead_letter), ""
            case On.DEAD_LETTER if queue is not None:
                self.notes.append(
                    f"targets.{target.name}.queue.dead_letter is not given: name it if the queue has one, or chaosd"
                    " may not look for its messages there"
                )
            case On.DEPLOYMENT if target.deployment is not None:
                bucket = f"arn:{self.partition}:s3:::{target.deployment.bucket}"
                yield (bucket if form == Form.BUCKET else f"{bucket}/{target.deployment.key}"), ""
            case On.LOGS if target.logs is not None:
                yield self._arn("logs", f"log-group:{target.logs.group}:*"), ""
            case _:
                return

    def _ecs(self, cluster: str, service: str, form: str, action: str) -> tuple[str, str]:
        name = cluster.rpartition("/")[2]
        arn = cluster if cluster.startswith("arn:") else self._arn("ecs", f"cluster/{cluster}")
        inside = f"ArnEquals ecs:cluster {arn}"
        tag = self.settings.guard.require_tag
        if action in TAGGED and tag is not None:
            inside += f"\nStringEquals aws:ResourceTag/{tag[0]} {tag[1]}"
        if form == Form.SERVICE:
            return self._arn("ecs", f"service/{name}/{service.rpartition('/')[2]}"), inside
        if form == Form.INSTANCES:
            return self._arn("ecs", f"container-instance/{name}/*"), inside
        return (ANY if form == Form.EVERY else self._arn("ecs", f"task/{name}/*")), inside

    def _queue(self, url: str) -> str:
        parts = urlsplit(url)
        *_, account, name = ["", *parts.path.strip("/").split("/")]
        known = account.isdigit() and len(account) == _ACCOUNT_DIGITS
        region = re.search(r"(?:^|\.)sqs\.([a-z0-9-]+)\.amazonaws\.", f"{parts.hostname}.")
        where = region[1] if region else self.region
        return f"arn:{self.partition}:sqs:{where}:{account if known else self.account}:{name}"

    def _arn(self, service: str, rest: str) -> str:
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{rest}"

    def _one(self, action: str, resource: str) -> None:
        self.grants.add(("", resource, action))

    def _from_arns(self, part: int) -> str | None:
        arns = [n for t in self.settings.targets.values() if t.ecs for n in (t.ecs.cluster, t.ecs.service)]
        return next((arn.split(":")[part] for arn in arns if arn.startswith("arn:")), None)

    def _queues(self) -> Sequence[str]:
        return [t.queue.url for t in self.settings.targets.values() if t.queue]

    def _queue_account(self) -> str | None:
        found = (urlsplit(url).path.strip("/").split("/")[0] for url in self._queues())
        return next((one for one in found if one.isdigit() and len(one) == _ACCOUNT_DIGITS), None)

    def _queue_region(self) -> str | None:
        found = (
            re.match(r"sqs\.([a-z0-9-]+)\.amazonaws\.", urlsplit(url).hostname or "") for url in self._queues()
        )
        return next((one[1] for one in found if one), None)


def _conditions(text: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for line in text.splitlines():
        operator, key, value = line.split(" ", 2)
        found.setdefault(operator, {})[key] = value
    return found


def _ordered(statement: Mapping[str, Json]) -> dict[str, Json]:
    keys: Iterable[str] = ("Sid", "Effect", "Action", "Resource", "Condition")
    return {key: statement[key] for key in keys if key in statement}
