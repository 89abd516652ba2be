"""Run scenarios in this process: no engine and no lock are needed, only what the observer may look at."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import click

from daemon import wiring
from daemon.core.course import Course
from daemon.core.errors import ChaosdError
from daemon.core.model import Target
from daemon.core.scenario import Parameters, Scenario
from daemon.core.settings import Settings
from daemon.engine.stop import StopSwitch
from daemon.engine.workload import Workload
from daemon.faces import courses
from daemon.faces.cli import tables
from daemon.faces.cli.scenario import described
from daemon.faces.cli.session import Session
from daemon.faces.cli.signals import Caught, noted
from daemon.faces.cli.text import write_json
from daemon.ports.world import LocalWorld

POLL_S = 0.1
Ordered = Sequence[tuple[Scenario, Parameters]]


def run(session: Session, settings: Settings, target: Target, ordered: Ordered, seed: int | None) -> int:
    """Run the scenarios one after the other, print them, and return the exit code."""
    world = LocalWorld(aws=settings.aws, private=session.state.make().private)
    workload = Workload(world=world, target=target, every_s=settings.sampling.probe_every_s)
    documents = []
    with noted() as caught:
        for scenario, given in ordered:
            chosen = wiring.new_seed() if seed is None else seed
            job = _Job(workload, scenario, given, chosen, wiring.new_id(world))
            document = courses.course(_carry_out(job, caught))
            documents.append(document)
            if not session.json:
                tables.show(*described(document))
            if caught.numbers:
                break
    if session.json:
        write_json({"scenarios": documents})
    return caught.exit_code(0 if all(d["passed"] for d in documents) else 1)


@dataclass(frozen=True, slots=True)
class _Job:
    """One scenario to run."""

    workload: Workload
    scenario: Scenario
    given: Parameters
    seed: int
    run: str


def _carry_out(job: _Job, caught: Caught) -> Course:
    """Run it in a thread of its own, so that a signal never meets it in the middle of a step."""
    stop, ended = StopSwitch(), threading.Event()
    outcome: list[Course | BaseException] = []

    def work() -> None:
        try:
            outcome.append(_in_thread(job, stop))
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


def _in_thread(job: _Job, stop: StopSwitch) -> Course:
    sent: list[str] = []
    workload = replace(job.workload, told=sent.append)
    witness = wiring.witness(workload.target, job.run, workload.world)
    try:
        course = workload.run(job.scenario, job.given, witness, run=job.run, seed=job.seed, stop=stop)
    except BaseException:
        if sent:
            _sweep(job, len(sent))
        raise
    state = course.ledger.queue
    if sent and (state is None or state.dead or state.after.waiting):
        _sweep(job, len(course.ledger.sent))
    return course


def _sweep(job: _Job, sent: int) -> None:
    """Remove what is left of the run's messages; what may remain is said, and changes no verdict."""
    try:
        said: Any = wiring.sweep(job.workload.target, job.run, sent, job.workload.world)
        click.echo(f"chaosd: {said}", err=True)
    except ChaosdError as error:
        click.echo(f"chaosd: {error.message}", err=True)
