"""``chaosd history`` and ``chaosd show``: read from the journal, whoever is running."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from daemon.core.errors import TargetAbsentError, UsageError
from daemon.faces.cli import complete
from daemon.faces.cli.session import Session, output_option, state_option
from daemon.faces.cli.text import shown, write_json
from daemon.faces.cli.types import AGO, WORDS

if TYPE_CHECKING:
    from daemon.core.events import Injection
    from daemon.ports.journal import Journal

NEWEST = "last"
ALL = 1_000_000


@click.command(short_help="The injections so far.")
@click.option("--since", "since_s", type=AGO, metavar="24h", help="Only those of the last while.")
@click.option("-n", "--most", type=click.IntRange(1, 100_000), default=50, show_default=True, help="The latest N.")
@click.option("--fault", shell_complete=complete.faults, help="Only this fault.")
@state_option
@output_option
@click.pass_obj
def history(session: Session, since_s: float | None, most: int, fault: str | None) -> int:
    """List the injections, oldest first, with their verdicts."""
    with _journal(session) as journal:
        found = _recent(journal, since_s, most, fault) if journal else []
        known = len(journal.recent(most=ALL)) if journal and not found else 0
    if not found and fault is not None:
        _refuse_unknown(fault)
    if session.json:
        write_json({"injections": found})
    elif not found:
        click.echo(f"none of {known} injections match" if known else "no injections yet")
    else:
        from daemon.faces.cli import tables

        tables.show(tables.of_injections(found))
    return 0


def _refuse_unknown(fault: str) -> None:
    """Raise UsageError for a fault that nobody has installed; one that was once is found in the journal."""
    from daemon import wiring
    from daemon.core.parameters import nearest

    if fault not in wiring.faults():
        raise UsageError(f"nothing listed: unknown fault {fault!r}{nearest(fault, wiring.faults())}")


@click.command(short_help="One injection with its timeline and proof.")
@click.argument("injection", type=WORDS, metavar="ID")
@state_option
@output_option
@click.pass_obj
def show(session: Session, injection: str) -> int:
    """Show injection ID, or the beginning of one, or `last`: victim, timeline, recovery, proof, verdict."""
    with _journal(session) as journal:
        found = _find(journal, injection) if journal else None
    if found is None:
        raise TargetAbsentError(f"nothing to show: the journal knows no injection {injection!r}", hint=_HINT)
    from daemon.faces import shapes
    from daemon.faces.cli.timeline import timeline

    document = {**shapes.injection(found), "timeline": timeline(found)}
    if session.json:
        write_json(document)
    else:
        click.echo(_page(shown(document)))
    return 0


def latest(session: Session, most: int) -> list[dict[str, Any]]:
    """Return the latest injections, oldest first."""
    with _journal(session) as journal:
        return _recent(journal, None, most, None) if journal else []


_HINT = "see `chaosd history`; `chaosd show last` shows the newest"


@contextmanager
def _journal(session: Session) -> "Iterator[Journal | None]":
    """Open the journal to read; None where there is none yet. Works beside a running daemon."""
    state = session.state
    if not state.journal.exists():
        yield None
        return
    from daemon import wiring

    journal = wiring.open_journal(state, readonly=True)
    try:
        yield journal
    finally:
        journal.close()


def _recent(journal: "Journal", since_s: float | None, most: int, fault: str | None) -> list[dict[str, Any]]:
    from daemon.faces import shapes
    from daemon.ports.clock import SystemClock

    since = 0.0 if since_s is None else SystemClock().instant().wall_s - since_s
    found = journal.recent(since_s=since, most=most if fault is None else ALL)
    wanted = [i for i in found if fault is None or i.plan.fault == fault]
    return shapes.injections(wanted[-most:])


def _find(journal: "Journal", name: str) -> "Injection | None":
    exact = journal.injection(name)
    if exact is not None:
        return exact
    ids = [i.plan.injection for i in journal.recent(most=ALL)]
    fitting = ids[-1:] if name == NEWEST else [i for i in ids if i.startswith(name)]
    if len(fitting) > 1:
        raise TargetAbsentError(f"nothing to show: {len(fitting)} injections begin with {name!r}", hint=_HINT)
    return journal.injection(fitting[0]) if fitting else None


def _page(document: Mapping[str, Any]) -> str:
    from daemon.faces.cli.summary import summary
    from daemon.faces.cli.text import fields, number

    steps = [(f"{s['after']:+.2f} s" if s["after"] is not None else "", s["what"]) for s in document["timeline"]]
    width = max((len(after) for after, _ in steps), default=0)
    lines = "\n".join(f"    {after:>{width}}  {what}" for after, what in steps)
    proof = fields([(k, number(v)) for k, v in document["undo"]["proof"].items()], indent=4)
    head = document["injection"]
    asked = f"  asked    {head['planned_at']} by {head['by']} ({head['origin']})"
    parts = [summary(document), asked, "  timeline, seconds after the injection began", lines]
    return "\n".join([*parts, *(["  proof", proof] if proof else [])])
