"""A daemon that hangs, a guardian that dies, a guardian that does not answer: each with real processes."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time  # noqa: TID251 - bounds the waits for real processes
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from daemon.faces.client import Client
from tests.e2e.git.tree import changed, look, make_repository
from tests.e2e.guardian.kit import COMM, Chaosd, Stage, comm, gone, guardian_of
from tests.waiting import wait_for

pytestmark = pytest.mark.timeout(900)  # for machines that have other things to do
CONFIG = """
version: 1
targets: {{clone: {{repository: {{worktree: {repository}}}, limits: {{recover: 10s}}}}}}
probes: [{{name: health, probe: git-health, target: clone, every: 1h}}]
steady_state: {{clone: []}}
guard: {{allow: {{repositories: [{repository}]}}}}
api: {{listen: "127.0.0.1:0"}}
"""
IGNORES = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "repository")


@pytest.fixture
def stage(tmp_path: Path, repository: Path) -> Stage:
    config = tmp_path / "chaosd.yaml"
    config.write_text(CONFIG.format(repository=repository))
    return Stage(tmp_path, words=("-c", str(config)))


@pytest.fixture
def daemon(stage: Stage) -> Iterator[Chaosd]:
    started = stage.start("run")
    wait_for("the daemon", lambda: "daemon.started" in started.said.read_text() or started.over)
    yield started
    if not started.over:
        started.process.send_signal(signal.SIGCONT)
        started.process.terminate()
        started.process.wait(30)


def ask(daemon: Chaosd, verb: str, path: str, body: object = None) -> Any:
    return Client(daemon.state / "control.sock").call(verb, path, body, timeout_s=30)


def inject(daemon: Chaosd, hold_s: float) -> str:
    body = {"fault": "git-lock", "target": "clone", "parameters": {"mode": "index-lock"}, "duration_s": hold_s}
    return str(ask(daemon, "POST", "/api/v1/injections", {**body, "by": "test", "seed": 1})["id"])


def stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def stop_outside_of_a_write(daemon: Chaosd) -> bool:
    """Stop the daemon; let it go on and return False where it holds the journal: there only its death helps."""
    daemon.process.send_signal(signal.SIGSTOP)
    wait_for("its standing still", lambda: stopped(daemon.process.pid))
    with closing(sqlite3.connect(daemon.state / "journal.sqlite", timeout=0, isolation_level=None)) as db:
        try:
            db.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            daemon.process.send_signal(signal.SIGCONT)
            return False
        db.execute("ROLLBACK")
    return True


def hang(stage: Stage, daemon: Chaosd, repository: Path, *, hold_s: float, stopped_s: float) -> None:
    """Stop the daemon while a fault is active, and wake it up long after the fault's deadline."""
    before, lock = look(repository), repository / ".git/index.lock"
    injection = inject(daemon, hold_s)
    wait_for("the guardian's knowing", lambda: "fault.injected" in daemon.said.read_text())  # it is told first
    assert lock.exists()
    struck_s = time.monotonic()
    wait_for("a stop that does not keep the journal", lambda: stop_outside_of_a_write(daemon))
    wait_for("the guardian's undo", lambda: not lock.exists(), hold_s + 200)  # an interpreter must start
    undone_s = time.monotonic() - struck_s
    assert hold_s + 2 <= undone_s + 0.5, "before the deadline it is the daemon's to undo"
    wait_for("its record", lambda: stage.has("reverted", 0))
    with pytest.raises(subprocess.TimeoutExpired):
        daemon.process.wait(max(0.1, stopped_s - (time.monotonic() - struck_s)))
    assert stopped(daemon.process.pid), "it was to be stopped, not killed"
    assert changed(before, look(repository)) == []
    daemon.process.send_signal(signal.SIGCONT)
    wait_for("the verdict", lambda: stage.has("judged", 0))
    answer = wait_for("the answer", lambda: ask(daemon, "GET", f"/api/v1/injections/{injection}?wait=1"))
    assert (stage.count("reverted"), answer["verdict"]) == (1, "aborted")
    assert "hung past the deadline" in answer["reasons"][0]
    assert changed(before, look(repository)) == []
    said = [json.loads(line) for line in daemon.said.read_text().splitlines()]
    assert [s["outcome"] for s in said if s["event"] == "fault.reverted"] == ["restored"], "the daemon has noticed"
    sys.stdout.write(f"\nstopped for {stopped_s:g} s, fault of {hold_s:g} s: undone {undone_s:.2f} s after\n")


def test_a_stopped_daemon_s_fault_is_undone_at_its_deadline_and_not_twice(
    stage: Stage, daemon: Chaosd, repository: Path
) -> None:
    hang(stage, daemon, repository, hold_s=2, stopped_s=8)


@pytest.mark.torture
def test_a_daemon_stopped_for_a_minute(stage: Stage, daemon: Chaosd, repository: Path) -> None:
    hang(stage, daemon, repository, hold_s=5, stopped_s=60)


def test_a_guardian_that_died_is_replaced_before_the_next_fault(
    stage: Stage, daemon: Chaosd, repository: Path
) -> None:
    before = look(repository)
    first = daemon.guardian
    daemon.kill(first)
    wait_for("its end", lambda: gone(first))
    inject(daemon, 60)
    wait_for("the fault", lambda: stage.has("injected", 0))
    second = wait_for("another guardian", lambda: guardian_of(daemon.process.pid))
    assert second != first
    daemon.kill(daemon.process.pid)
    daemon.process.wait(30)
    wait_for("the second guardian's end", lambda: gone(second))
    assert changed(before, look(repository)) == []


def test_without_a_guardian_that_answers_nothing_is_injected(
    stage: Stage, daemon: Chaosd, repository: Path
) -> None:
    before, deaf = look(repository), daemon.guardian
    os.kill(deaf, signal.SIGSTOP)
    injection = inject(daemon, 1)
    wait_for("the verdict", lambda: stage.has("judged", 0))
    answer = wait_for("the answer", lambda: ask(daemon, "GET", f"/api/v1/injections/{injection}?wait=1"))
    assert answer["verdict"] == "inconclusive"
    assert "no guardian" in answer["reasons"][0]
    assert changed(before, look(repository)) == []
    assert gone(deaf), "one that may wake up one day must not answer for a fault that never was"


def test_a_program_stopped_in_the_middle_of_injecting_is_killed_before_it_is_undone(tmp_path: Path) -> None:
    """It might go on injecting when it wakes up, after the undo."""
    with subprocess.Popen([sys.executable, "-c", IGNORES], stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"up\n"
        pid_file = tmp_path / "worker.pid"
        pid_file.write_text(str(worker.pid))
        config = tmp_path / "chaosd.yaml"
        config.write_text(
            f"version: 1\ntargets: {{w: {{processes: {{pid_file: {pid_file}}}, limits: {{recover: 1s}}}}}}\n"
        )
        stage = Stage(tmp_path, words=("-c", str(config)))
        words = ("--mode", "spot-reclaim", "--set", "grace=2s", "--for", "0s", "--target", "w")
        chaosd = stage.start("inject", "interrupt-signal", *words)
        guardian = chaosd.guardian
        wait_for("the plan", lambda: stage.has("planned", 0))
        with pytest.raises(subprocess.TimeoutExpired):
            chaosd.process.wait(0.5)  # in the grace time between SIGTERM and SIGKILL
        chaosd.process.send_signal(signal.SIGSTOP)
        assert chaosd.process.wait(30) == -signal.SIGKILL
        wait_for("the guardian's end", lambda: gone(guardian))
        assert stage.outstanding() == []
        assert stage.count("injected") == 0
        assert worker.poll() is None
        worker.kill()


def test_the_guardian_is_small_and_alone(daemon: Chaosd) -> None:
    guardian = daemon.guardian
    assert comm(guardian) == COMM
    assert os.getsid(guardian) == guardian
    rollup = Path(f"/proc/{guardian}/smaps_rollup").read_text()
    pss_kb = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    files = sorted(str(f.readlink()) for f in Path(f"/proc/{guardian}/fd").iterdir())
    sys.stdout.write(f"\nguardian: PSS {pss_kb} KiB, files {files}\n")
    assert pss_kb < 24 * 1024
    assert "boto" not in Path(f"/proc/{guardian}/maps").read_text()
    assert len(files) <= 6
