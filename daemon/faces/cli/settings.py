"""``chaosd config``: check, show, schema, init."""

import json
import sys
from pathlib import Path

import click

from daemon.core.errors import UsageError
from daemon.faces.cli import complete
from daemon.faces.cli.group import Suggesting
from daemon.faces.cli.session import Session, config_option, output_option, reading
from daemon.faces.cli.text import number, write_json


@click.group(cls=Suggesting, short_help="Check, show or begin a chaosd.yaml.")
def config() -> None:
    """Check, show or begin a chaosd.yaml."""


@config.command()
@click.argument("file", required=False)
@config_option
@output_option
@click.pass_obj
def check(session: Session, file: str | None) -> int:
    """Read the configuration and report every mistake in it; exit 78 when there is one."""
    session.config = file or session.config
    path = session.need_config()
    found = session.settings()
    from daemon import wiring
    from daemon.config import notes

    noted = notes(found, wiring.faults())
    counts = {
        "targets": len(found.targets),
        "probes": len(found.probes),
        "experiments": len(found.experiments),
    }
    if session.json:
        write_json({"file": str(path), "valid": True, **counts, "notes": list(noted)})
    else:
        click.echo(f"{path} is valid: " + ", ".join(plural(n, what) for what, n in counts.items()))
        for note in noted:
            click.echo(f"note: {note}", err=True)
    return 0


def plural(count: int, things: str) -> str:
    """Return ``1 probe`` or ``2 probes``."""
    return f"{count} {things.removesuffix('s') if count == 1 else things}"


@config.command("show")
@click.argument("file", required=False)
@config_option
@output_option
@click.pass_obj
def show(session: Session, file: str | None) -> int:
    """Print every value in force and where it came from."""
    from daemon.config import origins

    session.config = file or session.config
    found = origins(session.need_config(), **reading())
    if session.json:
        write_json({"config": [{"key": o.key, "value": o.value, "origin": o.origin} for o in found]})
        return 0
    from daemon.faces.cli import tables

    rows = [[o.key, "-" if o.value is None else number(o.value), o.origin] for o in found]
    tables.show(tables.table((tables.Column("key", whole=True), "value", "origin"), rows))
    return 0


@config.command()
@output_option
def schema() -> int:
    """Print the JSON schema of the file, for editors."""
    from daemon.config import schema as described

    click.echo(json.dumps(described(), indent=2))
    return 0


@config.command()
@click.argument("file", default="chaosd.yaml", shell_complete=complete.files)
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@click.option("--ask/--no-ask", default=None, help="Ask for what was not found; by default on a terminal only.")
@click.option("--target", metavar="NAME", help="What to call the target.")
@click.option("--worktree", metavar="PATH", shell_complete=complete.directories, help="The worker's clone.")
@click.option("--queue", metavar="URL", help="The worker's input queue.")
@click.option("--cluster", metavar="NAME", help="Its ECS cluster.")
@click.option("--service", metavar="NAME", help="Its ECS service.")
@click.option("--region", metavar="NAME", help="Its AWS region.")
def init(file: str, force: bool, ask: bool | None, **given: str | None) -> int:
    """Write a commented FILE to begin with (chaosd.yaml; - is stdout).

    What can be found is filled in: the git clone around this directory, the cluster and service of the ECS task
    this runs in, queues and region in the environment. It injects nothing until you add an experiment.
    """
    from daemon.config import starter
    from daemon.faces.cli import detect

    path = Path(file)
    if file != "-" and not force and path.exists():
        raise UsageError(f"nothing was written: {path} exists", hint="--force replaces it")
    found = detect.found(given, ask=sys.stdin.isatty() if ask is None else ask)
    if file == "-":
        click.echo(starter(found), nl=False)
        return 0
    try:
        with path.open("w" if force else "x") as handle:
            handle.write(starter(found))
    except FileExistsError:
        raise UsageError(f"nothing was written: {path} exists", hint="--force replaces it") from None
    except OSError as error:
        raise UsageError(f"nothing was written: {path}: {error.strerror}") from error
    click.echo(f"wrote {path}; next: edit it, then `chaosd config check`")
    return 0
