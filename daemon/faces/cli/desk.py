"""``chaosd status``, ``health``, ``halt`` and ``resume``: what goes on, and the switch that stops it."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from daemon.core.errors import ChaosdError, UsageError
from daemon.faces.cli.session import Session, common, output_option, state_option
from daemon.faces.cli.text import coloured, fields, shown, write_json
from daemon.faces.cli.types import WORDS, who

HEALTH_S = 3.0  # a health check that waits for longer is one that failed


@click.command(short_help="What is active, outstanding, and due next.")
@state_option
@output_option
@click.pass_obj
def status(session: Session) -> int:
    """Show what is active, what is outstanding, what the probes say and what is due next.

    Exit 0; 4 when something could not be undone.
    """
    found = situation(session)
    if session.json:
        write_json(found)
    else:
        click.echo(_page(session, shown(found)))
    failed = [i for i in found["outstanding"] if i["injection"]["state"] == "revert-failed"]
    unswept = [r for r in found["runs"] if r["state"] == "sweep-failed"]
    return 4 if failed or unswept else 0


def situation(session: Session) -> dict[str, Any]:
    """Return the daemon's status, or what the journal says when no daemon runs (``daemon`` is null then)."""
    client = session.daemon()
    if client is not None:
        from daemon.faces.cli.calling import ask

        found: dict[str, Any] = ask(client, "GET", "/api/v1/status")
        # A daemon from before scenario runs were journalled says nothing of them.
        return {"runs": [], **found, "halted": found["daemon"]["halted"]}
    nothing: dict[str, Any] = {"active": [], "outstanding": [], "runs": [], "observations": [], "next": []}
    empty = {"daemon": None, **nothing}
    file = session.state.halt_file
    there = f"the halt file {file} is there" if file.exists() else None
    if not session.state.journal.exists():
        return {**empty, "halted": there}
    from daemon import wiring
    from daemon.engine.facts import HALT
    from daemon.faces import shapes

    journal = wiring.open_journal(session.state, readonly=True)
    try:
        left, halted = journal.outstanding(), journal.noted(HALT)
        return {
            **empty,
            "active": shapes.injections(journal.running()),
            "outstanding": shapes.injections(left),
            "runs": shapes.scenario_runs(journal.scenarios.open_runs()),
            "halted": there if halted is None else str(halted),
        }
    finally:
        journal.close()


@click.command(short_help="Exit 0 when the daemon is healthy.")
@state_option
@output_option
@click.pass_obj
def health(session: Session) -> int:
    """Ask the daemon whether it is healthy: exit 0 when all its parts move, 1 when one hangs or none answers."""
    why = _why_unhealthy(session)
    if session.json:
        write_json({"healthy": why is None, **({"why": why} if why else {})})
    else:
        click.echo(why or "healthy", err=why is not None)
    return 0 if why is None else 1


def _why_unhealthy(session: Session) -> str | None:
    daemon = session.daemon()
    if daemon is None:
        return f"no daemon answers in {session.state.path}"
    try:
        daemon.call("GET", "/-/healthy", timeout_s=HEALTH_S)
    except (OSError, ChaosdError) as error:
        return error.message if isinstance(error, ChaosdError) else f"the daemon does not answer: {error}"
    return None


@click.command(short_help="Stop and undo everything; begin nothing new.")
@click.argument("words", nargs=-1, type=WORDS, metavar="[REASON]")
@click.option("--reason", type=WORDS, help="Why; shown wherever something is refused.")
@state_option
@output_option
@click.pass_obj
def halt(session: Session, words: Sequence[str], reason: str | None) -> int:
    """Abort and undo every running injection and let nothing new begin, across restarts, until `chaosd resume`.

    Where neither the daemon nor the journal takes the word, the file HALT in the state directory is written.
    """
    from daemon.core.harmless import REASON_MOST

    # Cut here: the daemon refuses a longer one, and whatever was said, it must halt.
    why = (reason or " ".join(words) or f"halted by {who()}")[:REASON_MOST]
    try:
        return _switch(session, "/api/v1/halt", why, why)
    except UsageError:
        raise
    except ChaosdError as error:
        _halt_by_file(session, why, error)
    if session.json:
        write_json({"halted": why})
    return 0


@click.command(short_help="Lift the halt.")
@click.option("--because", "--reason", type=WORDS, help="Why; kept in the journal.")
@common
@click.pass_obj
def resume(session: Session, because: str | None) -> int:
    """Let injections begin again. Refused without a reason, while a halt file is there, or a lever is engaged."""
    if not (because or "").strip():
        raise UsageError("not resumed: a reason is needed", hint='say why: `chaosd resume --because "..."`')
    return _switch(session, "/api/v1/resume", None, because or "")


def _switch(session: Session, path: str, halted: str | None, because: str) -> int:
    client = session.daemon()
    if client is not None:
        from daemon.faces.cli.calling import ask

        ask(client, "POST", path, {"reason": because})
    else:
        _switch_here(session, halted, because)
    if session.json:
        write_json({"halted": halted})
    else:
        click.echo("resumed: injections may begin" if halted is None else f"halted: {halted}")
    return 0


def _switch_here(session: Session, halted: str | None, because: str) -> None:
    """Do it in the journal itself, where no daemon runs."""
    from daemon import wiring
    from daemon.engine.facts import HALT
    from daemon.faces.cli.audit import note
    from daemon.faces.cli.undo import settings_in_force

    with session.state as state:
        note(session, "resume" if halted is None else "halt", because)
        if halted is not None:  # needs nothing but the journal: it must work whatever the configuration holds
            journal = wiring.open_journal(state)
            journal.note(HALT, halted)
            journal.close()
            return
        station = wiring.station(settings_in_force(session), state)
        try:
            station.control.resume(because)
        finally:
            station.close()


def _halt_by_file(session: Session, why: str, error: ChaosdError) -> None:
    """Write the halt file: it needs no lock and no journal, and whoever works here looks for it."""
    try:
        session.state.halt(why)
    except ChaosdError:
        raise error from None
    click.echo(
        f"chaosd: halted by the file {session.state.halt_file}, because the usual way failed: {error.message}\n"
        "hint: what runs sees it within 0.5 s; remove the file before `chaosd resume`",
        err=True,
    )


def _page(session: Session, found: Mapping[str, Any]) -> str:
    daemon = found["daemon"]
    who = f"pid {daemon['pid']}, {daemon['version']}, since {daemon['started_at']}" if daemon else "not running"
    lines = [
        ("daemon", who),
        ("state", str(session.state.path)),
        ("halted", click.style(found["halted"], fg="yellow") if found["halted"] else "no"),
        ("active", _several(found["active"])),
        ("outstanding", _several(found["outstanding"])),
        ("scenarios", _lines(_of_run(r) for r in found["runs"])),
        ("probes", _lines(_look(o) for o in found["observations"])),
        ("next", _lines(f"{n['at']}  {n['experiment']}" for n in found["next"])),
    ]
    return fields(lines, indent=0)


def _several(injections: Sequence[Mapping[str, Any]]) -> str:
    from daemon.faces.cli.summary import kind, step

    found = _lines(
        f"{head['id']}  {coloured(step(document))}  {kind(head)} on {head['target']}"
        + (f", undone from {due}" if (due := document["undo"]["deadline_at"]) else "")
        for document in injections
        if (head := document["injection"])
    )
    return found or "none"


def _of_run(run: Mapping[str, Any]) -> str:
    """Return one run whose messages may be in the queues: under way, or left by a process that died."""
    return f"{run['run']}  {coloured(run['state'])}  {run['purpose']} {run['scenario']} on {run['target']}"


def _look(observation: Mapping[str, Any]) -> str:
    found = "; ".join(f"{f['name']} {f['detail']}".strip() for f in observation["findings"])
    return f"{observation['probe']}: {coloured(observation['status'])}{f' ({found})' if found else ''}"


def _lines(words: Any) -> str:
    return "\n             ".join(words)
