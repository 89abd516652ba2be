"""``chaosd recover`` and ``chaosd revert``: take back what chaosd did, through the daemon or here."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from daemon.core.errors import ConfigError, UndoFailedError, UsageError
from daemon.faces.cli.session import Session, common
from daemon.faces.cli.text import coloured, shown, write_json
from daemon.faces.cli.types import WORDS

if TYPE_CHECKING:
    from daemon.core.settings import Settings
    from daemon.salvage import Rescued
    from daemon.wiring import Audience

FAILED = UndoFailedError.exit_code
LEFT = frozenset({"planned", "injected", "revert-failed"})


@click.command(short_help="Revert everything that is ours and still there.")
@common
@click.pass_obj
def recover(session: Session) -> int:
    """Revert everything the journal says is ours and still there; safe to run at any time.

    Exit 0 when nothing is left, 4 when something could not be taken back, or may be unknown: a damaged journal is
    saved as far as it can be read, and nothing is injected until `chaosd resume`.
    """
    client, rescued = session.daemon(), None
    if client is not None:
        from daemon.faces.cli.calling import UNDO_S, ask

        answer = ask(client, "POST", "/api/v1/recover", {}, timeout_s=UNDO_S)
        found, runs = answer["injections"], answer["runs"]
    else:
        found, runs, rescued = _everything(session)
        return _tell(session, found, runs, rescued)
    return _tell(session, found, runs)


@click.command(short_help="Take one injection back, or all.")
@click.argument("injection", type=WORDS, metavar="ID", required=False)
@click.option("--all", "everything", is_flag=True, help="Every active one and whatever is outstanding.")
@common
@click.pass_obj
def revert(session: Session, injection: str | None, everything: bool) -> int:
    """Take injection ID back: a running one is aborted first. With --all, every one."""
    if (injection is None) is not everything:
        raise UsageError(
            "not reverting: give one ID or --all", hint="`chaosd status` and `chaosd history` list ids"
        )
    client = session.daemon()
    if client is None and injection is None:
        return _tell(session, *_everything(session))
    if client is None:
        return _tell(session, _one(session, str(injection)))
    from daemon.faces.cli.calling import UNDO_S, address, ask

    if injection is not None:
        return _tell(session, [ask(client, "POST", address(injection, "revert"), {}, timeout_s=UNDO_S)])
    active = ask(client, "GET", "/api/v1/status")["active"]
    ids = [document["injection"]["id"] for document in active]
    found = [ask(client, "POST", address(i, "revert"), {}, timeout_s=UNDO_S) for i in ids]
    rest = ask(client, "POST", "/api/v1/recover", {}, timeout_s=UNDO_S)
    return _tell(session, [*found, *rest["injections"]], rest["runs"])


Documents: TypeAlias = Sequence[dict[str, Any]]


def _everything(session: Session) -> "tuple[Documents, Documents, Rescued | None]":
    """Recover with the engine in this process, and return injections and runs; signals wait until it is through."""
    if not session.state.used:
        return [], [], None
    from daemon import salvage
    from daemon.faces import shapes
    from daemon.faces.cli.audit import note
    from daemon.faces.cli.signals import noted
    from daemon.ports.supervisor import Supervisor

    with noted(), session.state as state:
        note(session, "recover", "")
        told = Supervisor(os.environ)
        rescued = salvage.recover(settings_in_force(session), state, waiting(), told)
    return shapes.injections(rescued.found.injections), shapes.scenario_runs(rescued.found.runs), rescued


def _one(session: Session, injection: str) -> Documents:
    """Revert one with the engine in this process; signals wait until it is through."""
    if not session.state.journal.exists():
        raise UsageError(f"not reverting: no injection {injection!r}, there is no journal in {session.state.path}")
    from daemon import wiring
    from daemon.faces import shapes
    from daemon.faces.cli.audit import note
    from daemon.faces.cli.signals import noted

    with noted(), session.state as state:
        note(session, "revert", injection)
        station = wiring.station(settings_in_force(session), state, waiting())
        try:
            if station.journal.injection(injection) is None:
                raise UsageError(f"not reverting: no injection {injection!r}", hint="see `chaosd history`")
            found = (station.control.revert(injection, "reverted by request"),)
        finally:
            station.close()
    return shapes.injections(found)


def waiting() -> "Audience":
    """Return an audience that is told on stderr for whom a revert has to wait."""
    from daemon import wiring

    return wiring.Audience(waiting=lambda what: click.echo(f"chaosd: {what}", err=True))


def settings_in_force(session: Session) -> "Settings":
    """Return the configuration; where there is none, where AWS is comes from the environment alone."""
    from daemon import wiring
    from daemon.core.settings import Aws

    try:
        if session.config_path() is not None:
            return session.settings()
    except ConfigError as error:
        if session.named_config is not None:
            raise
        # A broken file nobody named must not stand between an operator and his undo.
        click.echo(f"chaosd: going on without the configuration: {error.message}", err=True)
    from dataclasses import replace

    region, endpoint = os.environ.get("CHAOSD_AWS_REGION"), os.environ.get("CHAOSD_AWS_ENDPOINT_URL")
    return replace(wiring.ad_hoc("/"), aws=Aws(region=region or None, endpoint_url=endpoint or None))


def _tell(session: Session, found: Documents, runs: Documents = (), rescued: "Rescued | None" = None) -> int:
    failed = [document for document in found if document["injection"]["state"] in LEFT]
    failed += [run for run in runs if run["state"] != "swept"]
    accounted = rescued is None or rescued.accounted
    if session.json:
        journal = {"journal": _of_journal(rescued)} if rescued and (rescued.damaged or rescued.unrecorded) else {}
        write_json({"injections": list(found), "runs": list(runs), "remaining": len(failed), **journal})
    elif not found and not runs:
        click.echo(_nothing(session) if accounted else "nothing that is known of to recover")
    else:
        for document in found:
            _line(shown(document))
        for run in runs:
            _line_of_run(shown(run))
    if rescued is not None:
        _warn(rescued)
    if failed:
        click.echo(
            f"chaosd: {len(failed)} could not be taken back, residue may remain\n"
            "hint: look at the error above, put it right, then run `chaosd recover` again; `chaosd settle ID"
            ' --because "..."` closes what you put right by hand',
            err=True,
        )
    return FAILED if failed or not accounted else 0


def _nothing(session: Session) -> str:
    """Return that nothing is to be done, and where: a directory that was never one of ours may be misspelt."""
    return "nothing to recover" + ("" if session.state.used else f": no chaosd has worked in {session.state.path}")


def _of_journal(rescued: "Rescued") -> dict[str, Any]:
    salvaged = rescued.salvaged
    return {
        "damaged": str(rescued.damaged) if rescued.damaged else None,
        "unrecorded": rescued.unrecorded.message if rescued.unrecorded else None,
        "findings": list(salvaged.findings) if salvaged else [],
        "unaccounted": list(salvaged.unaccounted) if salvaged else [],
    }


def _warn(rescued: "Rescued") -> None:
    salvaged = rescued.salvaged
    if rescued.unrecorded is not None:
        click.echo(
            f"chaosd: what was undone could not be journalled: {rescued.unrecorded.message}\n"
            "hint: make the state directory writable, then run `chaosd recover` again: it looks at each once more",
            err=True,
        )
    if rescued.damaged is not None and salvaged is not None:
        click.echo(
            f"chaosd: the journal was damaged; {salvaged.records} records were saved, the old file is"
            f" {rescued.damaged}; nothing is injected until `chaosd resume`",
            err=True,
        )
    for line in salvaged.findings if salvaged else ():
        click.echo(f"  {line}", err=True)
    for line in salvaged.unaccounted if salvaged else ():
        click.echo(f"chaosd: its fate is unknown, residue may remain: {line}", err=True)


def _line_of_run(run: dict[str, Any]) -> None:
    detail = f"\n  {run['detail']}" if run["detail"] else ""
    click.echo(f"{run['run']}  {coloured(run['state'])}  scenario {run['scenario']} on {run['target']}{detail}")


def _line(document: dict[str, Any]) -> None:
    from daemon.faces.cli.summary import kind

    head, undone = document["injection"], document["undo"]
    state = "nothing was injected" if head["state"] in ("dropped", "refused", "proposed") else head["state"]
    detail = f"\n  {undone['detail']}" if undone["detail"] else ""
    click.echo(f"{head['id']}  {coloured(state)}  {kind(head)} on {head['target']}{detail}")
