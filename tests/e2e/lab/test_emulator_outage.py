"""AWS goes away and comes back: the daemon says unknown, judges inconclusive, and goes on by itself."""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from daemon.lab import lab
from tests.e2e.lab.conftest import CHAOSD, CREDENTIALS
from tests.waiting import wait_for

EXPERIMENTS = """\
experiments:
  - {name: stop, fault: ecs-task-stop, target: editor, every: 4s, for: 8s, timeout: 20s, set: {mode: oldest}}
sampling: {stable_for: 500ms, steady_timeout: 2s}
api: {listen: "127.0.0.1:0"}
"""


class Log:
    """The daemon's JSON log, read as it grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.mark = 0

    def events(self, name: str, **fields: object) -> list[dict[str, Any]]:
        """Return the events after the mark with this name and these fields."""
        lines = self._path.read_text().splitlines()[self.mark :]
        found = [json.loads(line) for line in lines if line.startswith("{")]
        return [e for e in found if e["event"] == name and all(e.get(k) == v for k, v in fields.items())]

    def now(self) -> None:
        self.mark = len(self._path.read_text().splitlines())


def emulator_pid(directory: Path) -> int:
    records = json.loads((directory / "processes.json").read_text())
    (found,) = [
        r for r in (records if isinstance(records, list) else records["processes"]) if r["role"] == "emulator"
    ]
    return int(found["pid"])


def outage(tmp_path: Path, away_s: float, patient: Callable[..., Any]) -> None:
    directory = tmp_path / "lab"
    info = lab.up(directory, tasks=2, build_s=0.0, restart_after_s=away_s)
    log_path = tmp_path / "log"
    config = tmp_path / "chaosd.yaml"
    text = info.config_yaml().split("guard:")[0]  # without rules that must ask AWS: those would refuse instead
    config.write_text(text.replace("every: 5s", "every: 1s") + EXPERIMENTS)
    with log_path.open("w") as err:
        process = subprocess.Popen(
            [CHAOSD, "-c", str(config), "--state-dir", str(tmp_path / "state"), "run"],
            stderr=err,
            stdout=subprocess.DEVNULL,
            env={**os.environ, **CREDENTIALS},
        )
    log = Log(log_path)
    try:
        patient("an experiment recovers", lambda: log.events("experiment.judged", verdict="recovered"))
        os.kill(emulator_pid(directory), signal.SIGKILL)
        log.now()
        for probe in ("tasks", "backlog"):
            patient(
                f"{probe} is unknown",
                lambda probe=probe: log.events("probe.changed", probe=probe, status="unknown"),
            )
        patient("an experiment is inconclusive", lambda: log.events("experiment.judged", verdict="inconclusive"))
        assert log.events("experiment.judged", verdict="recovered") == []
        for probe in ("tasks", "backlog"):
            patient(f"{probe} is ok", lambda probe=probe: log.events("probe.changed", probe=probe, status="ok"))
        log.now()
        patient("an experiment recovers again", lambda: log.events("experiment.judged", verdict="recovered"))
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 128 + signal.SIGTERM
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        lab.down(directory)


def test_an_emulator_that_is_killed_for_a_while_is_survived(tmp_path: Path) -> None:
    outage(tmp_path, 8.0, wait_for)


@pytest.mark.torture
@pytest.mark.timeout(400)
def test_an_emulator_that_is_killed_for_a_minute_is_survived(tmp_path: Path) -> None:
    outage(tmp_path, 60.0, lambda what, condition: wait_for(what, condition, 150))
