"""``chaosd ci``: every experiment of the configuration once, under every scenario wanted, with JUnit at the end."""

from typing import Any

import click

from daemon.faces.cli import complete
from daemon.faces.cli.inject import on_watch
from daemon.faces.cli.session import Session, common

SUITE = "chaosd-junit.xml"


@click.command(short_help="Every experiment once, with scenarios; JUnit and an exit code.")
@click.option(
    "--experiment",
    "experiments",
    multiple=True,
    metavar="NAME",
    shell_complete=complete.experiments,
    help="Only these; all by default.",
)
@click.option(
    "--scenario",
    "scenarios",
    multiple=True,
    metavar="NAME|all",
    shell_complete=complete.scenarios,
    help="Played beside each fault; by default the experiment's own workload, else `basic`.",
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Repeats the choices of an earlier run.")
@click.option("--fail-fast", is_flag=True, help="End after the first that did not hold.")
@click.option(
    "--report",
    "reports",
    multiple=True,
    metavar="FILE",
    help=f"Where to: .xml is JUnit, .html, .md, .json.  [default: {SUITE}]",
)
@common
@click.pass_obj
def ci(session: Session, /, **words: Any) -> int:
    """Carry out every experiment of the configuration once, now, with a scenario beside each fault.

    Schedules are not waited for; the guard's rules hold as ever. Each scenario is played once without a fault
    first: what is broken then is listed, and blamed on no fault.

    Exit 0 when everything held or recovered; 1 when something did not, or could not be told; 77 when something
    was refused and so not tested; 4 when an undo failed.
    """
    watchman = on_watch(session)
    from daemon.faces.cli import campaign

    reports = words["reports"] or (SUITE,)
    paths = [campaign.report_file(name) for name in reports]
    settings = session.settings()
    requests = campaign.requests(settings, words["experiments"], words["scenarios"], words["seed"])
    return campaign.run(session, settings, requests, paths, watchman, fail_fast=words["fail_fast"])
