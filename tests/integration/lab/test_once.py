"""The reference worker as a command: one message on stdin, what became of it as the exit status."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from daemon.lab.provision import create_remote
from daemon.lab.worker.once import DONE, MALFORMED, TRY_AGAIN

MESSAGE = {
    "sessionId": "session-1",
    "commandId": "cmd-1",
    "chatThreadId": "1",
    "instruction": "write this down",
}


@pytest.fixture
def clone(tmp_path: Path, git: Any) -> Path:
    (tmp_path / "tmp").mkdir()
    create_remote(tmp_path / "remote.git", tmp_path / "tmp")
    git(tmp_path, "clone", "-q", str(tmp_path / "remote.git"), str(tmp_path / "clone"))
    return tmp_path / "clone"


def once(clone: Path, body: str, *words: str) -> int:
    command = (sys.executable, "-P", "-m", "daemon.lab.worker.once", *words)
    done = subprocess.run(command, cwd=clone, input=body, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    return done.returncode


def test_a_message_is_published_once_however_often_it_is_given(clone: Path, git: Any) -> None:
    remote = clone.parent / "remote.git"
    assert [once(clone, json.dumps(MESSAGE)) for _ in range(2)] == [DONE, DONE]
    assert git(remote, "grep", "-h", "write this down", "thread-1").splitlines() == ["write this down [cmd-1]"]
    assert git(remote, "rev-list", "--count", "main..thread-1").strip() == "1"


def test_a_message_that_cannot_be_read_is_refused(clone: Path, git: Any) -> None:
    assert once(clone, "no JSON") == MALFORMED
    assert "thread" not in git(clone.parent / "remote.git", "for-each-ref")


def test_a_remote_that_is_gone_means_try_again(clone: Path) -> None:
    (clone.parent / "remote.git").rename(clone.parent / "elsewhere.git")
    assert once(clone, json.dumps(MESSAGE)) == TRY_AGAIN
