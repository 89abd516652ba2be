"""``chaosd demo``: from nothing to a table and back to nothing."""

import os
import tempfile
from pathlib import Path
from typing import Any

import click

from daemon.core.errors import UsageError
from daemon.faces.cli.session import Session, output_option
from daemon.faces.cli.text import write_json
from daemon.faces.cli.types import DEFECT

MINUTE_S = 60.0


@click.command(short_help="A guided session: lab, daemon, faults, and a table.")
@click.option("--minutes", type=click.FloatRange(0, 24 * 60), default=0.0, help="Go on for at least that long.")
@click.option("--defect", type=DEFECT, metavar="NAME", help="Let the worker misbehave in one known way.")
@click.option(
    "--dir", "directory", metavar="DIR", help="Where to work: a new or empty directory, removed at the end."
)
@click.option("--port", type=click.IntRange(1, 65535), help="Where metrics and API are; else a free port.")
@click.option(
    "--report", metavar="FILE", help="Where the report goes; else demo-report.html in the state directory."
)
@output_option
@click.pass_obj
def demo(
    session: Session,
    minutes: float,
    defect: str | None,
    directory: str | None,
    port: int | None,
    report: str | None,
) -> int:
    """Start the embedded lab and the daemon, inject each kind of fault on a schedule, watch, and clean up.

    What remains is an HTML report of the session; its place is told at the end.
    Exit 0 when every experiment ended in recovered or no-impact and nothing was left, else 1.
    """
    from daemon.faces.cli.demo import keepsake
    from daemon.faces.cli.demo.session import Demo, Wish
    from daemon.faces.cli.demo.view import final

    file = keepsake.place(report, os.environ)
    wish = Wish(directory=_new(directory), at_least_s=minutes * MINUTE_S, defect=defect, port=port, report=file)
    ended = Demo(wish).run()
    if session.json:
        write_json({"demo": _document(ended)})
    else:
        final(ended)
    return ended.exit_code


def _new(named: str | None) -> Path:
    if named is None:
        # The name alone: the lab makes the directory and removes it.
        return Path(tempfile.mkdtemp(prefix="chaosd-demo-"))
    path = Path(named).absolute()
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UsageError(
            f"no demo was started: {path} is no empty directory", hint="name a new one: it is removed at the end"
        )
    return path


def _document(ended: Any) -> dict[str, Any]:
    return {
        "passed": ended.exit_code == 0,
        "experiments": ended.results,
        "missing": ended.missing,
        "left": ended.left,
        "interrupted": bool(ended.interrupted),
        "metrics": ended.metrics_url,
        "report": ended.report or None,
    }
