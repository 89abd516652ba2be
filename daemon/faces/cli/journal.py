"""``chaosd journal``: look at all of it, make it smaller, copy it, accept it where it is now."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daemon.core.errors import BusyError, TargetAbsentError, UsageError
from daemon.faces.cli.group import Suggesting
from daemon.faces.cli.session import Session, output_option, state_option
from daemon.faces.cli.text import coloured, fields, write_json
from daemon.faces.cli.types import AGO, WORDS, who

if TYPE_CHECKING:
    from daemon.ports.state import StateDirectory
    from daemon.ports.upkeep import Found

ADOPTED = "adopted"
DAY_S = 86400.0


@click.group(cls=Suggesting, short_help="Check, compact, back up or adopt the journal.")
def journal() -> None:
    """Check, compact, back up or adopt the journal."""


@journal.command()
@click.option("--salvage", metavar="FILE", help="Write what is readable into a new journal.")
@state_option
@output_option
@click.pass_obj
def check(session: Session, salvage: str | None) -> int:
    """Read every page and record, beside a running daemon too.

    Exit 0 when it is sound, 1 when it is not, 4 when something of it may still be active.
    """
    from daemon.ports import upkeep

    state = _used(session)
    found = upkeep.look(state.journal)
    document = _described(state, found)
    if salvage is not None:
        document["salvaged"] = _salvage(state, Path(salvage))
    if session.json:
        write_json({"journal": document})
    else:
        click.echo(_page(document))
    if document["sound"]:
        return 0
    return 4 if document["outstanding"] or document["copies"] else 1


@journal.command()
@click.option("--keep", "keep_s", type=AGO, default=30 * DAY_S, metavar="30d", help="Younger ones keep all.")
@state_option
@output_option
@click.pass_obj
def compact(session: Session, keep_s: float) -> int:
    """Remove the probes' looks of injections judged before that, and give back the space.

    Verdicts, undo records and proofs stay; such an injection is not judged again. What is outstanding keeps all.
    """
    from daemon import wiring
    from daemon.ports import upkeep
    from daemon.ports.clock import SystemClock

    now = SystemClock().instant()
    with _owned(session) as state:
        wiring.settled(state).close()  # a damaged or foreign journal is not touched
        before = _bytes(state.journal)
        injections, looks = upkeep.compact(state.journal, judged_before_s=now.wall_s - keep_s, at=now)
    after = _bytes(state.journal)
    if session.json:
        counts = {"injections": injections, "looks": looks, "bytes_before": before, "bytes_after": after}
        write_json({"compacted": counts})
    else:
        click.echo(f"removed {looks} looks of {injections} injections: {before} bytes before, {after} now")
    return 0


@journal.command()
@click.argument("file")
@state_option
@output_option
@click.pass_obj
def backup(session: Session, file: str) -> int:
    """Copy the journal into a new FILE (mode 0600), consistent although a daemon may be writing."""
    from daemon.ports import upkeep

    state, target = _used(session), Path(file)
    if target.exists():
        raise UsageError(f"nothing was copied: {target} exists")
    upkeep.backup(state.journal, target)
    if session.json:
        write_json({"backup": {"path": str(target), "bytes": target.stat().st_size}})
    else:
        click.echo(f"copied {target.stat().st_size} bytes to {target}")
    return 0


@journal.command()
@click.option("--because", required=True, type=WORDS, help="Why this one counts now; kept in the journal.")
@state_option
@output_option
@click.pass_obj
def adopt(session: Session, because: str) -> int:
    """Accept a state directory that was copied, moved or put back: from now on it is the one that counts.

    Its outstanding undo is ours then: make sure that the original's daemon does not run any more.
    """
    from daemon import wiring
    from daemon.faces.cli.audit import note
    from daemon.faces.shapes import stamp
    from daemon.ports.clock import SystemClock

    if not because.strip():
        raise UsageError("nothing was adopted: a reason is needed")
    entry = {"at": stamp(SystemClock().instant().wall_s), "by": who(), "because": because.strip()}
    with _owned(session) as state:
        note(session, "adopt", because.strip())
        opened = wiring.open_journal(state)
        try:
            earlier = opened.noted(ADOPTED)
            opened.note(ADOPTED, [*(earlier if isinstance(earlier, list) else []), entry])
            opened.adopt()
            left = [i.plan.injection for i in opened.outstanding()]
        finally:
            opened.close()
    if session.json:
        write_json({"adopted": {**entry, "outstanding": left}})
    else:
        click.echo(f"adopted {state.path}; outstanding: {', '.join(left) or 'nothing'}")
    return 0


def _used(session: Session) -> "StateDirectory":
    state = session.state
    if not state.used:
        raise TargetAbsentError(f"there is no journal in {state.path}", hint="name its --state-dir")
    return state


def _owned(session: Session) -> "StateDirectory":
    state = _used(session)
    if session.daemon() is not None:
        raise BusyError(f"nothing was done: a daemon works in {state.path}", hint="stop it first")
    return state


def _bytes(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _described(state: "StateDirectory", found: "Found") -> dict[str, Any]:
    from daemon.faces.shapes import stamp
    from daemon.ports.keep import RESERVE_BYTES, Keep

    keep, times = Keep(state.path), [row[3] for row in found.rows.values()]
    findings = [*found.findings, *_beside(state, found)]
    return {
        "path": str(state.journal),
        "sound": not findings,
        "findings": findings,
        "bytes": _bytes(state.journal),
        "log_bytes": _bytes(state.journal.with_name(f"{state.journal.name}-wal")),
        "schema": found.schema,
        "records": len(found.rows),
        "looks": sum(row[2] == "observed" for row in found.rows.values()),
        "injections": len(found.histories),
        "oldest": stamp(min(times)) if times else None,
        "newest": stamp(max(times)) if times else None,
        "outstanding": list(found.outstanding()),
        "copies": list(keep.names()),
        "reserve": {"bytes": RESERVE_BYTES, "in_place": keep.reserved},
    }


def _beside(state: "StateDirectory", found: "Found") -> list[str]:
    """Return what is wrong with what stands beside the journal: identity and copies of undo records."""
    import json

    from daemon.core.errors import JournalError
    from daemon.ports import identity
    from daemon.ports.journal import NAME
    from daemon.ports.keep import Keep

    keep, findings = Keep(state.path), []
    try:
        named = json.loads(found.notes.get(NAME, b'""'))
        identity.check(state.path, str(named), max(found.rows, default=0))
    except (JournalError, ValueError) as error:
        findings.append(error.message if isinstance(error, JournalError) else f"note {NAME!r} is damaged")
    for injection in keep.names():
        if keep.copy(injection) is None:
            findings.append(f"the copy of the undo record of {injection} cannot be read")
        elif injection not in found.histories:
            findings.append(f"the journal lost the intent of {injection}; a copy of its undo record is there")
    return findings


def _salvage(state: "StateDirectory", target: Path) -> dict[str, Any]:
    from daemon.ports import upkeep
    from daemon.ports.clock import SystemClock
    from daemon.ports.keep import Keep

    if target.exists():
        raise UsageError(f"nothing was saved: {target} exists")
    saved = upkeep.salvage(state.journal, target, Keep(state.path), clock_s=lambda: SystemClock().instant().wall_s)
    return {"path": str(target), "records": saved.records, "unaccounted": list(saved.unaccounted)}


def _page(document: Mapping[str, Any]) -> str:
    reserve = document["reserve"]
    lines = [
        ("journal", document["path"]),
        ("state", coloured("ok" if document["sound"] else "failing")),
        ("size", f"{document['bytes']} bytes, log {document['log_bytes']} bytes, schema {document['schema']}"),
        (
            "records",
            f"{document['records']}, {document['looks']} of them looks; {document['injections']} injections",
        ),
        ("from", f"{document['oldest'] or '-'} to {document['newest'] or '-'}"),
        ("outstanding", ", ".join(document["outstanding"]) or "none"),
        ("copies", ", ".join(document["copies"]) or "none"),
        ("reserve", f"{reserve['bytes'] >> 10} KiB, {'in place' if reserve['in_place'] else 'not in place'}"),
        *(("finding", line) for line in document["findings"]),
    ]
    if "salvaged" in document:
        saved = document["salvaged"]
        lines.append(("salvaged", f"{saved['records']} records to {saved['path']}"))
        lines.extend(("unknown", line) for line in saved["unaccounted"])
    return fields(lines, indent=0)
