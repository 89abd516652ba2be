"""Numbers and spans of the report's document in words, the same in every format meant for people."""

from collections.abc import Mapping, Sequence
from typing import Any

from daemon.core.parameters import LISTED_MAX

CHANGES = {
    "slower": "recovery got slower",
    "faster": "recovery got faster",
    "no-difference-shown": "no difference shown",
    "too-few": "too few runs",
}
UNKNOWN = "unknown"
ENDINGS = {
    "passed": "passed",
    "violated": "violated",
    "unknown": "unknown",
    "stopped": "stopped",
    "none yet": "not ended",
}
STATES = {
    "through": "through",
    "broken": "in the evidence",
    "unseen": "not seen at its last stage",
    "refused": "refused by the queue",
    "second": "second delivery",
    "not due": "no effect due",
}
DEVIATED = ("not-recovered", "violated", "undo-failed")
NOT_RUN = ("refused", "not-triggered")


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
    if found["doubt"]:
        return f"not proved, {found['doubt']}"
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
    """Return what of a fault was not tested; of many modes, how many."""
    if row["wholly"]:
        return "never injected"
    return f"not in {len(row['modes'])} modes" if many(row) else f"not in mode {', '.join(row['modes'])}"


def many(row: Mapping[str, Any]) -> bool:
    """Tell whether more modes are missing than one reads in a line."""
    return len(row["modes"]) > LISTED_MAX


def outcome(document: Mapping[str, Any]) -> str:
    """Return the whole report in four words or so."""
    summary = document["summary"]
    if (
        summary["injections"] == sum(summary["verdicts"][v] for v in NOT_RUN)
        and not summary["runs"]["purposes"]["alone"]
    ):
        return "Nothing was tested, so nothing is known"
    if summary["held"]:
        return "Everything held or recovered"
    deviated = summary["runs"]["alone_violated"] or any(summary["verdicts"][v] for v in DEVIATED)
    return "Not everything held" if deviated else "Not everything is known"


def counts(document: Mapping[str, Any]) -> str:
    """Return how many injections and scenario runs ended how."""
    summary = document["summary"]
    told = [f"{n} {name}" for name, n in summary["verdicts"].items() if n]
    unjudged = [f"{summary['unjudged']} without a verdict"] if summary["unjudged"] else []
    injections = ", ".join([*told, *unjudged]) or "no injections"
    return f"{injections}; scenario runs: {endings(summary['runs'])}" if summary["runs"]["total"] else injections


def endings(runs: Mapping[str, Any]) -> str:
    """Return how many scenario runs ended how."""
    return ", ".join(f"{n} {ENDINGS[name]}" for name, n in runs["endings"].items() if n)


def beside(run: Mapping[str, Any]) -> str:
    """Return what a scenario run accompanied."""
    return str(run["fault"] or run["purpose"])


def slowest(run: Mapping[str, Any]) -> str:
    """Return a run's slowest message, and how many were not seen to their end."""
    messages = run["waterfall"]["messages"] if run["waterfall"] else ()
    times = [m["took"] for m in messages if m["took"] is not None]
    unseen = sum(1 for m in messages if m["state"] in {"unseen", "broken"} and m["took"] is None)
    return took(max(times, default=None)) + (f", {unseen} not seen" if unseen else "")


def took(value_s: float | None) -> str:
    """Return a message's or stage's seconds; ``-`` where it was not seen."""
    return "-" if value_s is None else seconds(value_s)


def tally(message: Mapping[str, Any]) -> str:
    """Return what stands at the end of a message's row: its seconds, or what became of it."""
    time = "" if message["took"] is None else seconds(message["took"])
    if message["state"] == "through":
        return time or "answered"
    short = {"broken": "evidence", "unseen": "not seen"}.get(message["state"], STATES[message["state"]])
    return f"{time}, {short}" if time else short


def message(found: Mapping[str, Any]) -> str:
    """Return a message's whole way in words, in seconds after it was sent."""
    way = [(stage, after(found, stage)) for stage in ("committed", "pushed", "deployed", "answered")]
    reached = ", ".join(f"{stage} +{seconds(s)}" for stage, s in way if s is not None)
    return f"{found['command']}: {STATES[found['state']]}; {reached or 'nothing was seen of it'}"


def after(found: Mapping[str, Any], stage: str) -> float | None:
    """Return the seconds from sending to a stage."""
    return None if found[stage] is None else max(0.0, found[stage] - found["sent"])


def around(fault: Mapping[str, Any]) -> str:
    """Return when the injection beside a run was active and felt, in seconds after the run began."""
    said = f"{fault['name']}: active {extent(fault['active'])}"
    if fault["unwell"] is None:
        return f"{said}, no impact seen in this run"
    return f"{said}, unwell {extent(fault['unwell'])}{'' if fault['recovered'] else ', and not well again'}"


def extent(span_s: Sequence[float] | None) -> str:
    """Return ``1.2-3.4 s``, or that nothing of it falls into the run."""
    return "outside the run" if span_s is None else f"{span_s[0]:.1f}-{span_s[1]:.1f} s"


def stage(found: Mapping[str, Any]) -> str:
    """Return a stage's times in words: median, p95 or maximum, how many, and how many were not seen."""
    if found["absent"]:
        return "the target has none"
    unseen = f", {found['unseen']} unseen" if found["unseen"] else ""
    if not found["n"]:
        return f"none seen{unseen}"
    high = f"max {seconds(found['max'])}" if found["p95"] is None else f"p95 {seconds(found['p95'])}"
    return f"median {seconds(found['median'])}, {high}, n = {found['n']}{unseen}"


def _end(value_s: float | None) -> str:
    return "?" if value_s is None else f"{value_s:.2f}"


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
