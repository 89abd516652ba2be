"""What people see of git scenarios: a case in full when it did not pass, one line of what held when it did."""

from collections.abc import Mapping, Sequence
from typing import Any

from daemon.faces.cli import tables
from daemon.faces.cli.text import number, seconds

SHOWN_MOST = 3  # pieces of evidence for one check; all of them are in the JSON
SAID_LINES = 3  # of what the worker said last


def described(document: Mapping[str, Any], *, first: bool = True) -> list[Any]:
    """Return what is shown of one case; what a scenario expects is said at its ``first`` case."""
    took_s = sum(run["took"] for message in document["messages"] for run in message["runs"])
    took = f", worker {seconds(took_s)}" if document["messages"] else ""
    title = f"{document['name']} {document['case']}: {document['outcome']}{took}, seed {document['seed']}"
    lines = [title, *(f"  expects: {sentence}" for sentence in document["expects"] if first)]
    reason = document["skipped"] or document["unbuilt"]
    if reason:
        return ["\n".join([*lines, f"  because: {reason}", ""])]
    if document["passed"]:
        held = sum(c["standing"] == "held" for c in document["checks"])
        open_ = [
            f"  {c['name']}: {c['standing']}, {c['detail']}" for c in document["checks"] if c["standing"] != "held"
        ]
        return ["\n".join([*lines, f"  {held} checks held", *open_])]
    return ["\n".join([*lines, *_runs(document["messages"])]), _checks(document["checks"])]


def _runs(messages: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = []
    for message in messages:
        ends = ", ".join(
            f"{'timeout' if run['exit_code'] is None else run['exit_code']} after {seconds(run['took'])}"
            for run in message["runs"]
        )
        lines.append(f"  {message['command']} for {message['branch']}: exit {ends}")
        last = message["runs"][-1]
        if last["exit_code"] != 0:
            said = (last["stderr"].strip() or last["stdout"].strip()).splitlines()
            lines += [f"    | {text}" for text in said[-SAID_LINES:]]
    return lines


def _checks(checks: Sequence[Mapping[str, Any]]) -> Any:
    rows = [[c["name"], c["standing"], _evidence(c)] for c in checks]
    whole = (tables.Column("check", whole=True), tables.Column("standing", whole=True))
    return tables.table([*whole, "evidence"], rows)


def _evidence(check: Mapping[str, Any]) -> str:
    said = [e["detail"] + (f"\n  {e['see']}" if "see" in e else "") for e in check["evidence"][:SHOWN_MOST]]
    if len(check["evidence"]) > SHOWN_MOST:
        said.append(f"and {len(check['evidence']) - SHOWN_MOST} more (-o json)")
    return "\n".join(said) or check["detail"] or "-"


def summary(documents: Sequence[Mapping[str, Any]]) -> Any:
    """Return one row for each case with its figures."""
    rows = [[d["name"], d["case"], d["outcome"], *(_figure(d["kpi"].get(n)) for n in FIGURES)] for d in documents]
    whole = (tables.Column("scenario", whole=True), tables.Column("case", whole=True))
    return tables.table([*whole, "result", "branch switch < 5 s", "stash recovery 100 %", "corruption 0"], rows)


FIGURES = ("branch switch", "stash recovery", "corruption")


def _figure(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "-"
    if found["value"] is None:
        return "-" if found["note"].startswith("no ") else "unknown"
    return f"{number(found['value'])} {found['unit']}".strip()
