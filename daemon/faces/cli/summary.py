"""One injection in a few readable lines, from the same document that ``-o json`` prints."""

from collections.abc import Mapping
from typing import Any

import click

from daemon.core.errors import RefusedError
from daemon.faces.cli.session import Session
from daemon.faces.cli.text import coloured, fields, number, shown, span, write_json

HEALERS = {"worker": "the worker", "revert": "our revert"}


def summary(document: Mapping[str, Any], code: int | None = None) -> str:
    """Return what was hit, what was seen, who healed it, and the verdict."""
    document = shown(document)
    head = document["injection"]
    rows = [
        ("victim", "\n".join(f"{k}: {number(v)}" for k, v in head["victim"].items())),
        ("impact", impact(document) if head["victim"] else ""),
        ("recovery", recovery(document)),
        ("undo", undo(document)),
        ("workload", workload(document)),
        ("verdict", coloured(document["verdict"] or "none yet") + ("" if code is None else f" (exit code {code})")),
        ("", "\n".join(document["reasons"])),
        *((f"violated {v['invariant']}", evidence(v["evidence"])) for v in document["violations"]),
    ]
    return f"{title(document)}\n{_aligned(rows)}"


def title(document: Mapping[str, Any]) -> str:
    """Return ``ID  git-lock/index-lock on repository, seed 7``."""
    head = document["injection"]
    return f"{head['id']}  {kind(head)} on {head['target']}, seed {head['seed']}"


def step(document: Mapping[str, Any]) -> str:
    """Return how far an injection is: its state, or for which event it waits."""
    trigger, state = document.get("trigger"), str(document["injection"]["state"])
    if state != "proposed" or not trigger or not trigger["armed_at"]:
        return state
    event = ":".join(filter(None, (trigger["event"], trigger["matching"])))
    return "it happened" if trigger["fired_at"] else f"waiting for {event}"


def kind(head: Mapping[str, Any]) -> str:
    """Return fault and mode as one word."""
    name = f"{head['fault']}/{head['mode']}" if head["mode"] else str(head["fault"])
    return f"{name} with {head['workload']}" if head.get("workload") else name


def impact(document: Mapping[str, Any]) -> str:
    """Return when the fault was felt."""
    found = document["impact"]
    if found["after"]:
        return f"seen after {span(found['after'])}"
    return "seen" if found["seen"] else "none seen"


def recovery(document: Mapping[str, Any]) -> str:
    """Return when it was well again and by whom; nothing when there was no impact."""
    found = document["recovery"]
    if found["after"]:
        by = HEALERS.get(found["healed_by"], "nobody knows whom")
        return f"after {span(found['after'])}, healed by {by}"
    return "not within the time given (right-censored)" if found["censored"] else ""


def undo(document: Mapping[str, Any]) -> str:
    """Return whether the fault was taken back and the proof of it."""
    found, state = document["undo"], document["injection"]["state"]
    if found["superseded"]:
        text = "superseded: changed by somebody else meanwhile, left alone"
    elif found["proved"]:
        text = "reverted and proved"
    elif found["doubt"]:
        text = f"reverted, not proved: {found['doubt']}"
    elif state == "revert-failed":
        text = "FAILED, residue may remain"
    elif found["settled"]:
        text = f"FAILED; settled by {found['settled']['by']}: {found['settled']['because']}"
    else:
        return ""
    return f"{text} ({found['detail']})" if found["detail"] else text


def workload(document: Mapping[str, Any]) -> str:
    """Return which messages were sent meanwhile, and what their baseline is; nothing for a fault alone."""
    found = document.get("workload")
    if found is None:
        return ""
    known = f", baseline {found['baseline']}" if found["baseline"] else ""
    return f"{found['scenario']} under fault" + (f", run {found['run']}{known}" if found["run"] else "")


def evidence(found: Mapping[str, Any]) -> str:
    """Return one piece of evidence, with the command that shows it."""
    return "\n".join(str(found[key]) for key in ("detail", "see") if found.get(key))


def preview(document: Mapping[str, Any]) -> str:
    """Return what a dry run found, one action a line."""
    document = shown(document)
    head = document["injection"]
    lines = [f"dry run: {kind(head)} on {head['target']}, nothing was touched", "would:"]
    lines += [f"  - {action}" for action in document["actions"]] or ["  - do nothing"]
    return "\n".join(lines)


def _aligned(rows: list[tuple[str, str]]) -> str:
    width = max(len(name) for name, _ in rows)
    indent = "\n" + " " * (width + 4)
    return fields([(name.ljust(width), value.replace("\n", indent)) for name, value in rows])


def show(session: Session, document: Mapping[str, Any], code: int) -> int:
    """Print the finished injection as the session wants it and return the exit code."""
    if session.json:
        write_json(document)
        return code
    if document["verdict"] == "refused":
        hint = f"journalled as {document['injection']['id']}; `chaosd history` lists it"
        raise RefusedError("; ".join(document["reasons"]), rule="guard", hint=hint)
    click.echo(summary(document, code))
    return code
