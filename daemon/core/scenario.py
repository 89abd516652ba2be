"""Scenarios: named workloads. What is sent, and when, is a pure function of seed and parameters."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from daemon.core import messages
from daemon.core.cloud import Message
from daemon.core.ledger import Effect, Kind, Sent
from daemon.core.model import EMPTY, Instant
from daemon.core.parameters import parameter
from daemon.core.target import Queue, Repository

OWN, COMMON = "own", "common"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """What can be set on every scenario; each has defaults of its own for some of them."""

    messages: int = parameter(3, "how many messages", least=1, most=100_000)
    gap: float = parameter(1.0, "from one message to the next", unit="s")
    users: int = parameter(1, "how many users", least=1, most=10_000)
    sessions: int = parameter(
        1, "how many sessions, each with a thread and branch of its own", least=1, most=10_000
    )
    overlap: str = parameter(OWN, "one file for each session, or one common file", choices=(OWN, COMMON))
    size: int = parameter(0, "characters of an instruction; 0: as short as it is", least=0, most=900_000)
    instruction: str = parameter("Add this line to the file of this session.", "what the messages ask for")
    settle: float = parameter(0.0, "how long nothing may happen before the end; 0: limits.message", unit="s")
    calm: float = parameter(1.0, "how long nothing may change once everything has arrived", unit="s")
    most: float = parameter(600.0, "the longest wait after the last message was sent", unit="s")
    limits: bool = parameter(True, "whether the time of a message is judged")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One message to send, ``at_s`` seconds after the beginning. ``copy_of`` repeats an earlier sequence number."""

    at_s: float
    session: int = 1
    user: int = 1
    kind: Kind = Kind.NORMAL
    effect: Effect = Effect.ONCE
    text: str = ""
    raw: str | None = None
    copy_of: int | None = None


Plan = Callable[[Parameters, Random], Sequence[Step]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A named workload. ``expects`` are sentences for people; ``defaults`` are its own parameters."""

    name: str
    summary: str
    expects: tuple[str, ...]
    plan: Plan
    defaults: Mapping[str, object] = field(default_factory=dict)

    def parameters(self, given: Mapping[str, object] = EMPTY) -> Mapping[str, object]:
        """Return the raw parameters in force, to be built into ``Parameters``."""
        return {**self.defaults, **given}


# --- from steps to messages ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One message ready to be sent. ``urgent``: to the queue for interrupts, where the target has one."""

    at_s: float
    message: Message
    sent: Sent
    urgent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """What messages need besides their steps. ``at`` is when the run began."""

    run: str
    scenario: str
    queue: Queue
    repository: Repository
    at: Instant
    fifo: bool = False


def mails(steps: Sequence[Step], given: Parameters, post: Post) -> tuple[Mail, ...]:
    """Return the messages in the order in which they are sent; raises ValueError for a format that makes none."""
    ordered = sorted(enumerate(steps), key=lambda pair: pair[1].at_s)
    return tuple(_mail(number, step, steps, given, post) for number, step in ordered)


def _mail(number: int, step: Step, steps: Sequence[Step], given: Parameters, post: Post) -> Mail:
    sequence = number if step.copy_of is None else step.copy_of
    first = steps[sequence]
    order = messages.command(
        post.run,
        sequence,
        timestamp_ms=round((post.at.wall_s + first.at_s) * 1000),
        instruction=first.text.ljust(given.size, "."),
        session=first.session,
        user=first.user,
    )
    if given.overlap == COMMON:
        order = replace(order, session=order.session.rpartition("-")[0] + "-1")
    made = messages.message(order, post.run, form=post.queue.format, fifo=post.fifo, copy=int(number != sequence))
    token = messages.token(post.run, sequence)
    if step.raw is not None:
        named = {"{session}": order.session, "{command}": order.command, "{token}": token}
        made = replace(made, body=_filled(step.raw, named))
    sent = Sent(
        token=token,
        sequence=sequence,
        scenario=post.scenario,
        session=order.session,
        thread=order.thread,
        command=order.command,
        # What an ill-formed name leads to is the worker's affair; only a good one says where it belongs.
        branch=None if step.kind is Kind.MALFORMED else messages.branch(post.repository.branch, made.body),
        kind=step.kind,
        effect=step.effect,
        at=post.at,
    )
    return Mail(at_s=step.at_s, message=made, sent=sent, urgent=step.kind is Kind.INTERRUPT)


def _filled(raw: str, named: Mapping[str, str]) -> str:
    for placeholder, value in named.items():
        raw = raw.replace(placeholder, value)
    return raw
