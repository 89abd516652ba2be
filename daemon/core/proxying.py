"""The fault proxy as faults see it: rules put into it, and what each of them did. Pure.

A rule is plain data on disk (``<state directory>/proxy/``), so it outlives chaosd and the proxy, and taking it out
is removing a file. The proxy drops a rule by itself once its time is over, whoever else is dead.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Protocol

from daemon.core.model import Json

AWS = "aws"
SERVICES: Mapping[str, str] = {
    "sqs": "SQS",
    "s3": "S3",
    "ecs": "ECS",
    "logs": "CloudWatch Logs",
    "sts": "STS",
    "dynamodb": "DynamoDB",
    "states": "Step Functions",
}
"""What the AWS lane forwards, by the name that signatures bear. Anything else is refused: fail closed."""
ENDPOINTS: Mapping[str, str] = {
    service: f"AWS_ENDPOINT_URL_{word}"
    for service, word in {
        **{service: service.upper() for service in SERVICES},
        "logs": "CLOUDWATCH_LOGS",
        "states": "SFN",
    }.items()
}
"""The variable by which the SDKs are told where a service is."""

CUT_BEFORE, CUT_AFTER, SLOW, HANG, REFUSE = "cut-before", "cut-after", "slow", "hang", "refuse"
"""The effects of a rule in a relay's lane; docs/transport-faults.md says what each does."""

LATE = frozenset({"truncate", "lost-reply", "duplicate-delivery", CUT_BEFORE, CUT_AFTER})
"""Effects that strike some time after it is decided whom they hit: when AWS has answered, when the pack comes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Which calls a rule is for; empty: all. ``operations`` and ``resource`` are patterns as in shells.

    A resource is a queue's name, ``bucket/key``, a cluster, a log group, a table or a state machine; empty where
    the call names none.
    """

    service: str = ""
    operations: tuple[str, ...] = ()
    resource: str = ""

    def fits(self, service: str, operation: str, resource: str) -> bool:
        """Tell whether a call is one of those."""
        return (
            self.service in ("", service)
            and (not self.operations or any(fnmatchcase(operation, one) for one in self.operations))
            and (not self.resource or fnmatchcase(resource, self.resource))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One disturbance in force, that of one injection.

    ``lane`` is ``aws`` or the name of a relay, ``effect`` and ``parameters`` what is done there. ``percent`` of the
    logical calls (of connections, in a relay) are hit, by dice of ``seed``; all the tries an SDK makes for one call
    are one call, hit or spared together. With ``each_try`` each try is a call of its own, in all that is counted.
    ``most`` calls are hit at most; 0: no limit. A proxy that was started anew counts anew.
    After ``until_s`` (epoch seconds) the proxy drops the rule by itself.
    """

    injection: str
    fault: str
    lane: str
    effect: str
    seed: int
    until_s: float
    match: Match = field(default_factory=Match)
    parameters: Mapping[str, Json] = field(default_factory=dict)
    percent: float = 100.0
    each_try: bool = False
    most: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    """What one rule did so far: calls that matched, those hit, and the tries (requests, connections) of these.

    ``ways``: how often a relay decided in which way that it was time to cut (``daemon.proxy.cuts``).
    """

    matched: int = 0
    calls: int = 0
    tries: int = 0
    ways: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyFacts:
    """A running proxy: its lanes by name, with the address each listens on; its rules with what they did so far.

    ``began_s`` (epoch) is when it was started: what a rule did before that is not counted.
    """

    pid: int
    lanes: Mapping[str, str]
    rules: Mapping[str, Hits]
    began_s: float = 0.0


class FaultProxy(Protocol):
    """The proxy of this state directory."""

    def facts(self) -> ProxyFacts:
        """Ask the proxy. Raises TargetAbsentError when none runs, UnreachableError when it does not answer."""
        ...

    def rule(self, injection: str) -> Rule | None:
        """Return the rule on disk, whether or not a proxy runs."""
        ...

    def put(self, rule: Rule) -> None:
        """Put a rule into force: durable on disk, then taken up by the proxy, at most a second later. Idempotent.

        Raises TargetAbsentError when no proxy runs, UnreachableError when it does not take the rule up; the file
        may be there then, and ``drop`` removes it.
        """
        ...

    def drop(self, injection: str) -> Hits | None:
        """Take a rule out of force and return what it did; None when no running proxy knows. Idempotent.

        Returns when neither the disk nor a running proxy has it; raises UnreachableError when one does not let go.
        """
        ...
