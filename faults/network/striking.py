"""What all faults of the network have in common: the way that is taken, who is spared, and the three verbs."""

from dataclasses import dataclass
from typing import ClassVar, Protocol

from daemon.core.calls import NONE, Call
from daemon.core.errors import RefusedError, TargetAbsentError
from daemon.core.model import Json, Order, Resource, Reversion, Undo
from daemon.core.parameters import parameter
from daemon.core.seams import Flag, World
from daemon.core.target import Network
from faults.network import agency, hosting
from faults.network.agency import Step
from faults.network.hosting import Strike
from faults.network.places import Networks, checked, require_victims, resolved, spared, split

TOUCHES = Resource.NETWORK
CALLS: tuple[Call, ...] = NONE  # neither the agent nor the host asks AWS
TAKES_S = 5.0


class Blow(Protocol):
    """One fault as each way carries it out; raises RefusedError for a way on which it cannot be had."""

    name: ClassVar[str]

    @property
    def mode(self) -> str: ...
    def host(self, hosts: Networks) -> Strike: ...
    def agent(self, hosts: Networks, safe: tuple[str, ...]) -> tuple[Step, ...]: ...
    def said(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """The parameters of every fault of the network, and its verbs."""

    hosts: tuple[str, ...] = parameter(
        (), "whom alone it hits: addresses, networks or names, with commas; default: everybody"
    )
    exempt: tuple[str, ...] = parameter((), "whom it never hits: addresses, networks or names, with commas")
    spare_aws: bool = parameter(True, "never hit chaosd's own AWS endpoint (aws.endpoint_url)")

    def __post_init__(self) -> None:
        checked("hosts", self.hosts)
        checked("exempt", self.exempt)

    @classmethod
    def inject(cls, undo: Undo, world: World, stop: Flag) -> None:
        if stop.is_set():
            return
        if undo.data["way"] == agency.WAY:
            agency.inject(undo, world, stop)
        else:
            hosting.inject(undo, world, stop)

    @classmethod
    def revert(cls, undo: Undo, world: World) -> Reversion:
        if undo.data["way"] == agency.WAY:
            return agency.revert(undo, world)
        return hosting.revert(undo, world)


def prepare(blow: Blow, wire: Wire, order: Order, world: World) -> Undo:
    """Choose the way, find out whom it hits and whom it spares, and write down all of it. Looks only."""
    where = order.target.network
    if where is None:
        raise TargetAbsentError(
            f"no packet was touched: target {order.target.name} does not say how its network is reached",
            hint="add network: {} to the target; docs/network-faults.md says what each way needs",
        )
    through_agent = where.through == agency.WAY or (where.through == "auto" and world.agent.here)
    hosts = resolved(wire.hosts, world)
    # In a namespace of its own the worker's packets are not chaosd's.
    apart = where.namespace is not None and not through_agent
    safe = spared(wire.exempt, world, own=wire.spare_aws and not apart)
    require_victims(hosts, safe, order.target.name)
    if through_agent:
        data = agency.prepared(blow.agent(hosts, safe.all), world)
        takes_s, actions = agency.seconds(data), agency.actions(data, blow.said())
    else:
        data = hosting.prepared(blow.host(hosts), where, order, world, safe)
        takes_s, actions = TAKES_S, hosting.actions(data, blow.said())
    return Undo(
        fault=blow.name,
        mode=blow.mode,
        victim=_victim(data, where, wire),
        actions=(*actions, f"spare {', '.join(safe.all)} and loopback"),
        data=data,
        takes_s=takes_s,
        wait_s=takes_s,
    )


def host_only(what: str) -> RefusedError:
    """Return the refusal of what the agent cannot do."""
    return RefusedError(
        f"no network fault was started: the ECS agent cannot {what}",
        rule="unsupported",
        hint="on a host: network: {through: host}; in a task leave it out",
    )


def agent_only(what: str) -> RefusedError:
    """Return the refusal of what the host's tools cannot do."""
    return RefusedError(
        f"no packet was touched: only the ECS agent can {what}",
        rule="unsupported",
        hint="in a task: network: {through: agent}; on a host leave it out",
    )


def _victim(data: Json, where: Network, wire: Wire) -> dict[str, Json]:
    place = (
        {"task": data["task"]}
        if data["way"] == agency.WAY
        else {"namespace": where.namespace or "own", "table": data["table"]}
    )
    return {"through": data["way"], **place, "hosts": list(split(wire.hosts)) or ["everybody"]}
