"""Where chaosd itself runs, when that is an ECS task: read from the task metadata endpoint's answers. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from daemon.core.model import Json

_ARN_PARTS = 6  # arn:PARTITION:ecs:REGION:ACCOUNT:task/CLUSTER/ID
_SERVICE = "service:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sibling:
    """Another container of the same task. ``log_group`` is None where it does not log to CloudWatch."""

    name: str
    image: str
    log_group: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnTask:
    """The task chaosd runs in. ``service`` is None for a task of its own; ``launch``: ``EC2``, ``FARGATE``, ...

    ``faults`` is ``enableFaultInjection``, None where the agent does not say; ``network`` the network's mode.
    """

    arn: str
    id: str
    cluster: str
    region: str
    account: str
    family: str
    revision: str
    container: str
    service: str | None
    launch: str
    siblings: tuple[Sibling, ...] = ()
    faults: bool | None = None
    network: str = ""


def own_task(task: Mapping[str, Json], container: Mapping[str, Json]) -> OwnTask:
    """Return the task from the answers of ``/task`` and of the endpoint itself; raises ValueError for others.

    The cluster is a short name on EC2 and an ARN on Fargate; the service may stand only in the group; only NORMAL
    containers are somebody's, the others are the agent's own.
    """
    arn = _text(task, "TaskARN")
    parts = arn.split(":", _ARN_PARTS - 1)
    if len(parts) != _ARN_PARTS or not parts[-1].startswith("task/"):
        raise ValueError(f"TaskARN is no task's ARN: {arn[:100]!r}")
    group = str(task.get("Group") or "")
    service = task.get("ServiceName") or (group.removeprefix(_SERVICE) if group.startswith(_SERVICE) else None)
    own = _text(container, "Name")
    others = task.get("Containers")
    return OwnTask(
        arn=arn,
        id=arn.rpartition("/")[2],
        cluster=_text(task, "Cluster").rpartition("/")[2],
        region=parts[3],
        account=parts[4],
        family=str(task.get("Family") or ""),
        revision=str(task.get("Revision") or ""),
        container=own,
        service=str(service) if service else None,
        launch=str(task.get("LaunchType") or ""),
        siblings=tuple(
            _sibling(one)
            for one in (others if isinstance(others, list) else [])
            if isinstance(one, Mapping) and one.get("Type") == "NORMAL" and one.get("Name") != own
        ),
        faults=faults if isinstance(faults := task.get("FaultInjectionEnabled"), bool) else None,
        network=_network(container),
    )


def _sibling(one: Mapping[str, Json]) -> Sibling:
    options = one.get("LogOptions")
    group = options.get("awslogs-group") if isinstance(options, Mapping) else None
    return Sibling(name=_text(one, "Name"), image=str(one.get("Image") or ""), log_group=group)


def _network(container: Mapping[str, Json]) -> str:
    networks = container.get("Networks")
    first = networks[0] if isinstance(networks, list) and networks else None
    return str(first.get("NetworkMode") or "") if isinstance(first, Mapping) else ""


def _text(found: Mapping[str, Json], key: str) -> str:
    value = found.get(key)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{key} is missing")
    return value
