"""What a target is: the parts of one worker system, as the configuration names them. Plain frozen data."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class EcsService:
    """An ECS service and the cluster it runs in, by name or ARN."""

    cluster: str
    service: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """The worker's input queue; the others are optional. ``format`` is ``standard`` or a JSON template."""

    url: str
    responses: str | None = None
    dead_letter: str | None = None
    interrupts: str | None = None
    format: str = "standard"


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """The worker's clones (paths or glob patterns), their remote (name, path or URL) and branch template."""

    worktree: tuple[str, ...]
    remote: str = "origin"
    branch: str = "thread-{chatThreadId}"
    mainline: str = "main"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """The object that shows what is deployed."""

    bucket: str
    key: str = "index.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class Logs:
    """A CloudWatch Logs group."""

    group: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Processes:
    """How to find the worker's processes: part of the command line, a pid file, or a listening TCP port."""

    match: str | None = None
    pid_file: str | None = None
    port: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """How the worker's packets are reached: by the ECS agent of the task chaosd is in, or by the host's own tools.

    ``through`` is ``agent``, ``host``, or ``auto``: the agent where there is one. ``device`` (None: that of the
    default route) and ``namespace`` (a name of ``ip netns``; None: chaosd's own) are for the host's tools.
    """

    through: str = "auto"
    device: str | None = None
    namespace: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """The file system the worker works on, by a directory of it that chaosd may fill."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Routes:
    """What of the worker's traffic goes through the fault proxy: AWS calls; its git remote, by a relay's name."""

    aws: bool = False
    git: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The target's own objectives, in seconds."""

    message_s: float = 30.0
    branch_switch_s: float = 5.0
    recover_s: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One worker system, as named in the configuration."""

    name: str
    ecs: EcsService | None = None
    queue: Queue | None = None
    repository: Repository | None = None
    deployment: Deployment | None = None
    logs: Logs | None = None
    processes: Processes | None = None
    network: Network | None = None
    disk: Disk | None = None
    proxy: Routes | None = None
    limits: Limits = field(default_factory=Limits)
