"""Play git cases in this process, in a sandbox that is gone at the end, also after Ctrl-C."""

import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from daemon import wiring
from daemon.core.errors import TargetAbsentError, UsageError
from daemon.core.gitcases import (
    Case,
    GitScenario,
    Judged,
    NotConstructibleError,
    Outcome,
    Result,
    Skipped,
    exit_code,
)
from daemon.core.settings import Aws
from daemon.engine.gitcases.origin import Source, lay
from daemon.engine.gitcases.player import NO_WORKER, Player, Worker
from daemon.faces import gitcourses
from daemon.faces.cli import gitshown, tables
from daemon.faces.cli.session import Session
from daemon.faces.cli.signals import interruptible
from daemon.faces.cli.text import write_json
from daemon.ports.sandbox import sandbox
from daemon.ports.world import LocalWorld

Chosen = Sequence[tuple[GitScenario, str]]
LAB = "lab"
# -P: a folder `daemon` in the repository must not be taken for ours.
LAB_WORKER = (sys.executable, "-P", "-m", "daemon.lab.worker.once")


def run(session: Session, chosen: Chosen, words: Mapping[str, Any]) -> int:
    """Play the cases, print them, and return the exit code."""
    seed = wiring.new_seed() if words["seed"] is None else words["seed"]
    worker = None if words["worker"] is None else _worker(words)
    repository = None if words["repository"] is None else _repository(words["repository"])
    source = Source(repository=repository, mainline=words["mainline"], branch=words["branch"])
    results: list[Result] = []
    with interruptible(), sandbox(keep=words["keep"] and worker is not None) as root:
        for result in _results(root, chosen, source, worker, seed, keep=words["keep"]):
            results.append(result)
            if not session.json:
                before = results[-2].case.scenario if len(results) > 1 else None
                first = result.case.scenario is not before
                tables.show(*gitshown.described(gitcourses.result(result), first=first))
    documents = [gitcourses.result(r) for r in results]
    if session.json:
        write_json({"scenarios": documents})
    else:
        tables.show(gitshown.summary(documents))
        if words["keep"] and worker is not None:
            click.echo(f"kept: {root}", err=True)
        elif any(isinstance(r, Judged) and r.outcome is not Outcome.PASSED for r in results):
            click.echo("the sandbox is gone; for the commands above, repeat it with --keep", err=True)
    return exit_code(results)


def _results(
    root: Path, chosen: Chosen, source: Source, worker: Worker | None, seed: int, *, keep: bool
) -> Iterator[Result]:
    if worker is None:
        yield from (Skipped(Case(scenario=s, name=c, seed=seed), NO_WORKER) for s, c in chosen)
        return
    private = root / "private"
    private.mkdir()
    world = LocalWorld(aws=Aws(), private=private)
    try:
        ground = lay(world, str(root), source)
    except NotConstructibleError as error:
        yield from (Skipped(Case(scenario=s, name=c, seed=seed), error.message) for s, c in chosen)
        return
    player = Player(
        world=world, ground=ground, root=str(root), worker=worker, witness=wiring.git_witness, kept=keep
    )
    for scenario, case in chosen:
        yield player.run(scenario, case, seed)


def _repository(path: str) -> str:
    found = Path(path).absolute()
    if not found.is_dir():
        raise TargetAbsentError(f"nothing was started: {path} is no directory", hint="name a git repository")
    return str(found)


def _worker(words: Mapping[str, Any]) -> Worker:
    try:
        first, *more = shlex.split(words["worker"])
    except ValueError as error:
        raise UsageError(f"nothing was started: --worker {words['worker']!r}: {error or 'it is empty'}") from None
    if first == LAB:
        return Worker(arguments=(*LAB_WORKER, "--branch", words["branch"], *more), timeout_s=words["timeout"])
    # It is started in the clone, where a relative path would mean another file.
    found = shutil.which(first)
    if found is None:
        raise UsageError(
            f"nothing was started: --worker: {first} is no program",
            hint="name a program on PATH, or the path of an executable file; no shell is involved",
        )
    return Worker(arguments=(str(Path(found).absolute()), *more), timeout_s=words["timeout"])
