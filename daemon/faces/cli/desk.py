"""``chaosd status``, ``health``, ``halt`` and ``resume``: what goes on, and the switch that stops it."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from daemon.faces.cli.session import Session, output_option, state_option
from daemon.faces.cli.text import coloured, fields, write_json


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
        click.echo(_page(session, found))
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
    if not session.state.journal.exists():
        return {**empty, "halted": None}
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
            "runs": shapes.scenario_runs(journal.open_runs()),
            "halted": None if halted is None else str(halted),
        }
    finally:
        journal.close()


@click.command(short_help="Exit 0 when the daemon is healthy.")
@state_option
@output_option
@click.pass_obj
def health(session: Session) -> int:
    """Ask the daemon whether it is healthy: exit 0 when it answers, 1 when not."""
    healthy = session.daemon() is not None
    if session.json:
        write_json({"healthy": healthy})
    else:
        click.echo("healthy" if healthy else f"no daemon answers in {session.state.path}", err=not healthy)
    return 0 if healthy else 1


@click.command(short_help="Stop and undo everything; begin nothing new.")
@click.argument("words", nargs=-1, metavar="[REASON]")
@click.option("--reason", help="Why; shown wherever something is refused.")
@state_option
@output_option
@click.pass_obj
def halt(session: Session, words: Sequence[str], reason: str | None) -> int:
    """Abort and undo every running injection and let nothing new begin, across restarts, until `chaosd resume`."""
    from daemon.faces.cli.types import who

    why = reason or " ".join(words) or f"halted by {who()}"
    return _switch(session, "/api/v1/halt", why)


@click.command(short_help="Lift the halt.")
@click.option("--reason", default="", help="Why; for the log.")
@state_option
@output_option
@click.pass_obj
def resume(session: Session, reason: str) -> int:
    """Let injections begin again."""
    del reason  # the daemon's log names who called
    return _switch(session, "/api/v1/resume", None)


def _switch(session: Session, path: str, reason: str | None) -> int:
    client = session.daemon()
    if client is not None:
        from daemon.faces.cli.calling import ask

        ask(client, "POST", path, {"reason": reason})
    else:
        from daemon import wiring
        from daemon.engine.facts import HALT

        with session.state as state:
            journal = wiring.open_journal(state)
            journal.note(HALT, reason)
            journal.close()
    if session.json:
        write_json({"halted": reason})
    else:
        click.echo("resumed: injections may begin" if reason is None else f"halted: {reason}")
    return 0


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
    from daemon.faces.cli.summary import kind

    heads = [document["injection"] for document in injections]
    return _lines(f"{h['id']}  {coloured(h['state'])}  {kind(h)} on {h['target']}" for h in heads) or "none"


def _of_run(run: Mapping[str, Any]) -> str:
    """Return one run whose messages may be in the queues: under way, or left by a process that died."""
    return f"{run['run']}  {coloured(run['state'])}  {run['purpose']} {run['scenario']} on {run['target']}"


def _look(observation: Mapping[str, Any]) -> str:
    found = "; ".join(f"{f['name']} {f['detail']}".strip() for f in observation["findings"])
    return f"{observation['probe']}: {coloured(observation['status'])}{f' ({found})' if found else ''}"


def _lines(words: Any) -> str:
    return "\n             ".join(words)
