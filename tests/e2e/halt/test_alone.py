"""The same halts where no daemon runs: on the command line that injects by itself."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.git.tree import changed, look, make_repository
from tests.e2e.halt.phases import ROOT, WAIT_S
from tests.waiting import wait_for

pytestmark = pytest.mark.timeout(5 * WAIT_S)

NOTED = """
targets: {t: {repository: {worktree: /r}}}
probes: [{name: health, probe: git-health, target: t}]
steady_state: {t: [health]}
experiments: [{name: corrupt, fault: git-corrupt, target: t, every: 1h}]
guard: {stop_when: [{probe: health}]}
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "clone")


def words(state: Path, *said: str) -> list[str]:
    return [sys.executable, "-m", "daemon.faces.cli", *said, "--state-dir", str(state)]


def chaosd(state: Path, *said: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words(state, *said), cwd=ROOT, capture_output=True, text=True, timeout=WAIT_S, check=False
    )


def status(state: Path) -> Any:
    return json.loads(chaosd(state, "status", "-o", "json").stdout)


def inject(state: Path, repository: Path) -> subprocess.Popen[str]:
    """Begin an injection and return once its fault is there."""
    process = subprocess.Popen(
        words(state, "inject", "git-lock", "--repository", str(repository), "--for", "10m"),
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "NO_COLOR": "1"},
    )
    lock = repository / ".git" / "index.lock"
    wait_for("the fault", lambda: lock.exists() or process.poll() is not None, WAIT_S, 0.01)
    assert lock.exists(), "it has ended"
    return process


def test_sigusr1_halts_and_undoes_an_injection_without_a_daemon(tmp_path: Path, repository: Path) -> None:
    before, state = look(repository), tmp_path / "state"
    process = inject(state, repository)
    process.send_signal(signal.SIGUSR1)
    assert process.wait(WAIT_S) == 3
    assert changed(before, look(repository)) == []
    assert status(state)["halted"] == "SIGUSR1 received"
    assert chaosd(state, "inject", "git-lock", "--repository", str(repository)).returncode == 77
    assert chaosd(state, "resume").returncode == 2
    assert chaosd(state, "resume", "--because", "looked into it").returncode == 0
    assert status(state)["halted"] is None


def test_the_halt_command_reaches_an_injection_without_a_daemon(tmp_path: Path, repository: Path) -> None:
    """The journal belongs to whoever injects; the word goes by the file it looks for."""
    before, state = look(repository), tmp_path / "state"
    process = inject(state, repository)
    said = chaosd(state, "halt", "enough")
    assert said.returncode == 0
    assert str(process.pid) in said.stderr
    assert process.wait(WAIT_S) == 3
    assert changed(before, look(repository)) == []
    assert "HALT" in status(state)["halted"]
    assert chaosd(state, "resume", "--because", "looked into it").returncode == 77
    (state / "HALT").unlink()
    assert status(state)["halted"] is None


def test_a_halt_comes_through_a_journal_that_cannot_be_used(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    (state / "journal.sqlite").write_bytes(b"no journal at all" * 1000)
    said = chaosd(state, "halt", "enough")
    assert (said.returncode, (state / "HALT").read_text()) == (0, "enough"), said


def test_a_halt_file_undoes_an_injection_without_a_daemon(tmp_path: Path, repository: Path) -> None:
    before, state = look(repository), tmp_path / "state"
    process = inject(state, repository)
    (state / "HALT").write_text("auditors")
    assert process.wait(WAIT_S) == 3
    assert changed(before, look(repository)) == []
    assert "HALT" in status(state)["halted"]
    refused = chaosd(state, "inject", "git-lock", "--repository", str(repository))
    assert (refused.returncode, "auditors, in the halt file" in refused.stderr) == (77, True)
    held = chaosd(state, "resume", "--because", "gone")
    assert (held.returncode, "not resumed: auditors" in held.stderr) == (77, True)
    (state / "HALT").unlink()
    assert status(state)["halted"] is None


def test_config_check_notes_what_is_probably_not_meant(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(NOTED)
    words = [sys.executable, "-m", "daemon.faces.cli", "config", "check", str(tmp_path / "c.yaml")]
    plain = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    assert plain.stderr.startswith(
        "note: guard.stop_when[0]: probe health is in the steady state of t, and corrupt"
    )
    found = json.loads(subprocess.run([*words, "-o", "json"], cwd=ROOT, capture_output=True, check=True).stdout)
    assert found["valid"] is True
    assert len(found["notes"]) == 1
