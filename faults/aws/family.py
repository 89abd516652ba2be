"""What the faults of AWS calls have in common: one rule of the fault proxy, put into force and taken out again."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import ClassVar

from daemon.core.calls import NONE, Call
from daemon.core.errors import TargetAbsentError
from daemon.core.model import Json, Order, Resource, Reversion, Undo
from daemon.core.parameters import parameter
from daemon.core.proxying import AWS, SERVICES, Match, ProxyFacts, Rule
from daemon.core.seams import Flag, World
from faults.aws.telling import done, whom
from faults.proxied import MARGIN_S, PUT_S, clock, put, record, reversion, take_out


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsFault:
    """A fault names its effect and the operations it can strike; the rest of the rule are its parameters.

    All the tries an SDK makes for one call are hit or spared together, unless ``each_try``.
    """

    name: ClassVar[str]
    effect: ClassVar[str]
    strikes: ClassVar[Mapping[str, tuple[str, ...]]] = {}  # by service, where not every operation can be struck
    touches: ClassVar[Resource] = Resource.AWS_API
    calls: ClassVar[tuple[Call, ...]] = NONE

    mode: str
    service: str = parameter("", "whose calls; empty: every service's", choices=("", *SERVICES))
    operation: tuple[str, ...] = parameter((), "which operations, by names or patterns (Send*); none: all")
    resource: str = parameter("", "queue, bucket/key, cluster, log group, table; a pattern; empty: all")
    percent: float = parameter(100.0, "share of the calls that is hit (percent)", least=0.01, most=100)
    most: int = parameter(0, "hit so many calls and no more; 0: no limit", least=0)
    each_try: bool = parameter(False, "throw the dice for every try of an SDK, not once for the call")

    def __post_init__(self) -> None:
        self.check()

    def check(self) -> None:
        """Raise ValueError for parameters that do not fit together."""
        self.operations()

    def operations(self) -> tuple[str, ...]:
        """Return the operations of the rule: those asked for, of those that can be struck. Raises ValueError."""
        wanted = tuple(word.strip() for one in self.operation for word in one.split(",") if word.strip())
        can = self.strikes.get(self.service, ())
        if not can or not wanted:
            return can or wanted
        struck = tuple(one for one in can if any(fnmatchcase(one, pattern) for pattern in wanted))
        if not struck:
            raise ValueError(f"operation: {', '.join(wanted)} is none that {self.name} strikes: {', '.join(can)}")
        return struck

    def parameters(self) -> Mapping[str, Json]:
        """Return what the effect needs beside its name."""
        return {}

    def does(self) -> str:
        """Say what becomes of a call that is hit: the end of a sentence that begins with the call."""
        raise NotImplementedError

    def prepare(self, order: Order, world: World) -> Undo:
        """Look for the proxy; raises TargetAbsentError when the target has no way through one, or none runs."""
        facts = _proxy(order, world)
        address = facts.lanes[AWS]
        until_s = world.clock.instant().wall_s + order.lasts_s + MARGIN_S
        rule = Rule(
            injection=order.injection,
            fault=self.name,
            lane=AWS,
            effect=self.effect,
            seed=order.dice.getrandbits(32),
            until_s=until_s,
            match=Match(service=self.service, operations=self.operations(), resource=self.resource),
            parameters=self.parameters(),
            percent=self.percent,
            each_try=self.each_try,
            most=self.most,
        )
        return Undo(
            fault=self.name,
            mode=self.mode,
            victim={"proxy": address, **asdict(rule.match)},
            actions=self._actions(rule, address),
            data=record(rule, facts),
            takes_s=PUT_S,
        )

    @classmethod
    def inject(cls, undo: Undo, world: World, stop: Flag) -> None:
        put(undo, world, stop)

    @classmethod
    def revert(cls, undo: Undo, world: World) -> Reversion:
        """Take the rule out; raises UndoFailedError when the proxy does not let go of it."""
        return reversion(take_out(undo, world), done)

    def _actions(self, rule: Rule, address: str) -> tuple[str, ...]:
        share = "every one" if self.percent >= 100 else f"{self.percent:g} % (seed {rule.seed})"  # noqa: PLR2004
        unit = "tries" if self.each_try else "calls, with all their tries"
        most = f", at most {self.most} of them" if self.most else ""
        return (
            f"have the fault proxy at {address} look out for {whom(rule.match)}",
            f"{self.does()}: {share} of these {unit}{most}",
            f"take the rule out afterwards; the proxy itself drops it at {clock(rule.until_s)}",
        )


def _proxy(order: Order, world: World) -> ProxyFacts:
    """Return what the proxy that the target's AWS calls go through says of itself. Raises TargetAbsentError."""
    target = order.target
    if target.proxy is None or not target.proxy.aws:
        raise TargetAbsentError(
            f"no call was disturbed: the AWS calls of target {target.name} do not go through the fault proxy",
            hint="point the worker's AWS_ENDPOINT_URL_SQS (and others) at the proxy, and say so in the target: "
            "proxy: {aws: true}",
        )
    facts = world.proxy.facts()
    if AWS not in facts.lanes:
        raise TargetAbsentError(
            f"no call was disturbed: the fault proxy of target {target.name} forwards no AWS calls",
            hint="see `proxy:` in chaosd.yaml and docs/proxy.md",
        )
    return facts
