"""The demo as a whole, and what an interrupted one leaves: nothing."""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.e2e.cli.conftest import Cli


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    directory = tmp_path / "demo"
    yield directory
    for process in users_of(directory):  # only what this very test has started names it
        process.kill()


def users_of(directory: Path) -> list[psutil.Process]:
    found = psutil.process_iter(["cmdline", "pid"])
    return [p for p in found if p.pid != os.getpid() and str(directory) in " ".join(p.info["cmdline"] or ())]


def await_words(child: "subprocess.Popen[str]", words: str) -> str:
    """Read the child's stderr up to a line with these words."""
    assert child.stderr is not None
    seen = ""
    for line in child.stderr:
        seen += line
        if words in line:
            return line
    raise AssertionError(f"it ended without saying {words!r}:\n{seen}")


@pytest.mark.parametrize("moment", ["starting the lab", "creating queues", "the daemon is up", "lock-a-clone"])
def test_an_interrupted_demo_leaves_nothing(chaosd: Cli, place: Path, moment: str) -> None:
    child = chaosd.begin("demo", "--dir", place)
    await_words(child, moment)
    child.send_signal(signal.SIGINT)
    threading.Event().wait(0.05)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=90)
    assert child.returncode == 130, err
    assert "nothing is left" in out
    assert "Traceback" not in err
    assert not place.exists()
    assert users_of(place) == []


def test_a_killed_demo_takes_lab_and_daemon_with_it(chaosd: Cli, place: Path) -> None:
    child = chaosd.begin("demo", "--dir", place)
    await_words(child, "the daemon is up")
    child.kill()
    child.wait()
    for _ in range(600):
        if not place.exists() and not users_of(place):
            return
        threading.Event().wait(0.1)
    raise AssertionError([p.cmdline() for p in users_of(place)], list(place.rglob("*"))[:9])


def test_bad_words_start_nothing(chaosd: Cli, tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine").touch()
    assert chaosd("demo", "--dir", full).code == 2
    assert [p.name for p in full.iterdir()] == ["mine"]
    unknown = chaosd("demo", "--defect", "no-such", TMPDIR=str(tmp_path))
    assert unknown.code == 2
    assert "no-such" in unknown.err
    assert "keep-stale-lock" in unknown.err
    assert list(tmp_path.glob("chaosd-demo-*")) == []


@pytest.mark.torture
@pytest.mark.timeout(400)
def test_the_whole_demo(chaosd: Cli, place: Path) -> None:
    child = chaosd.begin("demo", "--dir", place, "-o", "json")
    out, err = child.communicate(timeout=390)
    demo: dict[str, Any] = json.loads(out)["demo"]
    assert child.returncode == 0, f"{err}\n{demo['missing']}\n{demo['left']}"
    assert demo["passed"]
    assert {e["injection"]["fault"] for e in demo["experiments"]} >= {"ecs-task-stop", "sqs-burst", "git-corrupt"}
    assert not place.exists()
    assert users_of(place) == []


@pytest.mark.torture
@pytest.mark.timeout(400)
def test_a_defect_shows(chaosd: Cli, place: Path) -> None:
    child = chaosd.begin("demo", "--dir", place, "--defect", "keep-stale-lock", "-o", "json")
    out, _ = child.communicate(timeout=390)
    assert child.returncode == 1
    verdicts = {e["injection"]["fault"]: e["verdict"] for e in json.loads(out)["demo"]["experiments"]}
    assert verdicts["git-lock"] == "not-recovered"
    assert not place.exists()
