"""Numbers and spans of the report's document in words, the same in every format meant for people."""

from collections.abc import Mapping, Sequence
from typing import Any

CHANGES = {
    "slower": "recovery got slower",
    "faster": "recovery got faster",
    "no-difference-shown": "no difference shown",
    "too-few": "too few runs",
}
UNKNOWN = "unknown"
DEVIATED = ("not-recovered", "violated", "undo-failed")


def seconds(value_s: float | None) -> str:
    """Return ``0.25 s``, ``1.2 s``, ``120 s``, or ``unknown``."""
    return UNKNOWN if value_s is None else f"{_number(value_s)} s"


def span(bracket: Sequence[float] | None) -> str:
    """Return ``1.20-1.45 s`` for a bracket, ``-`` for none."""
    return "-" if bracket is None else f"{bracket[0]:.2f}-{bracket[1]:.2f} s"


def quantile(found: Mapping[str, Any]) -> str:
    """Return a quantile with its confidence interval (95 %), or why there is none."""
    if found["known"] == "too-few":
        return f"too few: needs {found['runs_needed']} runs"
    low, high = found["confidence"]
    interval = f"CI {_end(low)} to {_end(high)} s"
    if found["known"] == "beyond":
        return f"beyond {seconds(found['beyond'])}, {interval}"
    return f"{span(found['seconds'])}, {interval}"


def recovery(experiment: Mapping[str, Any]) -> str:
    """Return when it was well again, or how long it was followed in vain."""
    found = experiment["recovery"]
    followed = experiment["followed_for"]
    if followed is not None:
        return f"> {_number(followed)} s (censored)"
    if found["after"]:
        return span(found["after"])
    return "-"


def undo(experiment: Mapping[str, Any]) -> str:
    """Return whether the fault was taken back."""
    found, state = experiment["undo"], experiment["injection"]["state"]
    if found["superseded"]:
        return "superseded"
    if found["proved"]:
        return "proved"
    if state == "settled":
        return f"FAILED, settled by {found['settled']['by']}"
    return "FAILED" if state == "revert-failed" else "pending" if state in {"planned", "injected"} else "-"


def difference(found: Mapping[str, Any]) -> str:
    """Return the effect of a comparison in words: mean seconds more or less, with the confidence interval."""
    if found["difference"] is None:
        return UNKNOWN
    low, high = found["confidence"]
    return (
        f"{found['difference']:+.2f} s on average, CI {low:+.2f} to {high:+.2f} s,"
        f" within the first {_number(found['within'])} s"
    )


def p_value(found: Mapping[str, Any]) -> str:
    """Return the p-value, and the largest that the brackets allow where that is another one."""
    if found["p_value"] is None:
        return UNKNOWN
    return f"p = {found['p_value']:.2g}, at worst {found['p_worst']:.2g}"


def clock(stamp: str) -> str:
    """Return an RFC 3339 UTC time to the second, for people."""
    return f"{stamp[:10]} {stamp[11:19]}"


def kind(experiment: Mapping[str, Any]) -> str:
    """Return fault and mode as one word."""
    head = experiment["injection"]
    return f"{head['fault']}/{head['mode']}" if head["mode"] else str(head["fault"])


def verdict(experiment: Mapping[str, Any]) -> str:
    """Return the verdict; an experiment under way or interrupted has none."""
    return str(experiment["verdict"] or "none yet")


def untested(row: Mapping[str, Any]) -> str:
    """Return what of a fault was not tested."""
    return "never injected" if row["wholly"] else f"not in mode {', '.join(row['modes'])}"


def outcome(document: Mapping[str, Any]) -> str:
    """Return the whole report in four words or so."""
    summary = document["summary"]
    if summary["injections"] == summary["verdicts"]["refused"]:
        return "Nothing was tested, so nothing is known"
    if summary["held"]:
        return "Everything held or recovered"
    deviated = any(summary["verdicts"][v] for v in DEVIATED)
    return "Not everything held" if deviated else "Not everything is known"


def counts(document: Mapping[str, Any]) -> str:
    """Return how many injections ended how."""
    summary = document["summary"]
    told = [f"{n} {name}" for name, n in summary["verdicts"].items() if n]
    unjudged = [f"{summary['unjudged']} without a verdict"] if summary["unjudged"] else []
    return ", ".join([*told, *unjudged]) or "no injections"


def _end(value_s: float | None) -> str:
    return "?" if value_s is None else f"{value_s:.2f}"


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
