"""The wire as faults see it: the faults of the ECS agent, and what of the traffic is chaosd's own. Pure.

The agent knows neither owners nor deadlines: whatever of a kind runs is "the" fault of that kind, until somebody
stops it. So its faults are stopped by the kind and body of the undo record, and by nothing else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from daemon.core.model import Json

BLACKHOLE, LATENCY, LOSS = "network-blackhole-port", "network-latency", "network-packet-loss"
SHAPING = (LATENCY, LOSS)
"""The kinds that share the root queue of the task's interfaces: one of them at a time."""
ONCE_S = 5.0
"""The agent answers one call of a kind and a verb in this time."""
CALL_S = 12.0
"""It gives itself 5 s for a call's commands; who hangs up sooner never learns how it went."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentTask:
    """The task whose agent is asked. ``enabled`` is ``enableFaultInjection``, None where the agent does not say.

    ``network`` is the task's network mode (``awsvpc``, ``host``); empty when unknown.
    """

    id: str
    enabled: bool | None = None
    network: str = ""


class Agent(Protocol):
    """The fault endpoints of the ECS agent. Each call waits, at most a few seconds, until the agent takes it."""

    @property
    def here(self) -> bool:
        """Tell whether there is an agent to ask: chaosd runs in an ECS task."""
        ...

    def task(self) -> AgentTask:
        """Return the task that is hit. Raises TargetAbsentError outside ECS, or UnreachableError."""
        ...

    def running(self, kind: str, body: Mapping[str, Json]) -> bool:
        """Ask whether such a fault runs. Raises RefusedError when the task allows none, or UnreachableError."""
        ...

    def start(self, kind: str, body: Mapping[str, Json]) -> None:
        """Start it; a start that fails or hangs is asked after. Idempotent for a blackhole.

        Raises RefusedError (rule ``overlap``) when one of those that exclude each other runs, BrokenStartError when
        the start failed and nothing runs, UnreachableError when that is not known.
        """
        ...

    def stop(self, kind: str, body: Mapping[str, Json]) -> None:
        """Stop it; the agent says the same whether or not one ran. Raises UnreachableError. Idempotent."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """What of the traffic is chaosd's own: the hosts of its AWS endpoint, the TCP ports at which it is asked."""

    hosts: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()


class Names(Protocol):
    """Host names and this process's own places on the network. Only looks."""

    def addresses(self, host: str) -> tuple[str, ...]:
        """Return the addresses of a name, sorted; an address is its own. Raises UnreachableError for none."""
        ...

    def own(self) -> Own:
        """Return what is chaosd's own; loopback is left out."""
        ...
