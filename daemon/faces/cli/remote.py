"""Injecting through the running daemon, and following it to its verdict."""

from collections.abc import Mapping
from typing import Any

import click

from daemon.core.errors import ConfigError, UsageError
from daemon.core.events import Verdict
from daemon.faces.cli.calling import UNDO_S, ask
from daemon.faces.cli.progress import Line
from daemon.faces.cli.session import Session
from daemon.faces.cli.signals import noted
from daemon.faces.cli.summary import show, step
from daemon.faces.cli.text import write_json
from daemon.faces.client import Client
from daemon.faces.shapes import EXIT_OF
from daemon.ports.clock import SystemClock


def inject(session: Session, client: Client, asked: Mapping[str, Any], *, wait: bool) -> int:
    """Ask the daemon for one injection, wait for the verdict, print it, return the exit code.

    A signal has the daemon abort and undo it first.
    """
    try:
        injection = str(ask(client, "POST", "/api/v1/injections", asked)["id"])
        if wait:
            return _follow(session, client, injection)
    except ConfigError as error:
        # Parameters that do not fit: here they were typed, so it is wrong usage.
        raise UsageError(error.message, hint=f"see `chaosd faults show {asked['fault']}`") from error
    if session.json:
        write_json({"id": injection})
    else:
        click.echo(injection)
    return 0


PAUSE_S = 0.1  # where many wait, the daemon answers at once


def _follow(session: Session, client: Client, injection: str) -> int:
    line, clock = Line(), SystemClock()
    path = f"/api/v1/injections/{injection}"
    try:
        with noted() as caught:
            while True:
                document = ask(client, "GET", f"{path}?wait=1")
                if document["verdict"] is not None:
                    break
                line.add(step(document))
                clock.wait(None, PAUSE_S)
                if caught.numbers:
                    line.add("aborting")
                    ask(client, "POST", f"{path}/revert", {}, timeout_s=UNDO_S)
    finally:
        line.end()
    code = EXIT_OF[Verdict(document["verdict"])]
    final = code if code == EXIT_OF[Verdict.UNDO_FAILED] else caught.exit_code(code)
    return show(session, document, final)
