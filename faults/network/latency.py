"""Delay packets that leave."""

from dataclasses import dataclass
from typing import ClassVar

from daemon.core.calls import Call
from daemon.core.model import Mode, Order, Resource, Undo
from daemon.core.parameters import parameter
from daemon.core.seams import World
from daemon.core.wire import LATENCY
from faults.network import striking
from faults.network.agency import Step
from faults.network.hosting import Strike
from faults.network.places import Networks
from faults.network.ruleset import Cut
from faults.network.striking import Wire, agent_only

EVERYBODY = ("0.0.0.0/0",)
DELAY_MOST_S = 60.0  # beyond it every timeout there is has come: cut the port instead
MODES = (Mode("delay", "every packet that leaves is late, by the delay and up to as much jitter more or less"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkLatency(Wire):
    """Delays what the worker sends, to everybody or to ``hosts``. A round trip becomes longer by one delay.

    With jitter packets overtake one another, on both ways.
    """

    name: ClassVar[str] = "network-latency"
    summary: ClassVar[str] = "Delays the packets that the worker sends"
    modes: ClassVar[tuple[Mode, ...]] = MODES
    touches: ClassVar[Resource] = striking.TOUCHES
    calls: ClassVar[tuple[Call, ...]] = striking.CALLS

    mode: str = parameter("delay", "how", choices=tuple(m.name for m in MODES))
    delay: float = parameter(0.2, "how late", unit="s", least=0, most=DELAY_MOST_S)
    jitter: float = parameter(0.0, "how much more or less, at random", unit="s", least=0, most=DELAY_MOST_S)
    flows: int = parameter(100, "agent: share of the connections (percent)", least=1, most=100)

    def __post_init__(self) -> None:
        Wire.__post_init__(self)
        if not (_milliseconds(self.delay) or _milliseconds(self.jitter)):
            raise ValueError("delay and jitter are both 0 ms: nothing would be late")

    def prepare(self, order: Order, world: World) -> Undo:
        """Look only; raises TargetAbsentError or RefusedError without the way or the kernel's netem."""
        return striking.prepare(self, self, order, world)

    def host(self, hosts: Networks) -> Strike:
        if self.flows != 100:  # noqa: PLR2004  percent
            raise agent_only("delay a share of the connections")
        jitter = (f"{_milliseconds(self.jitter)}ms",) if _milliseconds(self.jitter) else ()
        return Strike(cut=Cut(hosts=hosts), netem=("delay", f"{_milliseconds(self.delay)}ms", *jitter))

    def agent(self, hosts: Networks, safe: tuple[str, ...]) -> tuple[Step, ...]:
        body = {
            "DelayMilliseconds": _milliseconds(self.delay),
            "JitterMilliseconds": _milliseconds(self.jitter),
            **shaped(hosts, safe, self.flows),
        }
        return (Step(LATENCY, body),)

    def said(self) -> str:
        jitter = f" ± {_milliseconds(self.jitter)} ms" if _milliseconds(self.jitter) else ""
        return f"delay packets that leave by {_milliseconds(self.delay)} ms{jitter}"


def shaped(hosts: Networks, safe: tuple[str, ...], flows: int) -> dict[str, object]:
    """Return what latency and loss have in common in the agent's words; its `Sources` are destinations."""
    return {"Sources": list(hosts.all or EVERYBODY), "SourcesToFilter": list(safe), "FlowsPercent": flows}


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
