"""``chaosd settle``: close the case of an injection that could not be undone, in somebody's name."""

import click

from daemon.core.errors import UsageError
from daemon.faces.cli.session import Session, common
from daemon.faces.cli.text import coloured, shown, write_json
from daemon.faces.cli.types import WORDS, who


@click.command(short_help="Answer for what could not be undone.")
@click.argument("injection", type=WORDS, metavar="ID")
@click.option(
    "--because", required=True, type=WORDS, metavar="WHY", help="What you found and did; kept in the journal."
)
@common
@click.pass_obj
def settle(session: Session, injection: str, because: str) -> int:
    """Close the case of injection ID, whose undo failed: you have looked, and answer for what is left.

    Its target is open to injections again. The verdict stays undo-failed; your name and reason stand beside it.
    """
    client = session.daemon()
    if client is not None:
        from daemon.faces.cli.calling import address, ask

        found = ask(client, "POST", address(injection, "settle"), {"because": because, "by": who()})
    else:
        found = _here(session, injection, because)
    if session.json:
        write_json(found)
    else:
        head = shown(found["injection"])
        click.echo(f"{head['id']}  {coloured(head['state'])}  {head['fault']} on {head['target']}\n  {because}")
    return 0


def _here(session: Session, injection: str, because: str) -> dict[str, object]:
    if not session.state.journal.exists():
        raise UsageError(f"not settled: no injection {injection!r}, there is no journal in {session.state.path}")
    from daemon import wiring
    from daemon.faces import shapes
    from daemon.faces.cli.audit import note
    from daemon.faces.cli.signals import noted
    from daemon.faces.cli.undo import settings_in_force, waiting

    with noted(), session.state as state:
        note(session, "settle", injection)
        station = wiring.station(settings_in_force(session), state, waiting())
        try:
            return shapes.injection(station.control.settle(injection, by=who(), because=because))
        finally:
            station.close()
