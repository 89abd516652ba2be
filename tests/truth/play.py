"""Play one cell: a real lab, a scenario through the command line, and what disturbs it meanwhile."""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time  # noqa: TID251 - real processes take real time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import IO, Any

from daemon.lab import lab
from daemon.lab.detour import Detour
from daemon.lab.emulator import free_port
from daemon.lab.model import LabInfo
from daemon.lab.provision import Clients, clients
from tests import proxies
from tests.truth.cells import CELLS, MOST, SETTLE, Inject, Outside
from tests.truth.matrix import CORRECT, Outcome, outcome
from tests.truth.outside import await_work, disturbed, tips
from tests.truth.proof import doubts
from tests.waiting import wait_for

CHAOSD = str(Path(sys.executable).parent / "chaosd")
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
SCENARIO_TIMEOUT_S = 150.0
UNDO_TIMEOUT_S = 60.0
IN_FORCE_S = 120.0
CLONED_S = 120.0
WAITS = {"most": MOST, "settle": SETTLE}
BUILD_S = 1.0
TRIES = 5  # to inject
REFUSED = 77
POLL_S = 0.1
TASKS = 2
TARGET = "editor"
_numbers = count(1)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A running lab with one kind of worker, and chaosd's configuration for it."""

    worker: str
    info: LabInfo
    aws: Clients
    directory: Path
    injecting: str = ""  # the one state directory of all injections: that of the proxy, where there is one

    def start(self, state: str, *arguments: str, output: IO[str] | None = None) -> "subprocess.Popen[str]":
        """Start chaosd with JSON output, into ``output`` or a pipe, and a state directory of its own."""
        config = ("-c", str(self.directory / "chaosd.yaml"), "--state-dir", str(self.directory / state))
        return subprocess.Popen(
            [CHAOSD, *config, *(() if arguments[0] == "run" else ("-o", "json")), *arguments],
            stdout=output or subprocess.PIPE,
            stderr=subprocess.DEVNULL if output else subprocess.PIPE,
            text=True,
            env={**os.environ, **CREDENTIALS},
        )


@contextmanager
def staged(worker: str, *, through: str = "") -> Iterator[Stage]:
    """Hold a lab with the correct worker, or with one that has the defect ``worker``.

    ``through``: what of its traffic is behind a fault proxy, ``aws`` or ``git``.
    """
    with tempfile.TemporaryDirectory(prefix="chaosd-truth-") as name:
        directory = Path(name)
        defect = None if worker == CORRECT else worker
        detour = Detour(
            behind=f"http://127.0.0.1:{free_port()}" if through == "aws" else None,
            relay=f"127.0.0.1:{free_port()}" if through == "git" else None,
        )
        info = lab.up(directory / "lab", tasks=TASKS, defect=defect, build_s=BUILD_S, detour=detour)
        config = info.config_yaml()
        (directory / "chaosd.yaml").write_text(proxies.undisturbed(config) if through else config)
        aws = clients(info.endpoint_url)
        stage = Stage(
            worker=worker, info=info, aws=aws, directory=directory, injecting="proxied" if through else ""
        )
        try:
            with _proxied(stage):
                # Workers that came before their relay clone only now; what is judged must be there from the first.
                wait_for("the clones", lambda: len(list(info.clones.glob("*/.git/HEAD"))) == TASKS, CLONED_S)
                yield stage
        finally:
            for client in (aws.sqs, aws.ecs, aws.s3, aws.logs):
                client.close()
            lab.down(info.directory)


def _proxied(stage: Stage) -> AbstractContextManager[None]:
    """Hold the fault proxy, where there is to be one; workers that come before it try until they reach it."""
    if not stage.injecting:
        return nullcontext()
    config = ("-c", str(stage.directory / "chaosd.yaml"))
    return proxies.running(stage.directory / stage.injecting, options=config)


def play(stage: Stage, name: str, seed: int) -> Outcome:
    """Play a cell once and read the verdict."""
    cell, started_s = CELLS[name], time.monotonic()
    words = [f"--set={key}={value}" for key, value in (WAITS | dict(cell.settings)).items()]
    after_s = random.Random(seed).uniform(*cell.after_s)
    beside: list[dict[str, Any]] = []
    first = isinstance(cell.disturbance, Inject) and cell.disturbance.first
    with ExitStack() as around:
        if isinstance(cell.disturbance, Inject) and first:
            around.enter_context(_injected(stage, cell.disturbance, seed, after_s, beside))
            wait_for("the fault", lambda: proxies.in_force(stage.directory / stage.injecting), IN_FORCE_S)
        scenario = stage.start(
            f"state-{next(_numbers)}", "scenario", "run", cell.scenario, "--seed", str(seed), *words
        )
        around.callback(_end, scenario)
        if isinstance(cell.disturbance, Outside):
            name_of, hold_s = cell.disturbance.name, cell.disturbance.hold_s
            around.enter_context(disturbed(name_of, after_s, hold_s, stage.info, stage.aws))
        if isinstance(cell.disturbance, Inject) and not first:
            around.enter_context(_injected(stage, cell.disturbance, seed, after_s, beside))
        try:
            out, err = scenario.communicate(timeout=SCENARIO_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return Outcome(worker=stage.worker, cell=name, seed=seed, problem="no verdict in time")
        # While everything still is as it was judged: the disturbance is taken back when this block ends.
        found = _read(stage, name, seed, out, f"exit {scenario.returncode}: {err.strip()[-300:]}")
    found = replace(found, took_s=time.monotonic() - started_s)
    if isinstance(cell.disturbance, Inject) and not any(_has_struck(one) for one in beside):
        return replace(found, problem=found.problem or f"the fault did not strike: {beside}"[:600])
    return found


def _read(stage: Stage, name: str, seed: int, out: str, otherwise: str) -> Outcome:
    try:
        document = json.loads(out)
        found = outcome(document, worker=stage.worker, cell=name, seed=seed)
    except (ValueError, KeyError, TypeError) as error:
        words = f"{type(error).__name__} {error}: {otherwise}"
        return Outcome(worker=stage.worker, cell=name, seed=seed, problem=words)
    return replace(found, unproved=doubts(document, stage.info, stage.aws))


def _has_struck(document: dict[str, Any]) -> bool:
    """Tell whether a fault was injected and, where it says what it hit, whether that was anything."""
    proof = document.get("undo", {}).get("proof", {})
    return bool(document.get("injection", {}).get("injected_at")) and proof.get("hit", True) != 0


@contextmanager
def _injected(
    stage: Stage, wanted: Inject, seed: int, after_s: float, documents: list[dict[str, Any]]
) -> Iterator[None]:
    """Inject ``after_s`` seconds after the first push, or at once; undone and documented when the block ends."""
    over = threading.Event()
    before = tips(stage.info)
    started: list[subprocess.Popen[str]] = []

    def inject() -> None:
        if not wanted.first and not await_work(stage.info, before, after_s, over):
            return
        words = (
            "inject",
            wanted.fault,
            "--target",
            TARGET,
            "--mode",
            wanted.mode,
            "--for",
            wanted.hold,
            "--seed",
            str(seed),
            *(f"--set={key}={value}" for key, value in wanted.settings.items()),
        )
        for _ in range(TRIES):
            state = stage.injecting or f"state-{next(_numbers)}"
            started.append(process := stage.start(state, *words))
            # A git at work holds the lock itself: that is a refusal, at once. Anything else goes on.
            while process.poll() is None and not over.wait(POLL_S):
                pass
            if process.returncode != REFUSED or over.is_set():
                return

    injector = threading.Thread(target=inject, name="injector")
    injector.start()
    try:
        yield
    finally:
        over.set()
        injector.join()
        for process in started:
            text = _end(process)
            documents.append(json.loads(text) if text.startswith("{") else {"error": text})


def _end(process: "subprocess.Popen[str]") -> str:
    """Ask chaosd to undo and leave; it has as long as an undo may take."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    if process.stdout is None or process.stdout.closed:
        return ""
    try:
        return process.communicate(timeout=UNDO_TIMEOUT_S)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[0]
