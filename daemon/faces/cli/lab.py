"""``chaosd lab``: the embedded lab alone, and the configuration that points at it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from daemon.core.errors import ChaosdError
from daemon.faces.cli.group import Suggesting
from daemon.faces.cli.session import Session, output_option, state_option
from daemon.faces.cli.signals import interruptible
from daemon.faces.cli.text import fields, write_json
from daemon.faces.cli.types import DEFECT


@click.group(cls=Suggesting, short_help="The embedded lab alone: up, down, status.")
def lab() -> None:
    """Run the embedded lab: an AWS emulator on loopback, a git remote, and a real worker."""


@lab.command()
@click.option("--dir", "directory", metavar="DIR", help="Where; an empty or new directory.")
@click.option(
    "--tasks", type=click.IntRange(1, 20), default=2, show_default=True, help="Tasks of the worker's service."
)
@click.option("--defect", type=DEFECT, metavar="NAME", help="A known way for the worker to misbehave.")
@click.option(
    "--behind", metavar="URL", help="The worker's SQS and S3 are at this fault proxy: http://127.0.0.1:4510."
)
@click.option(
    "--relay", metavar="HOST:PORT", help="The worker's git remote is at this relay of it: 127.0.0.1:9419."
)
@state_option
@output_option
@click.pass_obj
def up(session: Session, /, directory: str | None, tasks: int, defect: str | None, **detour: str | None) -> int:
    """Start the lab in the background and print the chaosd.yaml that points at it."""
    from daemon.lab import lab as lab_of
    from daemon.lab.detour import Detour

    with translated(), interruptible() as fuse:

        def ready(step: str) -> None:
            click.echo(f"chaosd: {step}", err=True)
            fuse.arm()  # from here on the lab ends what it has begun

        fuse.armed = False
        info = lab_of.up(
            _directory(session, directory), tasks=tasks, defect=defect, detour=Detour(**detour), ready=ready
        )
        fuse.armed = False
    config = info.directory / "chaosd.yaml"
    config.write_text(info.config_yaml())
    if session.json:
        write_json({"lab": info.to_json(), "config": str(config)})
        return 0
    click.echo(config.read_text(), nl=False)
    click.echo(f"chaosd: the lab is up; the file above is {config}; `chaosd lab down` ends it", err=True)
    return 0


@lab.command()
@click.option("--dir", "directory", metavar="DIR", help="Where it is.")
@state_option
@output_option
@click.pass_obj
def down(session: Session, directory: str | None) -> int:
    """End the lab and remove its directory."""
    from daemon.lab import lab as lab_of

    with translated():
        ended = lab_of.down(_directory(session, directory))
    if session.json:
        write_json({"ended": ended})
    else:
        click.echo("the lab is down, nothing is left" if ended else "there was no lab")
    return 0


@lab.command()
@click.option("--dir", "directory", metavar="DIR", help="Where it is.")
@state_option
@output_option
@click.pass_obj
def status(session: Session, directory: str | None) -> int:
    """Show whether the lab runs, where, and its tasks; exit 1 when it does not run."""
    from daemon.lab import lab as lab_of

    found = lab_of.status(_directory(session, directory))
    running = found is not None and found.running
    info = found.info if found else None
    tasks = (
        [{"task": t.task_arn, "pid": t.pid, "started_at_s": t.started_at_s} for t in found.tasks] if found else []
    )
    if session.json:
        write_json({"running": running, "lab": info.to_json() if info else None, "tasks": tasks})
    elif found is None:
        click.echo("there is no lab")
    else:
        rows = [("lab", "running" if running else "not running: `chaosd lab down` clears it away")]
        rows += [("endpoint", info.endpoint_url), ("config", str(info.directory / "chaosd.yaml"))] if info else []
        rows += [("task", f"{t['task']} pid {t['pid']}") for t in tasks]
        click.echo(fields(rows, indent=0))
    return 0 if running else 1


@contextmanager
def translated() -> Iterator[None]:
    """Turn the lab's own error into one the command line knows."""
    from daemon.lab.errors import LabError

    try:
        yield
    except LabError as error:
        text = str(error)
        raise ChaosdError(text[:1].lower() + text[1:]) from error


def _directory(session: Session, named: str | None) -> Path:
    return Path(named).absolute() if named else session.state.path / "lab"
