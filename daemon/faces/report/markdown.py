"""The report as Markdown for a pull request: what deviated first, the rest in tables and folds."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from daemon.core.events import Verdict
from daemon.core.verdict import GOOD
from daemon.faces.report import words

ROWS_MAX = 50  # a comment has room for 65,536 characters, and a reader for fewer
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|~#!])")
_QUIET = {v.value for v in GOOD | {Verdict.REFUSED}}


def render(document: Mapping[str, Any]) -> str:
    """Return the document as GitHub-flavoured Markdown; what the target said is shown as text, never as markup."""
    return "\n".join(_lines(document)) + "\n"


def _lines(document: Mapping[str, Any]) -> Iterator[str]:
    period = document["report"]["period"]
    yield f"## chaosd: {words.outcome(document)}"
    yield from ("", f"{words.counts(document)}; from {period['since']} until {period['until']}.")
    loud = [e for e in document["experiments"] if words.verdict(e) not in _QUIET]
    yield from _section("What did not hold", _EXPERIMENT, [_experiment(e) for e in loud])
    violated = [(i["invariant"], i["target"], len(i["broken"])) for i in document["invariants"]]
    yield from _section("Broken invariants", ("invariant", "target", "times"), violated)
    yield from _section("Objectives", ("objective", "target", "goal", "measured", "status"), _objectives(document))
    yield from _section("Time to recovery", _TIMES, _statistics(document))
    yield from _section("Against the earlier period", _COMPARED, _comparisons(document))
    quiet = [_experiment(e) for e in document["experiments"] if words.verdict(e) in _QUIET]
    yield from _section("What held", _EXPERIMENT, quiet, folded=True)
    missing = [(row["fault"], words.untested(row)) for row in document["untested"]]
    yield from _section("Not tested", ("fault", "what is missing"), missing, folded=True)
    if document["summary"]["rejudged"]:
        yield from (
            "",
            f"Judged differently than at the time: {_text(', '.join(document['summary']['rejudged']))}.",
        )


_TIMES = ("fault", "target", "runs", "with impact", "censored", "p50", "p95", "p99")
_COMPARED = ("fault", "target", "runs", "found", "effect", "significance")
_EXPERIMENT = ("injection", "fault", "target", "verdict", "impact", "recovery", "healed by", "undo", "why")


def _experiment(experiment: Mapping[str, Any]) -> tuple[object, ...]:
    head = experiment["injection"]
    return (
        head["id"],
        words.kind(experiment),
        head["target"],
        words.verdict(experiment),
        words.span(experiment["impact"]["after"]),
        words.recovery(experiment),
        experiment["recovery"]["healed_by"] or "-",
        words.undo(experiment),
        "; ".join(experiment["reasons"]),
    )


def _objectives(document: Mapping[str, Any]) -> list[tuple[object, ...]]:
    return [(o["name"], o["target"], o["goal"], o["measured"], o["status"]) for o in document["objectives"]]


def _statistics(document: Mapping[str, Any]) -> list[tuple[object, ...]]:
    return [
        (s["fault"], s["target"], s["runs"], s["with_impact"], s["censored"], *map(words.quantile, s["quantiles"]))
        for s in document["statistics"]
    ]


def _comparisons(document: Mapping[str, Any]) -> list[tuple[object, ...]]:
    return [
        (
            c["fault"],
            c["target"],
            f"{c['runs'][0]} then {c['runs'][1]}",
            words.CHANGES[c["change"]],
            words.difference(c),
            words.p_value(c),
        )
        for c in document["comparison"]
    ]


def _section(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], *, folded: bool = False
) -> Iterator[str]:
    if not rows:
        return
    yield from ("", f"<details><summary>{title} ({len(rows)})</summary>" if folded else f"### {title}", "")
    yield _row(columns)
    yield _row(["---"] * len(columns))
    yield from (_row([_text(cell) for cell in row]) for row in rows[:ROWS_MAX])
    if len(rows) > ROWS_MAX:
        yield from ("", f"and {len(rows) - ROWS_MAX} more; `chaosd report --format html` shows all.")
    if folded:
        yield from ("", "</details>")


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _text(cell: object) -> str:
    """Return a cell's text with everything that Markdown or HTML would read as markup made harmless."""
    flat = " ".join(str(cell).split())
    harmless = _SPECIAL.sub(r"\\\1", flat.replace("&", "&amp;"))
    return harmless.replace("@", "@<!-- -->")  # else somebody's name in a log line is notified
