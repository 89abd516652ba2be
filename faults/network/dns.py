"""Cut off from name servers: no name is resolved."""

from dataclasses import dataclass, replace
from typing import ClassVar

from daemon.core.calls import Call
from daemon.core.model import Mode, Order, Resource, Undo
from daemon.core.parameters import parameter
from daemon.core.seams import World
from faults.network import striking
from faults.network.agency import Step
from faults.network.blackhole import blackhole, refuse_selection
from faults.network.hosting import Strike, require_user
from faults.network.places import Networks
from faults.network.ruleset import DROP, IN, OUT, REJECT, Cut, dropped
from faults.network.striking import Wire, host_only

PORT = 53
REFUSE = "refuse"
MODES = (
    Mode(DROP, "no answer comes: a look-up hangs until the resolver gives up (agent: its questions do not leave)"),
    Mode(REFUSE, "questions are refused at once (host only)"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkDns(Wire):
    """Cuts port 53, UDP and TCP, towards every name server or towards ``hosts``.

    What is cached is still found, by a resolver on loopback too: only the questions that leave are cut.
    """

    name: ClassVar[str] = "network-dns"
    summary: ClassVar[str] = "Cuts the worker off from its name servers"
    modes: ClassVar[tuple[Mode, ...]] = MODES
    touches: ClassVar[Resource] = striking.TOUCHES
    calls: ClassVar[tuple[Call, ...]] = striking.CALLS

    mode: str = parameter(DROP, "what becomes of questions", choices=tuple(m.name for m in MODES))
    user: str = parameter("", "host, refuse: only packets of this user's processes (a name or a number)")

    def __post_init__(self) -> None:
        Wire.__post_init__(self)
        require_user(self.user, (OUT,))
        if self.user and self.mode == DROP:
            raise ValueError("user: the answers, which are dropped, are nobody's yet: set mode=refuse")

    def prepare(self, order: Order, world: World) -> Undo:
        """Look only; raises TargetAbsentError or RefusedError where the way is not there."""
        return striking.prepare(self, self, order, world)

    def host(self, hosts: Networks) -> Strike:
        cut = Cut(protocols=("tcp", "udp"), port=PORT, hosts=hosts, user=self.user)
        if self.mode == REFUSE:
            return Strike(cut=cut, action=REJECT)
        # Of a datagram that is dropped on its way out the kernel tells its sender at once: no resolver would hang.
        return Strike(cut=replace(cut, directions=(IN,), answers=True), action=dropped())

    def agent(self, hosts: Networks, safe: tuple[str, ...]) -> tuple[Step, ...]:
        refuse_selection(hosts, self.user)
        if self.mode == REFUSE:
            raise host_only("refuse a question, only let it vanish")
        return tuple(blackhole(PORT, protocol, OUT, safe) for protocol in ("udp", "tcp"))

    def said(self) -> str:
        return "cut questions to name servers off" if self.mode == DROP else "refuse questions to name servers"
