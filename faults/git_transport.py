"""Disturb the worker's connections to its git remote, in the relay they go through."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from daemon.core.calls import NONE, Call
from daemon.core.errors import TargetAbsentError
from daemon.core.model import Mode, Order, Resource, Reversion, Undo
from daemon.core.parameters import parameter
from daemon.core.proxying import CUT_AFTER, CUT_BEFORE, HANG, REFUSE, SLOW, Hits, Rule
from daemon.core.seams import Flag, World
from faults.proxied import MARGIN_S, PUT_S, put, record, reversion, take_out

MODES = (
    Mode(CUT_BEFORE, "cut a push in the middle of its pack: the remote has moved no ref"),
    Mode(CUT_AFTER, "cut a push when the remote has moved its refs: the client never hears of it"),
    Mode(SLOW, "let bytes pass slowly: a rate, and a delay of every answer"),
    Mode(HANG, "let no byte pass: connections stay open and silent until the fault ends"),
    Mode(REFUSE, "reset new connections, on request those that are open as well"),
)
_ALL = 100.0
_OF_EACH: Mapping[str, tuple[str, ...]] = {
    CUT_BEFORE: ("after_bytes", "greeting", "burst"),
    CUT_AFTER: ("quiet", "greeting", "burst"),
    SLOW: ("rate", "delay", "direction"),
    HANG: (),
    REFUSE: ("open",),
}
_NAMES = {"delay": "delay_s", "quiet": "quiet_s"}  # of a parameter in the rule, where it says its unit


@dataclass(frozen=True, slots=True, kw_only=True)
class GitTransport:
    """Puts one rule into a relay of the fault proxy, which drops it by itself if nobody does.

    Over git:// and http:// the cuts hit pushes alone. What is encrypted cannot be read: there a connection is taken
    for a push by how much its client says at once, and the proof tells that it was decided so.
    """

    name: ClassVar[str] = "git-transport"
    summary: ClassVar[str] = "Cuts, slows, hangs or refuses the worker's connections to its git remote"
    modes: ClassVar[tuple[Mode, ...]] = MODES
    touches: ClassVar[Resource] = Resource.NETWORK
    needs: ClassVar[tuple[str, ...]] = ("proxy.git",)
    calls: ClassVar[tuple[Call, ...]] = NONE

    mode: str = parameter(CUT_AFTER, "what becomes of them", choices=tuple(m.name for m in MODES))
    percent: float = parameter(100.0, "share of the pushes; slow, hang, refuse: of connections", least=0, most=100)
    most: int = parameter(0, "hit so many at most; 0: no limit", least=0)
    after_bytes: int = parameter(64, "cut-before: bytes of the pack that the remote gets", least=0, most=1 << 30)
    rate: float = parameter(65536.0, "slow: bytes per second; 0: as fast as they come", unit="1/s", least=0)
    delay: float = parameter(0.5, "slow: delay of what is said when the other side has spoken", unit="s")
    direction: str = parameter("both", "slow: which way", choices=("both", "to-remote", "from-remote"))
    open: str = parameter("keep", "refuse: connections that are open already", choices=("keep", "reset"))
    quiet: float = parameter(1.0, "cut-after, encrypted: silence after which the remote has answered", unit="s")
    greeting: int = parameter(0, "cuts, encrypted: the client's turns before git; 0: the protocol's usual", least=0)
    burst: int = parameter(0, "cuts, encrypted: bytes at once that make a push; 0: the protocol's usual", least=0)

    def __post_init__(self) -> None:
        if self.mode == SLOW and not (self.rate or self.delay):
            raise ValueError("rate and delay are both 0: nothing would be slow")

    def prepare(self, order: Order, world: World) -> Undo:
        """Find the relay; raises TargetAbsentError where the target has none, or no proxy runs."""
        relay = order.target.proxy.git if order.target.proxy else None
        if not relay:
            raise TargetAbsentError(
                f"nothing disturbed: target {order.target.name} does not say which relay its git remote is behind",
                hint="add proxy.relays, and proxy: {git: NAME} to the target; see docs/transport-faults.md",
            )
        facts = world.proxy.facts()
        lanes = facts.lanes
        if relay not in lanes:
            raise TargetAbsentError(
                f"nothing disturbed: the proxy has no relay {relay}, which target {order.target.name} names",
                hint=f"it has {', '.join(sorted(lanes)) or 'none'}; start it again with the configuration of today",
            )
        rule = self._rule(order, relay, world.clock.instant().wall_s)
        return Undo(
            fault=self.name,
            mode=self.mode,
            victim={"relay": relay, "listens": lanes[relay]},
            actions=(self._action(relay, lanes[relay]),),
            data=record(rule, facts),
            takes_s=PUT_S,
        )

    @classmethod
    def inject(cls, undo: Undo, world: World, stop: Flag) -> None:
        """Put the rule into force; it is when this returns."""
        put(undo, world, stop)

    @classmethod
    def revert(cls, undo: Undo, world: World) -> Reversion:
        """Take the rule out of force, and tell what it did; raises UndoFailedError when the proxy keeps it."""
        return reversion(take_out(undo, world), _told)

    def _rule(self, order: Order, relay: str, now_s: float) -> Rule:
        return Rule(
            injection=order.injection,
            fault=self.name,
            lane=relay,
            effect=self.mode,
            seed=order.dice.getrandbits(32),
            until_s=now_s + order.lasts_s + MARGIN_S,
            parameters={_NAMES.get(name, name): getattr(self, name) for name in _OF_EACH[self.mode]},
            percent=self.percent,
            most=self.most,
        )

    def _action(self, relay: str, address: str) -> str:
        share = "" if self.percent == _ALL else f" {self.percent:g} % of"
        said = {
            CUT_BEFORE: f"cut{share} pushes through it after {self.after_bytes} bytes of the pack",
            CUT_AFTER: f"cut{share} pushes through it when the remote has moved its refs",
            SLOW: f"slow down{share} connections through it: {self.rate:g} bytes/s, {self.delay:g} s an answer",
            HANG: f"hold up every byte of{share} connections through it",
            REFUSE: f"reset{share} new connections to it" + (" and those open" if self.open == "reset" else ""),
        }
        limit = f", {self.most} at most" if self.most else ""
        return f"put a rule into the relay {relay} ({address}) to {said[self.mode]}{limit}"


_CUT = {
    "pack": "in the middle of the pack",
    "commands": "before a deletion was told",
    "report": "on the remote's own word",
    "burst": "encrypted, taken for pushes by the client's bytes at once",
    "quiet": "encrypted, taken for pushes by bytes and silence",
}


def _told(rule: Rule, hits: Hits) -> str:
    what = "pushes cut" if rule.effect in (CUT_BEFORE, CUT_AFTER) else "connections hit"
    ways = "; ".join(f"{count} {_CUT.get(way, way)}" for way, count in sorted(hits.ways.items()))
    return f"{hits.calls} of {hits.matched} {what}" + (f": {ways}" if ways else "")
