"""A real lab for the tests of this folder, and what one does with it."""

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from daemon.lab import lab
from daemon.lab.model import LabInfo
from daemon.lab.provision import Clients, clients, create_remote
from daemon.lab.worker.clone import Clone
from daemon.lab.worker.gitcli import Git
from daemon.lab.worker.message import Command
from daemon.lab.worker.repair import Repairer
from daemon.lab.worker.slots import Slot, claim
from tests.waiting import wait_for

WAIT_S = 25.0
_numbers = count(1)


def git(directory: Path, *arguments: str, check: bool = True) -> str:
    """Run plain git, as somebody beside the worker would."""
    who = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    done = subprocess.run(
        ("git", "-C", str(directory), *who, *arguments), capture_output=True, text=True, timeout=20, check=False
    )
    if check and done.returncode:
        pytest.fail(f"git {arguments}: {done.stderr}")
    return done.stdout


@dataclass
class Bench:
    """One running lab, with a way to send work and to see what came of it."""

    info: LabInfo
    aws: Clients
    answers: list[dict[str, Any]] = field(default_factory=list)

    @property
    def thread(self) -> str:
        """A thread name that no other test has used."""
        return f"thread-{next(_numbers)}"

    def message(self, thread: str, **fields: Any) -> dict[str, Any]:
        number = next(_numbers)
        standard = {
            "sessionId": f"session-{thread}-1",
            "commandId": f"cmd-{number}",
            "chatThreadId": thread,
            "clientId": "test",
            "instruction": f"token{number}x write this down",
            "userId": "test-user-1",
            "timestamp": 1_700_000_000_000,
        }
        return standard | fields

    def send(self, message: dict[str, Any] | str, queue_url: str | None = None) -> None:
        body = message if isinstance(message, str) else json.dumps(message)
        self.aws.sqs.send_message(QueueUrl=queue_url or self.info.input_queue_url, MessageBody=body)

    def answer_to(self, command_id: str, timeout_s: float = WAIT_S) -> dict[str, Any]:
        """Wait for the answer to a command; answers to others are kept for later."""

        def look() -> dict[str, Any] | None:
            url = self.info.responses_queue_url
            for found in self.aws.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", ()):
                self.aws.sqs.delete_message(QueueUrl=url, ReceiptHandle=found["ReceiptHandle"])
                self.answers.append(json.loads(found["Body"]))
            return next((a for a in self.answers if a.get("commandId") == command_id), None)

        answer: dict[str, Any] = wait_for(f"an answer to {command_id}", look, timeout_s)
        return answer

    def effects(self, token: str) -> dict[str, int]:
        """Count the lines with ``token`` on each branch of the remote."""
        found = {}
        branches = git(self.info.remote, "for-each-ref", "--format=%(refname:short)", "refs/heads").split()
        for branch in branches:
            lines = git(self.info.remote, "grep", "-h", "-F", token, branch, "--", check=False).splitlines()
            if lines:
                found[branch] = len(lines)
        return found

    def counts(self, queue_url: str) -> tuple[int, int]:
        """Return the visible and the in-flight messages of a queue."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.aws.sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=names)["Attributes"]
        return int(found[names[0]]), int(found[names[1]])

    def wait_until_drained(self) -> None:
        wait_for("an empty input queue", lambda: self.counts(self.info.input_queue_url) == (0, 0))

    def pids(self) -> dict[str, int]:
        """Return the process of each task that runs."""
        found = lab.status(self.info.directory)
        assert found is not None
        return {task.task_arn: task.pid for task in found.tasks}

    def clones(self) -> list[Path]:
        return sorted(self.info.clones.iterdir())


def _bench(directory: Path, **wanted: Any) -> Iterator[Bench]:
    info = lab.up(directory, **wanted)
    bench = Bench(info=info, aws=clients(info.endpoint_url))
    try:
        yield bench
    finally:
        for client in (bench.aws.sqs, bench.aws.ecs, bench.aws.s3, bench.aws.logs):
            client.close()
        lab.down(directory)


@pytest.fixture(scope="module")  # an idle lab would slow down all the tests that follow
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Two quick workers."""
    yield from _bench(tmp_path_factory.mktemp("lab") / "two")


@pytest.fixture(scope="module")
def slow_bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One worker that takes a second for each message: there is time to disturb it."""
    yield from _bench(tmp_path_factory.mktemp("lab") / "slow", tasks=1, build_s=1.0)


@pytest.fixture(scope="session", name="git")
def git_fixture() -> Callable[..., str]:
    return git


BRANCH = "thread-thread-1"


@dataclass(frozen=True, kw_only=True)
class Desk:
    """A worker's parts without the worker."""

    remote: Path
    slot: Slot
    clone: Clone
    repairer: Repairer

    @property
    def folder(self) -> Path:
        return self.slot.clone / ".git"

    def command(self, number: int, session: str = "session-1") -> Command:
        return Command(
            session_id=session,
            command_id=f"cmd-{number}",
            thread_id="thread-1",
            instruction=f"token{number}x",
            branch=BRANCH,
        )

    def commit(self, number: int, session: str = "session-1") -> Command:
        command = self.command(number, session)
        self.clone.fetch(BRANCH)
        self.clone.switch(BRANCH)
        self.clone.edit(command, again=False)
        self.clone.commit(command)
        return command

    def push(self) -> None:
        self.clone.push(BRANCH, threading.Event())

    def published(self, git: Callable[..., str]) -> list[str]:
        return git(self.remote, "grep", "-h", "token", BRANCH, "--", check=False).splitlines()


def _desk(lab: Path) -> Desk:
    for name in ("slots", "clones", "tmp"):
        (lab / name).mkdir(exist_ok=True)
    create_remote(lab / "remote.git", lab / "tmp")
    slot = claim(lab, 2, threading.Event())
    assert slot is not None
    git = Git(slot.clone)
    desk = Desk(
        remote=lab / "remote.git",
        slot=slot,
        clone=Clone(git=git, slot=slot, mainline="main"),
        repairer=Repairer(git=git, slot=slot, remote=str(lab / "remote.git"), mainline="main", lock_age_s=1.0),
    )
    assert desk.repairer.heal()
    return desk


@pytest.fixture
def desks(tmp_path: Path) -> Any:
    """Two workers' parts on one remote."""
    made = [_desk(tmp_path), _desk(tmp_path)]
    yield made
    for desk in made:
        desk.slot.lock.close()
