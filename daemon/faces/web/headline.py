"""The status page in one sentence: all that is known to be wrong, and quiet only where there is evidence for it."""

from collections.abc import Mapping, Sequence
from typing import Any

from daemon.core.events import Injection, State
from daemon.core.model import Status

LISTED_MAX = 3
_TONES = ("good", "calm", "warn", "bad")
Row = Mapping[str, Any]


def headline(
    halted: str | None,
    active: Sequence[Injection],
    looks: Sequence[Row],
    runs: Sequence[Row],
    targets: Sequence[str],
) -> tuple[str, str]:
    """Return the sentence and its tone, the worst of what it says.

    ``looks`` and ``runs`` are the rows of the page. A look that is old, or was never made, is unknown; so is a
    target without a steady state. A probe that fails where a fault is active is what the fault is for.
    """
    said = [(sentence, tone) for sentence, tone in _said(active, looks, runs, targets) if sentence]
    if halted is not None:
        rest = "; ".join(sentence for sentence, _ in said)
        said = [
            (f"halted; {rest}" if rest else "halted: nothing begins until somebody resumes", _worst(said, "warn"))
        ]
    if not said:
        return "Quiet: no fault is active and every target is steady", "good"
    text = "; ".join(sentence for sentence, _ in said)
    return text[0].upper() + text[1:], _worst(said, "calm")


def _said(
    active: Sequence[Injection], looks: Sequence[Row], runs: Sequence[Row], targets: Sequence[str]
) -> Sequence[tuple[str, str]]:
    hit = {i.plan.target for i in active if i.outstanding}
    steady = [look for look in looks if look["steady"]]
    idle = [look for look in steady if look["target"] not in hit]
    stuck = [_name(i) for i in active if i.state is State.REVERT_FAILED]
    harming = [_name(i) for i in active if i.outstanding and i.state is not State.REVERT_FAILED]
    failing = [look["probe"] for look in idle if look["status"] == Status.FAILING and not look["old"]]
    unknown = [look["probe"] for look in idle if look["old"] or look["status"] not in (Status.OK, Status.FAILING)]
    unwatched = sorted(set(targets) - {look["target"] for look in steady}) or ([] if steady else ["anything"])
    told = (
        (stuck, "an undo has failed: {0}", "bad"),
        ([_run(r) for r in runs if r["state"] == "sweep-failed"], "messages may be left in a queue: {0}", "bad"),
        (harming, "active: {0}", "calm"),
        (failing, "failing without a fault: {0}", "bad"),
        ([_name(i) for i in active if _waits(i)], "waiting for its event: {0}", "calm"),
        ([_name(i) for i in active if not i.outstanding and not _waits(i)], "under way: {0}", "calm"),
        ([_run(r) for r in runs if r["state"] == "open"], "a scenario is played: {0}", "calm"),
        (unknown, "unknown: {0}", "warn"),
        (unwatched, "no steady state tells of {0}", "warn"),
    )
    said = [(sentence.format(_listed(found)), tone) for found, sentence, tone in told if found]
    return [("no fault is active", "good"), *said] if said and not hit else said


def _worst(said: Sequence[tuple[str, str]], least: str) -> str:
    return max((least, *(tone for _, tone in said)), key=_TONES.index)


def _waits(injection: Injection) -> bool:
    return injection.armed is not None and injection.fired is None and not injection.outstanding


def _name(injection: Injection) -> str:
    return f"{injection.plan.fault} on {injection.plan.target}"


def _run(run: Row) -> str:
    return f"{run['scenario']} on {run['target']}"


def _listed(found: Sequence[str]) -> str:
    return ", ".join(found[:LISTED_MAX]) + (
        f" and {len(found) - LISTED_MAX} more" if len(found) > LISTED_MAX else ""
    )
