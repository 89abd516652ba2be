"""Cut one port: packets to it vanish, or are refused."""

from dataclasses import dataclass
from typing import ClassVar

from daemon.core.calls import Call
from daemon.core.errors import RefusedError
from daemon.core.model import Mode, Order, Resource, Undo
from daemon.core.parameters import parameter
from daemon.core.seams import World
from daemon.core.wire import BLACKHOLE
from faults.network import striking
from faults.network.agency import Step
from faults.network.hosting import Strike, require_user
from faults.network.places import LOOPBACK4, Networks
from faults.network.ruleset import DROP, IN, OUT, REJECT, Cut, dropped
from faults.network.striking import Wire, host_only

MODES = (
    Mode(DROP, "packets vanish: whoever calls hangs until its own timeout"),
    Mode(REJECT, "connections are refused at once (host only)"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkBlackhole(Wire):
    """Cuts a port of others (egress) or of the worker's own (ingress), towards everybody or towards ``hosts``."""

    name: ClassVar[str] = "network-blackhole"
    summary: ClassVar[str] = "Cuts a port: packets to it vanish, or are refused"
    modes: ClassVar[tuple[Mode, ...]] = MODES
    touches: ClassVar[Resource] = striking.TOUCHES
    calls: ClassVar[tuple[Call, ...]] = striking.CALLS

    mode: str = parameter(DROP, "what becomes of the packets", choices=tuple(m.name for m in MODES))
    port: int = parameter(443, "the port that packets go to", least=1, most=65535)
    protocol: str = parameter("tcp", "the protocol", choices=("tcp", "udp"))
    direction: str = parameter(OUT, "packets that leave for others' port, or come to ours", choices=(OUT, IN))
    user: str = parameter("", "host, egress: only packets of this user's processes (a name or a number)")

    def __post_init__(self) -> None:
        Wire.__post_init__(self)
        require_user(self.user, (self.direction,))

    def prepare(self, order: Order, world: World) -> Undo:
        """Look only; raises TargetAbsentError or RefusedError where the way is not there."""
        if self.direction == IN and self.port in world.names.own().ports:
            raise RefusedError(
                f"no packet was touched: port {self.port} is chaosd's own, at which it is stopped",
                rule="own-process",
                hint="name the worker's port",
            )
        return striking.prepare(self, self, order, world)

    def host(self, hosts: Networks) -> Strike:
        cut = Cut(
            directions=(self.direction,), protocols=(self.protocol,), port=self.port, hosts=hosts, user=self.user
        )
        return Strike(cut=cut, action=dropped() if self.mode == DROP else REJECT)

    def agent(self, hosts: Networks, safe: tuple[str, ...]) -> tuple[Step, ...]:
        refuse_selection(hosts, self.user)
        if self.mode == REJECT:
            raise host_only("refuse a connection, only let its packets vanish")
        return (blackhole(self.port, self.protocol, self.direction, safe),)

    def said(self) -> str:
        what = "let packets vanish" if self.mode == DROP else "refuse packets"
        return f"{what} to {self.protocol.upper()} port {self.port} ({self.direction})"


def blackhole(port: int, protocol: str, direction: str, safe: tuple[str, ...]) -> Step:
    """Return the step that cuts one port of a task. Its filter looks at where packets go, in both directions."""
    return Step(
        BLACKHOLE,
        {"Port": port, "Protocol": protocol, "TrafficType": direction, "SourcesToFilter": [*safe, LOOPBACK4]},
    )


def refuse_selection(hosts: Networks, user: str) -> None:
    """Raise RefusedError for a port that is to be cut towards some only."""
    if hosts.all:
        raise host_only("cut a port towards some hosts only, just towards everybody but `exempt`")
    if user:
        raise host_only("tell one user's packets from another's")
