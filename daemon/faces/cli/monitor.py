"""``chaosd monitor``: what the probes see, what is active, and the latest verdicts; once or live."""

from collections.abc import Mapping
from threading import Event
from typing import TYPE_CHECKING, Any

import click

from daemon.faces.cli import tables
from daemon.faces.cli.desk import situation
from daemon.faces.cli.past import latest
from daemon.faces.cli.session import Session, common
from daemon.faces.cli.signals import SignalError, interruptible
from daemon.faces.cli.text import write_json
from daemon.faces.cli.types import DURATION

if TYPE_CHECKING:
    from rich.console import Group

LATEST = 5


@click.command(short_help="Targets, faults and verdicts, once or live.")
@click.option("--watch", is_flag=True, help="Refresh until Ctrl-C.")
@click.option("--every", "every_s", type=DURATION, default=2.0, metavar="2s", help="Between two looks of --watch.")
@common
@click.pass_obj
def monitor(session: Session, watch: bool, every_s: float) -> int:
    """Show tasks, queues, branches, deployment and logs as the probes see them, with faults and verdicts.

    The daemon's latest looks when one runs; else one look of our own. Exit 0 whatever is seen.
    """
    if session.json or not watch:
        found = _found(session)
        if session.json:
            write_json(found)
        else:
            tables.console().print(_page(session, found))
        return 0
    return _watch(session, max(every_s, 0.2))


def _watch(session: Session, every_s: float) -> int:
    """Refresh in place on a terminal; elsewhere print one page after the other. Ctrl-C is how it ends: exit 0."""
    from rich.live import Live

    out, never = tables.console(), Event()
    try:
        with interruptible():
            if not out.is_terminal:
                while True:
                    out.print(_page(session, _found(session)))
                    out.file.flush()
                    never.wait(every_s)
            with Live(_page(session, _found(session)), console=out, auto_refresh=False) as live:
                while not never.wait(every_s):
                    live.update(_page(session, _found(session)), refresh=True)
    except SignalError:
        return 0
    return 0


def _found(session: Session) -> dict[str, Any]:
    now = situation(session)
    if now["daemon"] is None and session.config_path() is not None:
        from daemon.faces.cli.looking import look

        settings = session.settings()
        # A canary sends a message: that is for the daemon, or for who asks for it by name.
        chosen = [p for p in settings.probes if p.probe != "pipeline-canary"]
        now = {**now, "observations": look(settings, chosen)}
    return {**now, "latest": latest(session, LATEST)}


def _page(session: Session, found: Mapping[str, Any]) -> "Group":
    from rich.console import Group

    running = f"pid {found['daemon']['pid']}" if found["daemon"] else "no daemon"
    parts: list[Any] = [tables.word(f"chaosd, {running}, state in {session.state.path}")]
    if found["halted"]:
        parts.append(tables.word(f"halted: {found['halted']}"))
    if found["observations"]:
        parts.append(tables.of_observations(found["observations"], title="probes"))
    else:
        parts.append(tables.word("no probe has looked: start the daemon, or name a configuration"))
    filled = [title for title in ("active", "outstanding", "latest") if found[title]]
    parts += [tables.of_injections(found[title], title=title) for title in filled]
    if found["next"]:
        rows = [[n["experiment"], n["at"]] for n in found["next"]]
        parts.append(tables.table(("experiment", "at"), rows, title="next"))
    return Group(*parts)
