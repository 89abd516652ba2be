"""``chaosd audit``: who asked for what, and what became of it."""

from typing import Any

import click

from daemon.faces.cli.session import Session, output_option, state_option
from daemon.faces.cli.text import shown, write_json
from daemon.faces.cli.types import AGO


@click.command(short_help="Who asked for what.")
@click.option("--since", "since_s", type=AGO, metavar="24h", help="Only those of the last while.")
@click.option("-n", "--most", type=click.IntRange(1, 100_000), default=50, show_default=True, help="The latest N.")
@click.option("--refused", is_flag=True, help="Only what was refused.")
@state_option
@output_option
@click.pass_obj
def audit(session: Session, since_s: float | None, most: int, refused: bool) -> int:
    """List who asked chaosd to change something, oldest first; requests the daemon refused are in the list, too."""
    found = _entries(session, since_s, most, refused=refused)
    if session.json:
        write_json({"audit": found})
    elif not found:
        click.echo("nobody has asked for anything yet")
    else:
        for entry in found:
            click.echo(_line(shown(entry)))
    return 0


def _entries(session: Session, since_s: float | None, most: int, *, refused: bool) -> list[dict[str, Any]]:
    from daemon.faces.shapes import stamp
    from daemon.ports.audit import AuditLog
    from daemon.ports.clock import SystemClock

    # RFC 3339 in UTC sorts as text.
    since = "" if since_s is None else stamp(SystemClock().instant().wall_s - since_s)
    entries = AuditLog(session.state.path).entries()
    wanted = [e for e in entries if str(e.get("at")) >= since and (not refused or e.get("outcome") == "refused")]
    return wanted[-most:]


def _line(entry: dict[str, Any]) -> str:
    who = entry["who"]
    name = who["name"] or "somebody without a token"
    place = f" from {who['address']}" if who["address"] else ""
    uid = f" (uid {who['uid']})" if who["uid"] is not None else ""
    what = f" {entry['object']}" if entry["object"] else ""
    why = f": {entry['why']}" if "why" in entry else ""
    return f"{entry['at']}  {entry['outcome']:8}  {who['kind']} {name}{uid}{place}: {entry['verb']}{what}{why}"


def note(session: Session, verb: str, what: str) -> None:
    """Record what this command is about to do itself. Raises ChaosdError where that must not go unrecorded."""
    import os

    from daemon.core.access import Caller
    from daemon.faces.cli.types import who
    from daemon.faces.serving.auditing import Auditor
    from daemon.ports.audit import AuditLog
    from daemon.ports.clock import SystemClock

    caller = Caller(kind="cli", name=who(), uid=os.getuid())
    Auditor(AuditLog(session.state.path), SystemClock(), lambda *_, **__: None).accepted(caller, verb, what)
