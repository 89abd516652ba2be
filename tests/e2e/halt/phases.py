"""A real daemon with a git fault on a real clone, halted in a phase of its choice; how long until all is undone."""

import json
import os
import signal
import subprocess
import sys
import time  # noqa: TID251 - measures a real process
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemon.faces.client import Client
from tests.e2e.git.tree import changed, look, make_repository
from tests.waiting import wait_for

ROOT = Path(__file__).parents[3]
PHASES = ("steady-before", "prepare", "inject", "observing", "reverting", "recovering")
WAIT_S = 120.0  # for real processes on a machine that has other things to do
CONFIG = """
version: 1
seed: 42
targets: {{clone: {{repository: {{worktree: {at}/clone}}, limits: {{recover: 60s}}}}}}
probes:
  - {{name: health, probe: git-health, target: clone, every: 1h}}
  - {{name: gate, probe: command, target: clone, every: 1h, run: "test ! -e {at}/closed"}}
  - {{name: users, probe: command, target: clone, every: 1h, run: "test ! -e {at}/angry"}}
steady_state: {{clone: [health, gate]}}
experiments:
  - {{name: corrupt, fault: git-corrupt, target: clone, every: 1s, for: {hold}, set: {{mode: head-garbage}}}}
guard: {{halt_file: {at}/halt-here, stop_when: [{{probe: users, is: failing, for: 300ms}}]}}
sampling: {{stable_for: {stable}}}
api: {{listen: "127.0.0.1:0"}}
"""


@dataclass
class Life:
    """One daemon's life: its process and its log."""

    process: subprocess.Popen[str]
    log: Path
    client: Client

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = (json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{"))
        return [event for event in lines if event.get("event") == name]

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait, bounded, until it holds."""

        def held() -> bool:
            found = bool(condition())
            assert found or self.process.poll() is None, self.log.read_text()
            return found

        wait_for(what, held, WAIT_S, 0.005)


@dataclass(frozen=True)
class Measured:
    """What a halt came to. ``undone_s``: from asking for it until nothing of the fault is left."""

    phase: str
    undone_s: float
    verdict: str


@contextmanager
def life(at: Path, phase: str) -> Iterator[Life]:
    """Run the daemon; its fault lingers in the step the phase is about."""
    stable = "60s" if phase == "recovering" else "100ms"
    hold = "1s" if phase in ("reverting", "recovering") else "10m"
    (at / "chaosd.yaml").write_text(CONFIG.format(at=at, stable=stable, hold=hold))
    log = at / f"log{len(list(at.glob('log*')))}"
    said = {"LINGER": phase, "MARK": str(at / "mark"), "NO_COLOR": "1"}
    words = ["-c", str(at / "chaosd.yaml"), "--state-dir", str(at / "state"), "run"]
    with log.open("w") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.halt.slowed", *words],
            stderr=err, stdout=subprocess.DEVNULL, text=True, cwd=ROOT, env={**os.environ, **said},
        )  # fmt: skip
    try:
        running = Life(process, log, Client(at / "state" / "control.sock"))
        running.until(lambda: running.events("daemon.started"), "start")
        yield running
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def reached(running: Life, at: Path, phase: str) -> bool:
    """Tell whether the experiment is in the phase now."""
    match phase:
        case "steady-before":
            return bool(running.events("experiment.proposed"))
        case "prepare" | "inject" | "reverting":
            return (at / "mark").exists()
        case "observing":
            return bool(running.events("fault.injected"))
        case _:
            return bool(running.events("fault.reverted"))


def by_api(running: Life, _: Path) -> None:
    running.client.call("POST", "/api/v1/halt", {"reason": "enough"})


def by_signal(running: Life, _: Path) -> None:
    running.process.send_signal(signal.SIGUSR1)


def by_file(_: Life, at: Path) -> None:
    (at / "halt-here").write_text("enough")


def by_file_in_state(_: Life, at: Path) -> None:
    (at / "state" / "HALT").write_text("enough")


def halt_in(at: Path, phase: str, how: Callable[[Life, Path], None] = by_api) -> Measured:
    """Halt in a phase, see that it is undone, nothing follows, and a restart is halted still."""
    before = look(make_repository(at / "clone"))
    if phase == "steady-before":
        (at / "closed").touch()
    with life(at, phase) as running:
        running.until(lambda: reached(running, at, phase), phase)
        began_s = time.monotonic()
        how(running, at)
        if phase == "recovering":  # already undone: what must end is the waiting
            running.until(lambda: running.events("experiment.judged"), "verdict")
        else:
            done = "experiment.judged" if phase == "steady-before" else "fault.reverted"
            running.until(lambda: running.events(done), "undo")
        undone_s = time.monotonic() - began_s
        assert changed(before, look(at / "clone")) == []
        running.until(lambda: running.events("experiment.judged"), "verdict")
        verdict = running.events("experiment.judged")[0]["verdict"]
        halted_still(running)
        assert len(running.events("fault.planned")) <= 1
        running.process.terminate()
        running.process.wait(WAIT_S)
    (at / "closed").unlink(missing_ok=True)
    with life(at, phase) as again:
        halted_still(again)
        assert not again.events("fault.planned")
    assert changed(before, look(at / "clone")) == []
    return Measured(phase, undone_s, verdict)


def halted_still(running: Life) -> None:
    """See two scheduled experiments refused by the halt."""
    count = len(running.events("experiment.refused"))
    running.until(lambda: len(running.events("experiment.refused")) >= count + 2, "refusal")
    assert {event["rule"] for event in running.events("experiment.refused")} == {"halted"}
    assert running.client.call("GET", "/api/v1/status")["daemon"]["halted"]
