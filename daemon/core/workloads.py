"""The scenarios that there are, in one table, and the plans behind them."""

from collections.abc import Mapping
from dataclasses import replace
from random import Random

from daemon.core.errors import UsageError
from daemon.core.ledger import Effect, Kind
from daemon.core.parameters import build, nearest
from daemon.core.scenario import Parameters, Scenario, Step

UNICODE = (
    "Grüße, 日本語, العربية, emoji \N{FAMILY} and a combining e\u0301",
    "$(exit 3); `false`; false && echo \"quoted\" 'single' | tee /dev/null",
    "--option -n ..\\..\\up ../../up %s %n {0} {{x}} <b>&amp;</b>",
    "zero\u200bwidth, right-to-left \u202eoverride\u202c, non-breaking\u00a0space",
)


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


def repeated(given: Parameters, dice: Random) -> tuple[Step, ...]:
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


_NAMED = '"commandId": "{command}"'
#: Bodies that no worker can handle. What one makes of those that are objects is its own affair.
POISON: tuple[tuple[str, Effect], ...] = (
    ('{"sessionId": "{session}", "instruction": "[{token}] cut off', Effect.NONE),
    ("[{token}] no JSON at all", Effect.NONE),
    ("null", Effect.NONE),
    ('["{command}", "[{token}] a list"]', Effect.NONE),
    (f'{{{_NAMED}, "instruction": "[{{token}}] no session, no thread"}}', Effect.ANY),
    (f'{{{_NAMED}, "sessionId": "x", "chatThreadId": null, "instruction": "[{{token}}]"}}', Effect.ANY),
    (f'{{{_NAMED}, "sessionId": "../../x", "chatThreadId": "../../x", "instruction": "[{{token}}]"}}', Effect.ANY),
    (f'{{{_NAMED}, "sessionId": 7, "chatThreadId": {{}}, "instruction": ["[{{token}}]"]}}', Effect.ANY),
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
            plan=repeated,
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


def chosen(name: str, given: Mapping[str, object]) -> tuple[Scenario, Parameters]:
    """Return a scenario and its parameters in force.

    Raises UsageError for a name that is none, ConfigError for parameters that do not fit.
    """
    if name not in SCENARIOS:
        raise UsageError(
            f"nothing was sent: unknown scenario {name!r}{nearest(name, dict(SCENARIOS))}",
            hint="see `chaosd scenario list`",
        )
    scenario = SCENARIOS[name]
    return scenario, build(Parameters, scenario.parameters(given), where=f"scenario {name}")
