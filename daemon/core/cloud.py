"""What AWS is to us: tasks, queues, objects, logs, as records and as the four protocols the AWS port implements."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One ECS task. ``started_s`` is epoch seconds or None before it runs; ``health`` as ECS spells it.

    ``instance`` is the id of its container instance, empty on Fargate.

    ``revision`` is the task definition's ``family:number``, ``image`` that of its first container; empty where
    ECS does not say. ``tags`` are the task's own: a service's are on its tasks only where it propagates them.
    """

    id: str
    arn: str
    last_status: str
    desired_status: str
    health: str
    started_s: float | None
    stop_code: str | None = None
    stopped_reason: str | None = None
    revision: str = ""
    image: str = ""
    instance: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One deployment of a service. ``status`` is ``PRIMARY``, ``ACTIVE`` or ``INACTIVE``, ``failed`` counts tasks.

    ``rollout`` is ``IN_PROGRESS``, ``COMPLETED`` or ``FAILED``, and ``reason`` what ECS says of it; both are empty
    where ECS does not say.
    """

    id: str
    status: str
    rollout: str
    reason: str
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """An ECS service and its tasks that should run (``desiredStatus`` RUNNING).

    ``strategy`` is ``REPLICA`` or ``DAEMON``, ``controller`` who deploys: ``ECS``, ``CODE_DEPLOY``, ``EXTERNAL``.
    ``least_percent`` is the share of ``desired`` that a deployment keeps running; None where ECS does not say.
    """

    desired: int
    running: int
    pending: int
    tasks: tuple[Task, ...]
    tags: Mapping[str, str]
    deployments: tuple[Deployment, ...] = ()
    strategy: str = "REPLICA"
    controller: str = "ECS"
    least_percent: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """A container instance. ``running`` and ``pending`` count the tasks of everybody on it."""

    id: str
    status: str
    running: int
    pending: int


class Ecs(Protocol):
    """The ECS calls chaosd needs. All raise TargetAbsentError, RefusedError or UnreachableError."""

    def service(self, cluster: str, service: str) -> Service: ...
    def tasks(self, cluster: str, ids: Sequence[str]) -> tuple[Task, ...]:
        """Describe tasks by id, stopped ones included; unknown ids are left out."""
        ...

    def stop_task(self, cluster: str, task: str, reason: str) -> None: ...
    def scale(self, cluster: str, service: str, desired: int) -> None:
        """Set how many tasks the service should run; idempotent."""
        ...

    def redeploy(self, cluster: str, service: str) -> None:
        """Start a new deployment of what is deployed already; a second call starts a second one."""
        ...

    def instances(self, cluster: str, ids: Sequence[str]) -> tuple[Instance, ...]:
        """Describe container instances by id; unknown ids are left out."""
        ...

    def set_instances(self, cluster: str, ids: Sequence[str], status: str) -> None:
        """Set instances to ``DRAINING`` or ``ACTIVE``; idempotent. Raises when one of them was refused."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """A message attribute that is no plain ``String``: ``kind`` as SQS spells it, and text or bytes."""

    kind: str
    text: str = ""
    data: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message to send. ``group`` and ``deduplication`` are for FIFO queues.

    ``attributes`` are those of the type ``String``, ``typed`` the others.
    """

    body: str
    attributes: Mapping[str, str]
    group: str | None = None
    deduplication: str | None = None
    typed: Mapping[str, Typed] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A message received and invisible to others until its timeout ends or it is released.

    ``handle`` is a secret: who has it may delete the message. ``receives`` counts this receive too. ``attributes``
    are those that have a text, ``typed`` those that are no plain ``String``; a number is in both.
    """

    id: str
    handle: str = field(repr=False)
    body: str
    attributes: Mapping[str, str]
    receives: int
    group: str | None = None
    typed: Mapping[str, Typed] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueFacts:
    """Counters are approximate, as SQS counts. ``visibility_s`` is the queue's visibility timeout.

    ``created_s`` (epoch) tells a queue from one made later under the same name.
    """

    visible: int
    in_flight: int
    delayed: int
    fifo: bool
    visibility_s: float
    max_receives: int | None
    dead_letter_url: str | None
    max_message_bytes: int
    created_s: float | None = None


class Sqs(Protocol):
    """The SQS calls chaosd needs. There is no purge, and there never will be."""

    def facts(self, url: str) -> QueueFacts: ...
    def tags(self, url: str) -> Mapping[str, str]: ...
    def send(self, url: str, batch: Sequence[Message]) -> tuple[str | None, ...]:
        """Send at most 10 messages; per message None, or the error code of its entry."""
        ...

    def receive(
        self, url: str, *, most: int = 10, wait_s: float = 0, visibility_s: float = 30, once: bool = False
    ) -> tuple[Received, ...]:
        """Receive with all attributes.

        ``once``: never ask again when no answer came. What an unanswered receive took is hidden for
        ``visibility_s``, and nobody has its handle: asking again would hide more.
        """
        ...

    def delete(self, url: str, handles: Sequence[str]) -> tuple[str | None, ...]: ...
    def release(self, url: str, handles: Sequence[str]) -> None:
        """Make received messages visible again at once."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """An S3 object's head; ``metadata`` keys are lower case without ``x-amz-meta-``."""

    etag: str
    modified_s: float
    size: int
    metadata: Mapping[str, str]


class S3(Protocol):
    """The S3 calls chaosd needs."""

    def head(self, bucket: str, key: str) -> StoredObject | None: ...
    def get(self, bucket: str, key: str) -> bytes | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEvent:
    """One log line. ``id`` is CloudWatch's eventId: the key to drop duplicates by."""

    id: str
    at_s: float
    stream: str
    message: str


class CloudWatchLogs(Protocol):
    """The CloudWatch Logs calls chaosd needs."""

    def events(self, group: str, *, since_s: float, until_s: float, pattern: str = "") -> tuple[LogEvent, ...]:
        """Return the events of the window (epoch seconds), following empty pages to the end, at most 10,000."""
        ...


class Levers(Protocol):
    """What others pull to stop everything. All raise TargetAbsentError, RefusedError or UnreachableError."""

    def alarm(self, name: str) -> tuple[str, str]:
        """Return a CloudWatch alarm's state (``OK``, ``ALARM``, ``INSUFFICIENT_DATA``) and the reason for it."""
        ...

    def parameter(self, name: str) -> str:
        """Return the value of an SSM parameter."""
        ...

    def safety_lever(self, name: str) -> tuple[str, str]:
        """Return an FIS safety lever's state (``disengaged``, ``engaged``, ``engaging``) and the reason for it."""
        ...
