"""``chaosd monitor``: tasks, queue, branches, deployment, logs, faults and verdicts; once or live."""

from threading import Event
from typing import TYPE_CHECKING

import click

from daemon.faces.cli.session import Session, common
from daemon.faces.cli.signals import SignalError, interruptible
from daemon.faces.cli.text import write_json
from daemon.faces.cli.types import DURATION

if TYPE_CHECKING:
    from rich.console import Console

    from daemon.faces.cli.fitting import Page
    from daemon.faces.cli.panorama import Panorama

ONCE_S = 20.0  # how long one look waits for its slowest part
WATCH_S = 1.0  # how long a refresh does; what comes later is in the next one
EVERY_LEAST_S = 0.2


@click.command(short_help="Targets, faults and verdicts, once or live.")
@click.option("--watch", is_flag=True, help="Refresh until Ctrl-C or q.")
@click.option("--every", "every_s", type=DURATION, default=2.0, metavar="2s", help="Between two looks of --watch.")
@click.option("--lines", type=click.IntRange(0, 200), default=8, show_default=True, help="Log lines; 0 for none.")
@click.option("--branches", type=click.IntRange(0, 200), default=6, show_default=True, help="Branches; 0 for none.")
@click.option("--no-color", is_flag=True, help="No colours; NO_COLOR says the same.")
@common
@click.pass_obj
def monitor(session: Session, watch: bool, every_s: float, lines: int, branches: int, no_color: bool) -> int:
    """Show tasks, queue, branches, deployment and logs of every target, with faults, verdicts and probes.

    The daemon's latest looks when one runs; else one look of our own. What cannot be seen says why. Exit 0
    whatever is seen. With --watch, -o json prints one document a line.
    """
    from daemon.faces.cli.panorama import panorama

    try:
        with interruptible() as fuse, panorama(session, lines=lines, branches=branches) as seen:
            del fuse
            if watch:
                _watch(session, seen, max(every_s, EVERY_LEAST_S), no_color)
            else:
                seen.gatherer.refresh(ONCE_S)
                if session.json:
                    write_json(seen.document())
                else:
                    _print(session, seen, no_color)
    except SignalError as ended:
        return 0 if watch else ended.exit_code
    return 0


def _watch(session: Session, seen: "Panorama", every_s: float, no_color: bool) -> None:
    """Refresh in place on a terminal; elsewhere print one page, or one line of JSON, after the other."""
    patience_s = min(every_s, WATCH_S)
    if not session.json:
        out = _console(no_color)
        if out.is_terminal and not out.is_dumb_terminal:
            from daemon.faces.cli.screen import hold

            hold(
                out,
                seen.clock,
                every_s,
                refresh=lambda: seen.gatherer.refresh(patience_s),
                draw=lambda: _page(session, seen, out, footer=f" every {every_s:g} s   q quits"),
            )
            return
    never = Event()
    while not never.is_set():
        seen.gatherer.refresh(patience_s)
        if session.json:
            write_json(seen.document(), line=True)
        else:
            _print(session, seen, no_color)
        never.wait(every_s)


def _print(session: Session, seen: "Panorama", no_color: bool) -> None:
    out = _console(no_color)
    out.print(_page(session, seen, out))
    out.file.flush()


def _page(session: Session, seen: "Panorama", out: "Console", *, footer: str = "") -> "Page":
    from daemon.faces.cli.fitting import Mark
    from daemon.faces.cli.page import Frame, page

    size = out.size
    frame = Frame(
        width=size.width, height=size.height if footer else None, mark=Mark.of(out.encoding), footer=footer
    )
    return page(seen.document(), str(session.state.path), frame)


def _console(no_color: bool) -> "Console":
    from daemon.faces.cli import tables

    return tables.console(plain=no_color)
