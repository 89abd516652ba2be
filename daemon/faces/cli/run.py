"""``chaosd run``: the daemon, in the foreground."""

import os
import signal
import sys
import threading

import click

from daemon.engine.watchman import OnWatch
from daemon.faces.cli.session import Session, config_option, state_option


@click.command(short_help="The daemon, in the foreground.")
@click.option("--listen", metavar="HOST:PORT", help="Where metrics and API are; port 0 lets the system choose.")
@click.option("--seed", type=click.IntRange(0), help="Repeats a schedule and its choices.")
@click.option("--until-stdin-closes", is_flag=True, hidden=True, help="End when whoever started us has gone.")
@config_option
@state_option
@click.pass_obj
def run(session: Session, listen: str | None, seed: int | None, until_stdin_closes: bool) -> int:
    """Run the daemon in the foreground: recover, watch, inject on schedule.

    SIGTERM or Ctrl-C undoes everything first, then ends it. SIGHUP reads the configuration again, SIGUSR1 halts.
    """
    watchman = OnWatch(session.state.path, speaks_json=not sys.stderr.isatty())
    flags = {"api.listen": listen, "seed": seed}
    settings = session.settings(flags)
    from daemon import service
    from daemon.ports.supervisor import Supervisor

    if until_stdin_closes:
        threading.Thread(target=_end_with_input, name="stdin", daemon=True).start()
    supervisor = Supervisor(os.environ)
    return service.serve(
        settings, session.state, watchman, read=lambda: session.settings(flags), supervisor=supervisor
    )


def _end_with_input() -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
