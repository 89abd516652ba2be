"""Scenarios: named workloads. What is sent, and when, is a pure function of seed and parameters."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from daemon.core import messages
from daemon.core.cloud import Message
from daemon.core.ledger import Effect, Kind, Sent
from daemon.core.model import EMPTY, Instant, Queue, Repository
from daemon.core.parameters import parameter

OWN, COMMON = "own", "common"
UNICODE = (
    "Grüße, 日本語, العربية, emoji \N{FAMILY} and a combining e\u0301",
    "$(touch /tmp/pwned); `id`; rm -rf / && echo \"quoted\" 'single' | tee > out",
    "--option -n ..\\..\\up ../../up %s %n {0} {{x}} <b>&amp;</b>",
    "zero\u200bwidth, right-to-left \u202eoverride\u202c, non-breaking\u00a0space",
)


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


# --- plans -----------------------------------------------------------------------------------------------


def in_turn(given: Parameters, _: Random) -> tuple[Step, ...]:
    """Take the sessions in turn, and the users."""
    return tuple(
        Step(at_s=n * given.gap, session=n % given.sessions + 1, user=n % given.users + 1, text=given.instruction)
        for n in range(given.messages)
    )


def interrupted(given: Parameters, dice: Random) -> tuple[Step, ...]:
    """Send every second message as an interruption by another session."""
    return tuple(
        replace(step, kind=Kind.INTERRUPT) if number % 2 else step
        for number, step in enumerate(in_turn(given, dice))
    )


def at_random(given: Parameters, dice: Random) -> tuple[Step, ...]:
    """Let users send when they like: exponential gaps, a session chosen at random."""
    at_s, steps = 0.0, []
    for step in in_turn(given, dice):
        steps.append(replace(step, at_s=at_s))
        at_s += dice.expovariate(1 / given.gap) if given.gap else 0.0
    return tuple(steps)


def twice(given: Parameters, dice: Random) -> tuple[Step, ...]:
    """Deliver every message a second time, one gap later."""
    steps: list[Step] = []
    for step in in_turn(given, dice):
        first, at_s = len(steps), 2 * step.at_s
        steps.append(replace(step, at_s=at_s))
        steps.append(replace(step, at_s=at_s + given.gap, kind=Kind.DUPLICATE, copy_of=first))
    return tuple(steps)


def texts(given: Parameters, dice: Random) -> tuple[Step, ...]:
    """Send texts that break careless programs; all are ordinary instructions."""
    return tuple(
        replace(step, text=UNICODE[number % len(UNICODE)]) for number, step in enumerate(in_turn(given, dice))
    )


def poisoned(given: Parameters, dice: Random) -> tuple[Step, ...]:
    """Put what cannot be handled between messages that can."""
    good = in_turn(given, dice)
    bad = [Step(at_s=0.0, kind=Kind.MALFORMED, effect=e, raw=raw) for raw, e in POISON]
    bad.append(Step(at_s=0.0, kind=Kind.OVERSIZE, effect=Effect.ANY, text="x" * 200_000))
    first, *rest = good
    last_s = first.at_s + (len(bad) + 1) * given.gap
    timed = [replace(step, at_s=first.at_s + (n + 1) * given.gap) for n, step in enumerate(bad)]
    return (first, *timed, *(replace(step, at_s=last_s + n * given.gap) for n, step in enumerate(rest)))


#: Bodies with placeholders of the message; what a worker may make of those that are objects is its own affair.
POISON: tuple[tuple[str, Effect], ...] = (
    ('{{"sessionId": "{session}", "instruction": "[{token}] cut off', Effect.NONE),
    ("[{token}] no JSON at all", Effect.NONE),
    ("null", Effect.NONE),
    ('["{command}", "[{token}] a list"]', Effect.NONE),
    ('{{"commandId": "{command}", "instruction": "[{token}] no session, no thread"}}', Effect.ANY),
    (
        '{{"sessionId": "{session}", "commandId": "{command}", "chatThreadId": null, "instruction": "[{token}] null"}}',
        Effect.ANY,
    ),
    (
        '{{"sessionId": "../../{session}", "commandId": "{command}", "chatThreadId": "../../etc", '
        '"instruction": "[{token}] a path for a name"}}',
        Effect.ANY,
    ),
    (
        '{{"sessionId": 7, "commandId": "{command}", "chatThreadId": {{}}, "instruction": ["[{token}] wrong types"]}}',
        Effect.ANY,
    ),
)

ONCE = "every message has its effect exactly once, on the branch of its own thread"
CLEAN = "everything is pushed and deployed, the queue is empty, the clones are sound"

SCENARIOS: Mapping[str, Scenario] = {
    s.name: s
    for s in (
        Scenario(
            name="basic", summary="one session, commands one after the other", expects=(ONCE, CLEAN), plan=in_turn
        ),
        Scenario(
            name="switching",
            summary="two sessions, A B A",
            expects=(ONCE, "no work of one session is on the other's branch", CLEAN),
            plan=in_turn,
            defaults={"sessions": 2, "users": 2},
        ),
        Scenario(
            name="interrupt",
            summary="another session interrupts while the first is being worked on",
            expects=(ONCE, "the interrupted command is finished, not lost and not mixed in", CLEAN),
            plan=interrupted,
            defaults={"messages": 2, "sessions": 2, "users": 2, "gap": 2.0},
        ),
        Scenario(
            name="rapid-switching",
            summary="two sessions in fast alternation",
            expects=(ONCE, "no work of one session is on the other's branch", CLEAN),
            plan=in_turn,
            defaults={"messages": 8, "sessions": 2, "users": 2, "gap": 0.2},
        ),
        Scenario(
            name="concurrent-users",
            summary="several users at the same time, at random",
            expects=(ONCE, CLEAN),
            plan=at_random,
            defaults={"messages": 9, "sessions": 3, "users": 3, "gap": 0.2},
        ),
        Scenario(
            name="large-file",
            summary="instructions as large as files",
            expects=(ONCE, CLEAN),
            plan=in_turn,
            defaults={"messages": 2, "size": 12_000},
        ),
        Scenario(
            name="long-running",
            summary="work that takes longer than the visibility timeout",
            expects=(ONCE, "a delivery during the work does not lead to a second effect"),
            plan=in_turn,
            defaults={
                "messages": 2,
                "limits": False,
                "instruction": "Take your time: this needs longer than the visibility timeout. Then add this line.",
            },
        ),
        Scenario(
            name="rate-limited",
            summary="messages at a steady rate, two a second",
            expects=(ONCE, CLEAN),
            plan=in_turn,
            defaults={"messages": 10, "gap": 0.5, "sessions": 2},
        ),
        Scenario(
            name="duplicate-delivery",
            summary="every message is delivered twice",
            expects=("a message that comes twice has its effect once", CLEAN),
            plan=twice,
            defaults={"messages": 2, "gap": 1.5},
        ),
        Scenario(
            name="poison",
            summary="messages that cannot be handled between messages that can",
            expects=(
                "the good messages are handled all the same",
                "the bad ones have no effect, and end in the dead-letter queue or are refused",
            ),
            plan=poisoned,
            defaults={"messages": 3, "gap": 0.3},
        ),
        Scenario(
            name="unicode",
            summary="texts of many scripts, and shell metacharacters as text",
            expects=(ONCE, "texts are texts: nothing in them is carried out", CLEAN),
            plan=texts,
            defaults={"messages": 4, "sessions": 2},
        ),
        Scenario(
            name="sustained",
            summary="a rate for a time: one message a second for half a minute",
            expects=(ONCE, CLEAN),
            plan=in_turn,
            defaults={"messages": 30, "sessions": 3, "users": 3},
        ),
        Scenario(
            name="soak",
            summary="half an hour of users at random",
            expects=(ONCE, CLEAN),
            plan=at_random,
            defaults={"messages": 900, "gap": 2.0, "sessions": 5, "users": 5},
        ),
    )
}


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
        named = {"session": order.session, "command": order.command, "token": token}
        made = replace(made, body=step.raw.format(**named))
    sent = Sent(
        token=token,
        sequence=sequence,
        scenario=post.scenario,
        session=order.session,
        thread=order.thread,
        command=order.command,
        branch=messages.branch(post.repository.branch, made.body),
        kind=step.kind,
        effect=step.effect,
        at=post.at,
    )
    return Mail(at_s=step.at_s, message=made, sent=sent, urgent=step.kind is Kind.INTERRUPT)
