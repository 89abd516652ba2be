"""Run scenarios in this process: no engine and no lock are needed; the journal is shared with a running daemon."""

import threading
from collections.abc import Sequence

import click

from daemon import wiring
from daemon.core.course import Course, Purpose
from daemon.core.scenario import Parameters, Scenario
from daemon.core.settings import Settings
from daemon.core.target import Target
from daemon.engine.player import Part
from daemon.engine.stop import StopSwitch
from daemon.engine.theatre import Theatre
from daemon.faces import courses
from daemon.faces.cli import tables
from daemon.faces.cli.scenario import described
from daemon.faces.cli.session import Session
from daemon.faces.cli.signals import Caught, noted
from daemon.faces.cli.text import write_json

POLL_S = 0.1
Ordered = Sequence[tuple[Scenario, Parameters]]


def run(session: Session, settings: Settings, target: Target, ordered: Ordered, seed: int | None) -> int:
    """Run the scenarios one after the other, print them, and return the exit code."""
    documents = []
    with noted() as caught, wiring.theatre(settings, session.state) as theatre:
        for scenario, given in ordered:
            chosen = wiring.new_seed() if seed is None else seed
            part = Part(purpose=Purpose.ALONE, scenario=scenario, given=given, target=target, seed=chosen)
            course = _carry_out(theatre, part, caught)
            document = courses.course(course)
            documents.append(document)
            _tell_swept(theatre, course.ledger.run)
            if not session.json:
                tables.show(*described(document))
            if caught.numbers:
                break
    if session.json:
        write_json({"scenarios": documents})
    return caught.exit_code(0 if all(d["passed"] for d in documents) else 1)


def _carry_out(theatre: Theatre, part: Part, caught: Caught) -> Course:
    """Run it in a thread of its own, so that a signal never meets it in the middle of a step."""
    stop, ended = StopSwitch(), threading.Event()
    outcome: list[Course | BaseException] = []

    def work() -> None:
        try:
            outcome.append(theatre.player.play(part, stop))
        except BaseException as error:  # noqa: BLE001  raised again in the main thread
            outcome.append(error)
        finally:
            ended.set()

    threading.Thread(target=work, name="scenario", daemon=True).start()
    while not ended.wait(POLL_S):
        if caught.numbers:
            stop.set(caught.reason)
    found = outcome[0]
    if isinstance(found, BaseException):
        raise found
    return found


def _tell_swept(theatre: Theatre, run: str) -> None:
    """Say what was removed, or what may remain; that changes no verdict."""
    found = theatre.run(run)
    if found is None:
        return
    if found.swept is None:
        click.echo(f"chaosd: {found.last_error or 'messages of the run may be left'}", err=True)
        click.echo("hint: `chaosd recover` tries again", err=True)
    elif found.swept.reversion.proof:
        click.echo(f"chaosd: {found.swept.reversion.detail}", err=True)
