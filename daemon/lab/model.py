"""The lab in words: where everything is, what runs, and what goes wrong when it cannot be started or stopped."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from daemon.lab.detour import STRAIGHT, Detour
from daemon.lab.errors import LabError
from daemon.lab.worker.defects import Defect

REGION = "us-west-2"
CLUSTER = "edit-cluster"
SERVICE = "edit-service"
INPUT_QUEUE = "edit-input"
RESPONSES_QUEUE = "edit-responses"
DEAD_LETTER_QUEUE = "edit-dead-letter"
INTERRUPT_QUEUE = "edit-interrupts"
BUCKET = "edit-site"
KEY = "index.html"
LOG_GROUP = "/ecs/edit"
TAG_KEY, TAG_VALUE = "chaosd:allow", "true"
BRANCH_TEMPLATE = "thread-{chatThreadId}"
VISIBILITY_S = 10
BUILD_S = 0.1  # of pretended work per message
RESTART_AFTER_S = 1.0  # until an emulator that died is started again
RECEIVES_MAX = 3  # deliveries before a message goes to the dead-letter queue

# The emulator takes any; these stand only in the environment of the lab's own processes.
CREDENTIALS: Mapping[str, str] = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What kind of lab: how many tasks, which planted defect of the worker, how long it pretends to work a message.

    Raises LabError for what no lab can be.
    """

    tasks: int = 2
    defect: str | None = None
    build_s: float = BUILD_S
    detour: Detour = STRAIGHT

    def __post_init__(self) -> None:
        if self.tasks < 1:
            raise LabError(f"The lab was not started: {self.tasks} tasks. Ask for 1 or more.")
        if self.defect is not None and self.defect not in set(Defect):
            known = ", ".join(Defect)
            raise LabError(f"The lab was not started: there is no defect {self.defect!r}. Choose from: {known}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class LabInfo:
    """Where the parts of a running lab are."""

    directory: Path
    tasks: int
    defect: str | None
    build_s: float
    endpoint_url: str
    region: str
    cluster: str
    service: str
    input_queue_url: str
    responses_queue_url: str
    dead_letter_queue_url: str
    interrupt_queue_url: str
    bucket: str
    key: str
    log_group: str
    remote: Path
    clones: Path
    detour: Detour = STRAIGHT
    remote_port: int = 0  # of the lab's own git server, which the relay leads to

    @property
    def kind(self) -> Kind:
        """What was asked for when it was started."""
        return Kind(tasks=self.tasks, defect=self.defect, build_s=self.build_s, detour=self.detour)

    @property
    def remote_of_worker(self) -> str:
        """The remote as the workers know it: a path, or a URL through the relay."""
        return f"git://{self.detour.relay}/{self.remote.name}" if self.detour.relay else str(self.remote)

    @property
    def worker_match(self) -> str:
        """The part of the workers' command line that tells this lab's workers from any other process."""
        return f"daemon.lab.worker --lab {self.directory}"

    def seen_by_worker(self, queue_url: str) -> str:
        """Return a queue's URL as the workers know it: the proxy's, when they are behind one."""
        proxy = self.detour.behind
        return queue_url.replace(self.endpoint_url, proxy.rstrip("/"), 1) if proxy else queue_url

    def config_yaml(self) -> str:
        """Render a ``chaosd.yaml`` whose target ``editor`` is this lab."""
        quoted = {name: json.dumps(value) for name, value in self.to_json().items() if isinstance(value, str)}
        text = CONFIG.format(
            **quoted,
            routes=self.detour.routes,
            worktree=json.dumps(str(self.clones / "*")),
            branch=json.dumps(BRANCH_TEMPLATE),
            match=json.dumps(self.worker_match),
            tag_key=json.dumps(TAG_KEY),
            tag_value=json.dumps(TAG_VALUE),
        )
        return text + self.detour.section(self.remote_port)

    def to_json(self) -> dict[str, Any]:
        """Return plain data, paths as strings."""
        return {k: str(v) if isinstance(v, Path) else v for k, v in asdict(self).items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "LabInfo":
        """Read what ``to_json`` wrote. Raises TypeError or KeyError for anything else."""
        paths = {name: Path(data[name]) for name in ("directory", "remote", "clones")}
        return cls(**(dict(data) | paths | {"detour": Detour(**data["detour"])}))


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskProcess:
    """The process of one ECS task; ``started_at_s`` is seconds since the epoch."""

    task_arn: str
    pid: int
    started_at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LabStatus:
    """What runs. ``info`` is None while the lab is starting, or when its supervisor died before it was ready."""

    running: bool
    supervisor_pid: int | None
    info: LabInfo | None
    tasks: tuple[TaskProcess, ...]


CONFIG = """\
# The embedded lab: an AWS emulator on loopback, real worker processes, a bare git remote.
# Credentials for it: AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
version: 1
aws: {{region: {region}, endpoint_url: {endpoint_url}}}
targets:
  editor:
    ecs: {{cluster: {cluster}, service: {service}}}
    queue:
      url: {input_queue_url}
      responses: {responses_queue_url}
      dead_letter: {dead_letter_queue_url}
      interrupts: {interrupt_queue_url}
      format: standard
    repository:
      worktree: {worktree}
      remote: {remote}
      branch: {branch}
      mainline: main
    deployment: {{bucket: {bucket}, key: {key}}}
    logs: {{group: {log_group}}}
    processes: {{match: {match}}}{routes}
    limits: {{message: 30s, branch_switch: 5s, recover: 60s}}
probes:
  - {{name: tasks, probe: ecs-service, target: editor, every: 5s}}
  - {{name: backlog, probe: sqs-backlog, target: editor, every: 5s, expect: "visible <= 100"}}
  - {{name: repository, probe: git-health, target: editor, every: 5s}}
  - {{name: site, probe: s3-freshness, target: editor, every: 10s}}
steady_state: {{editor: [tasks, backlog, repository]}}
guard:
  max_active: 1
  min_healthy_tasks: 1
  require_tag: {{key: {tag_key}, value: {tag_value}}}
  allow: {{repositories: [{worktree}], queues: ["*:edit-*"]}}
"""
