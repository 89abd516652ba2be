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
    yield from _section("Scenario runs that did not hold", _RUN, [_run(r) for r in _alone(document)])
    yield from _section("Key figures", _FIGURE, _objectives(document))
    yield from _invariants(document)
    defects = [(d["invariant"], d["scenario"], d["target"], *_found(d)) for d in document["baseline_defects"]]
    yield from _section("Baseline defects", _DEFECT, defects)
    yield from _section("Stage times", _STAGE, [_stages(s) for s in document["stage_times"]])
    yield from _section("Slowest messages of each run", _MESSAGE, _slowest(document), folded=True)
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


_RUN = ("run", "scenario", "target", "ended", "violated", "unknown")
_FIGURE = ("figure", "target", "goal", "measured", "known", "unknown", "source", "status")
_INVARIANT = ("invariant", "target", "standing", "held", "violated", "unknown", "not checked", "first evidence")
_DEFECT = ("invariant", "scenario", "target", "taken out of", "evidence")
_STAGE = ("scenario", "beside", "target", "runs", "pushed", "deployed", "answered")
_MESSAGE = ("run", "beside", "message", "took", "committed", "pushed", "deployed", "answered", "became")
SLOWEST = 5


def _alone(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [r for r in document["runs"] if r["purpose"] == "alone" and r["ending"] != "passed"]


def _run(run: Mapping[str, Any]) -> tuple[object, ...]:
    violated = dict.fromkeys(v["invariant"] for v in run["violations"])
    unknown = [u["invariant"] for u in run["unknown"]]
    ended = words.ENDINGS[run["ending"]] + (f": {run['stopped']}" if run["stopped"] else "")
    return run["run"], run["name"], run["target"], ended, ", ".join(violated) or "-", ", ".join(unknown) or "-"


def _invariants(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the table; where no scenario ran, the one sentence that says so instead of a table of gaps."""
    rows = document["invariants"]
    if not document["summary"]["runs"]["total"] and not any(row["violated"] for row in rows):
        yield from ("", "No scenario ran, so none of the invariants was checked.")
        return
    told = [
        (
            row["invariant"],
            row["target"],
            row["standing"],
            *(row[count] for count in ("held", "violated", "unknown", "not_checked")),
            _first(row),
        )
        for row in rows
    ]
    yield from _section("Invariants", _INVARIANT, told)


def _first(row: Mapping[str, Any]) -> str:
    if not row["broken"]:
        return row["reasons"][0]["reason"] if row["unknown"] and row["reasons"] else "-"
    case = row["broken"][0]
    more = f" (and {len(row['broken']) - 1} more)" if len(row["broken"]) > 1 else ""
    return f"{case['blame']}: {_detail(case['evidence'])}{more}"


def _found(defect: Mapping[str, Any]) -> tuple[str, str]:
    more = f" (and {len(defect['evidence']) - 1} more)" if len(defect["evidence"]) > 1 else ""
    first = _detail(defect["evidence"][0]) if defect["evidence"] else "-"
    return f"{defect['subtracted']} runs", first + more


def _detail(evidence: object) -> str:
    if isinstance(evidence, Mapping) and "detail" in evidence:
        return f"{evidence['detail']}; see: {evidence['see']}" if evidence.get("see") else str(evidence["detail"])
    return str(evidence)


def _stages(row: Mapping[str, Any]) -> tuple[object, ...]:
    times = (words.stage(row["stages"][stage]) for stage in ("pushed", "deployed", "answered"))
    return row["scenario"], row["beside"], row["target"], row["runs"], *times


def _slowest(document: Mapping[str, Any]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for run in document["runs"]:
        messages = run["waterfall"]["messages"] if run["waterfall"] else []
        slowest = sorted(messages, key=lambda m: (m["failed"], m["took"] or 0.0), reverse=True)[:SLOWEST]
        rows += [(run["run"], words.beside(run), *_message(m)) for m in slowest]
    return rows


def _message(message: Mapping[str, Any]) -> tuple[str, ...]:
    stages = (words.took(words.after(message, s)) for s in ("committed", "pushed", "deployed", "answered"))
    return message["command"], words.took(message["took"]), *stages, words.STATES[message["state"]]


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
    return [
        (
            *(o[key] for key in ("name", "target", "goal", "measured", "known", "unknown")),
            ", ".join(dict.fromkeys(s["source"] for s in o["sources"])) or "-",
            o["status"],
        )
        for o in document["objectives"]
    ]


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
