"""`chaosd journal` and the daemon's start, on real state directories."""

import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.journal.stage import CHAOSD, FAULTS, Stage, ended, kill_all

CONFIG = """
version: 1
targets: {{clone: {{repository: {{worktree: {repository}}}}}}}
probes: [{{name: health, probe: git-health, target: clone, every: 1h}}]
steady_state: {{clone: [health]}}
guard: {{allow: {{repositories: [{repository}]}}}}
api: {{listen: "127.0.0.1:0"}}
"""


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path, tmp_path / "state", CHAOSD)
    yield made
    made.close()


def leave_active(stage: Stage) -> None:
    process = stage.inject(*FAULTS[0], "60s")
    assert stage.await_damage(process)
    kill_all(process)


def test_check_compact_and_backup_a_sound_journal(stage: Stage, tmp_path: Path) -> None:
    assert stage.run("journal", "check").code == 5, "there is none yet"
    assert ended(stage.inject(*FAULTS[0], "0s")).code in (0, 1)
    checked = stage.run("journal", "check")
    found = checked.document["journal"]
    assert (checked.code, found["sound"], found["findings"]) == (0, True, [])
    assert (found["injections"], found["outstanding"], found["copies"]) == (1, [], [])
    assert found["reserve"]["in_place"] is True
    assert found["looks"] > 0
    stored = stage.run("show", "last").document["verdict"]
    compacted = stage.run("journal", "compact", "--keep", "0s").document["compacted"]
    assert (compacted["injections"], compacted["looks"]) == (1, found["looks"])
    assert stage.run("show", "last").document["verdict"] == stored
    assert stage.run("journal", "check").document["journal"]["looks"] == 0
    assert stage.run("journal", "backup", str(tmp_path / "b")).code == 0
    assert (tmp_path / "b").stat().st_mode & 0o777 == 0o600
    assert stage.run("journal", "backup", str(tmp_path / "b")).code == 2


def test_a_copied_state_directory_is_refused_until_it_is_adopted(stage: Stage, tmp_path: Path) -> None:
    leave_active(stage)
    shutil.copytree(stage.state, tmp_path / "copy", ignore=shutil.ignore_patterns("*.sock"))
    stage.state = tmp_path / "copy"
    for words in (("recover",), ("inject", "git-lock", "--repository", str(stage.repository), "--for", "0s")):
        refused = stage.run(*words)
        assert (refused.code, "journal adopt" in refused.err) == (1, True), refused
    assert stage.residue(), "whose fault it is was guessed"
    adopted = stage.run("journal", "adopt", "--because", "the original's disk is gone").document["adopted"]
    assert len(adopted["outstanding"]) == 1
    assert stage.run("recover").code == 0
    assert stage.residue() == []


def test_a_lost_intent_is_found_named_and_salvaged(stage: Stage, tmp_path: Path) -> None:
    leave_active(stage)
    for path in stage.state.glob("journal.sqlite*"):
        path.unlink()
    checked = stage.run("journal", "check", "--salvage", str(tmp_path / "saved"))
    found = checked.document["journal"]
    assert (checked.code, found["sound"], len(found["copies"])) == (4, False, 1)
    assert found["salvaged"]["unaccounted"] == []
    refused = ended(stage.inject(*FAULTS[0], "0s"))
    assert (refused.code, "chaosd recover" in refused.err) == (1, True), refused
    answer = stage.run("recover")
    assert (answer.code, stage.residue()) == (0, []), answer
    halted = stage.run("status").document["halted"]
    assert "the journal was damaged" in halted


def test_without_journal_and_copies_nobody_claims_that_all_is_well(stage: Stage) -> None:
    leave_active(stage)
    for path in stage.state.glob("journal.sqlite*"):
        path.unlink()
    for path in stage.state.glob("undo/*"):
        path.write_bytes(b"\0" * 100)
    answer = stage.run("recover")
    assert (answer.code, bool(stage.residue())) == (4, True)
    assert len(answer.document["journal"]["unaccounted"]) == 1
    assert "residue may remain" in answer.err


def test_a_starting_daemon_undoes_what_is_active_although_the_journal_is_damaged(stage: Stage) -> None:
    leave_active(stage)
    (stage.state / "journal.sqlite-wal").unlink()  # it holds all of a young journal, and would make up for the rest
    (stage.state / "journal.sqlite").write_bytes(b"no journal at all" * 1000)
    (stage.directory / "chaosd.yaml").write_text(CONFIG.format(repository=stage.repository))
    daemon = stage.start("run", "-c", str(stage.directory / "chaosd.yaml"))
    assert daemon.stderr is not None
    told = []
    for line in daemon.stderr:
        told.append(line)
        if "daemon.started" in line:
            break
    assert stage.residue() == []
    damaged = [json.loads(line) for line in told if "journal.damaged" in line]
    assert [line["unaccounted"] for line in damaged] == [[]], told
    assert "damaged" in stage.run("status").document["halted"]
    daemon.send_signal(signal.SIGTERM)
    daemon.communicate(timeout=60)
    assert daemon.returncode == 128 + signal.SIGTERM
