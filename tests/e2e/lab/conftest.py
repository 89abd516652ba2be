"""A real lab, and chaosd as a user runs it against the lab."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from daemon.lab import lab
from daemon.lab.model import LabInfo
from daemon.lab.provision import Clients, clients

CHAOSD = str(Path(sys.executable).parent / "chaosd")
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


@dataclass
class Bench:
    info: LabInfo
    aws: Clients
    directory: Path
    config: Path

    def chaosd(self, *arguments: str, state: str = "state") -> subprocess.Popen[str]:
        """Start chaosd on this lab with JSON output."""
        return subprocess.Popen(
            [CHAOSD, "-c", str(self.config), "--state-dir", str(self.directory / state), "-o", "json", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **CREDENTIALS},
        )

    def answer(self, *arguments: str, timeout_s: float = 100.0, state: str = "state") -> tuple[int, dict[str, Any]]:
        """Run chaosd to its end and return its exit code and document."""
        process = self.chaosd(*arguments, state=state)
        out, err = process.communicate(timeout=timeout_s)
        assert out, err
        return process.returncode, json.loads(out)

    def pids(self) -> dict[str, tuple[int, float]]:
        """Return pid and start time (epoch seconds) of every task's process, by task ARN."""
        found = lab.status(self.info.directory)
        assert found is not None
        return {t.task_arn: (t.pid, t.started_at_s) for t in found.tasks}

    def counts(self, url: str) -> tuple[int, int]:
        """Return visible and in-flight messages of a queue."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return int(found[names[0]]), int(found[names[1]])


@contextmanager
def laboratory(
    directory: Path, *, defect: str | None = None, build_s: float = 0.0, more: str = "sampling: {stable_for: 1s}\n"
) -> Iterator[Bench]:
    """Hold a lab of two workers; its configuration is the lab's own and ``more``."""
    info = lab.up(directory / "lab", tasks=2, build_s=build_s, defect=defect)
    config = directory / "chaosd.yaml"
    config.write_text(info.config_yaml() + more)
    try:
        yield Bench(info=info, aws=clients(info.endpoint_url), directory=directory, config=config)
    finally:
        lab.down(info.directory)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with laboratory(tmp_path_factory.mktemp("lab")) as found:
        yield found
