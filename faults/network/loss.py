"""Lose a share of the packets."""

from dataclasses import dataclass
from typing import ClassVar

from daemon.core.calls import Call
from daemon.core.model import Mode, Order, Resource, Undo
from daemon.core.parameters import parameter
from daemon.core.seams import World
from daemon.core.wire import LOSS
from faults.network import striking
from faults.network.agency import Step
from faults.network.hosting import Strike, require_user
from faults.network.latency import shaped
from faults.network.places import Networks
from faults.network.ruleset import IN, OUT, Cut, lost
from faults.network.striking import Wire, agent_only, host_only

NFTABLES, NETEM, AUTO = "nftables", "netem", "auto"
MODES = (Mode("random", "each packet is lost or not by a throw of its own"),)
DIRECTIONS = {OUT: (OUT,), IN: (IN,), "both": (OUT, IN)}


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkPacketLoss(Wire):
    """Loses a share of the packets, to and from everybody or ``hosts``."""

    name: ClassVar[str] = "network-packet-loss"
    summary: ClassVar[str] = "Loses a share of the worker's packets"
    modes: ClassVar[tuple[Mode, ...]] = MODES
    touches: ClassVar[Resource] = striking.TOUCHES
    calls: ClassVar[tuple[Call, ...]] = striking.CALLS

    mode: str = parameter("random", "how", choices=tuple(m.name for m in MODES))
    percent: int = parameter(10, "share of the packets (percent)", least=1, most=100)
    direction: str = parameter(
        AUTO,
        "packets that leave, that arrive (host only), or both (host only); auto: all that the way can lose",
        choices=(AUTO, *DIRECTIONS),
    )
    by: str = parameter(NFTABLES, "host: which part of the kernel loses them", choices=(NFTABLES, NETEM))
    flows: int = parameter(100, "agent: share of the connections that lose packets (percent)", least=1, most=100)
    user: str = parameter("", "host, egress: only packets of this user's processes (a name or a number)")

    def __post_init__(self) -> None:
        Wire.__post_init__(self)
        require_user(self.user, self._directions)
        if self.by == NETEM and self.direction not in (AUTO, OUT):
            raise ValueError("by: netem sees only packets that leave: set direction=egress, or by=nftables")

    def prepare(self, order: Order, world: World) -> Undo:
        """Look only; raises TargetAbsentError or RefusedError where the way is not there."""
        return striking.prepare(self, self, order, world)

    def host(self, hosts: Networks) -> Strike:
        if self.flows != 100:  # noqa: PLR2004  percent
            raise agent_only("lose packets of a share of the connections")
        cut = Cut(directions=self._directions, hosts=hosts, user=self.user)
        if self.by == NETEM:
            return Strike(cut=cut, netem=("loss", f"{self.percent}%"))
        return Strike(cut=cut, action=lost(self.percent))

    def agent(self, hosts: Networks, safe: tuple[str, ...]) -> tuple[Step, ...]:
        if self.direction not in (AUTO, OUT):
            raise host_only("lose packets that arrive")
        if self.user:
            raise host_only("tell one user's packets from another's")
        return (Step(LOSS, {"LossPercent": self.percent, **shaped(hosts, safe, self.flows)}),)

    def said(self) -> str:
        return f"lose {self.percent} % of the packets"

    @property
    def _directions(self) -> tuple[str, ...]:
        """Return the host's: a packet that netem or a user's rule sees is one that leaves."""
        if self.direction == AUTO:
            return (OUT,) if self.by == NETEM or self.user else (OUT, IN)
        return DIRECTIONS[self.direction]
