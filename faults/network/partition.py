"""Cut the worker off from named hosts."""

from dataclasses import dataclass
from typing import ClassVar

from daemon.core.calls import Call
from daemon.core.errors import RefusedError
from daemon.core.model import Mode, Order, Resource, Undo
from daemon.core.parameters import parameter
from daemon.core.seams import World
from faults.network import striking
from faults.network.agency import Step
from faults.network.hosting import Strike
from faults.network.places import Networks, split
from faults.network.ruleset import IN, OUT, Cut, dropped
from faults.network.striking import Wire, host_only

BOTH = "both"
DIRECTIONS = {BOTH: (OUT, IN), "outbound": (OUT,), "inbound": (IN,)}
MODES = (
    Mode(BOTH, "neither side hears the other"),
    Mode("outbound", "what the worker sends does not arrive; it still hears them"),
    Mode("inbound", "what they send does not arrive; they still hear the worker"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkPartition(Wire):
    """Cuts off from ``hosts``, whatever the protocol; established connections hang as well. On a host only."""

    name: ClassVar[str] = "network-partition"
    summary: ClassVar[str] = "Cuts the worker off from named hosts, in both directions or in one"
    modes: ClassVar[tuple[Mode, ...]] = MODES
    touches: ClassVar[Resource] = striking.TOUCHES
    calls: ClassVar[tuple[Call, ...]] = striking.CALLS

    mode: str = parameter(BOTH, "which direction is cut", choices=tuple(m.name for m in MODES))

    def prepare(self, order: Order, world: World) -> Undo:
        """Look only; raises TargetAbsentError or RefusedError, the latter also when no host is named."""
        if order.target.network is not None and not split(self.hosts):
            raise RefusedError(
                f"no packet was touched: from whom is {order.target.name} to be cut off?",
                rule="target-absent",
                hint="set hosts=10.0.7.0/24,git.example.com",
            )
        return striking.prepare(self, self, order, world)

    def host(self, hosts: Networks) -> Strike:
        return Strike(cut=Cut(directions=DIRECTIONS[self.mode], hosts=hosts), action=dropped())

    def agent(self, hosts: Networks, safe: tuple[str, ...]) -> tuple[Step, ...]:
        raise host_only(
            f"cut off from {', '.join(hosts.all)}, sparing {len(safe)} networks; what is sent to them is cut by "
            "network-packet-loss with percent=100 and these hosts"
        )

    def said(self) -> str:
        return f"let every packet from or to {', '.join(split(self.hosts))} vanish ({self.mode})"
