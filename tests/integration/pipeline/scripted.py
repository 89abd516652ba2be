"""A worker made of scheduled steps, on a real bare remote and clone, with queues, bucket and clock in memory."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daemon.core.cloud import Message
from daemon.core.course import Course
from daemon.core.parameters import build
from daemon.core.scenario import Parameters
from daemon.core.target import Deployment, Limits, Queue, Repository, Target
from daemon.core.workloads import SCENARIOS
from daemon.engine.workload import Workload
from daemon.ports.files import LocalFiles
from daemon.ports.git import LocalGit
from probes.pipeline.observer import Observer
from tests.fakes import FakeWorld, Switch

URL, ANSWERS, DEAD = "http://queue/input", "http://queue/answers", "http://queue/dead"
WHO = ("-c", "user.name=w", "-c", "user.email=w@localhost")
WORK_S = 0.4
Order = Mapping[str, Any]


@dataclass
class Shop:
    """The world, the target, and a worker whose manners a test may change by replacing its steps."""

    root: Path
    world: FakeWorld = field(init=False)
    target: Target = field(init=False)
    branch: Callable[[Order], str] = field(default=lambda order: f"thread-{order['chatThreadId']}")
    line: Callable[[Order], str] = field(default=lambda order: str(order["instruction"]))
    subject: Callable[[Order], str] = field(default=lambda order: str(order["instruction"])[:72])
    path: Callable[[Order], str] = field(default=lambda order: f"{order['sessionId']}.md")

    def __post_init__(self) -> None:
        self.remote, self.clone = self.root / "remote.git", self.root / "clone"
        (self.root / "private").mkdir()
        self.world = FakeWorld(str(self.root / "private"), files=LocalFiles(), git=LocalGit())
        self.world.sqs.add(URL, max_receives=2, dead_letter=DEAD)
        self.world.sqs.add(ANSWERS)
        self.world.sqs.add(DEAD)
        self.git(self.root, "init", "--quiet", "--bare", "--initial-branch=main", str(self.remote))
        self.git(self.root, "clone", "--quiet", str(self.remote), str(self.clone))
        self.git(self.clone, "switch", "--quiet", "--create", "main")
        self.commit("start.md", "start", "start")
        self.push("main")
        self.target = Target(
            name="editor",
            queue=Queue(url=URL, responses=ANSWERS, dead_letter=DEAD),
            repository=Repository(worktree=(str(self.clone),)),
            deployment=Deployment(bucket="site"),
            limits=Limits(message_s=10),
        )

    # --- the worker's means ------------------------------------------------------------------------------

    def git(self, where: Path, *arguments: str) -> str:
        end = LocalGit().run(str(where), *WHO, *arguments)
        assert end.code == 0, end.err
        return end.out.strip()

    def switch(self, branch: str, start: str = "main") -> None:
        if self.git(self.clone, "branch", "--list", branch):
            self.git(self.clone, "switch", "--quiet", branch)
        else:
            self.git(self.clone, "switch", "--quiet", "--create", branch, start)

    def commit(self, path: str, line: str, message: str) -> str:
        file = self.clone / path
        file.write_text((file.read_text() if file.exists() else "") + line + "\n")
        self.git(self.clone, "add", path)
        self.git(self.clone, "commit", "--quiet", "--message", message)
        return self.git(self.clone, "rev-parse", "HEAD")

    def push(self, branch: str, *options: str) -> None:
        self.git(self.clone, "push", "--quiet", *options, "origin", branch)

    def deploy(self, commit: str) -> None:
        self.world.s3.upload("site", "index.html", commit.encode(), commit=commit)

    def answer(self, order: Order, status: str) -> None:
        body = json.dumps({"commandId": order.get("commandId"), "status": status})
        self.world.sqs.send(ANSWERS, (Message(body=body, attributes={}),))

    # --- the worker --------------------------------------------------------------------------------------

    def do(self, order: Order) -> None:
        """Do what one message asks for, properly."""
        branch = self.branch(order)
        self.switch(branch)
        commit = self.commit(self.path(order), self.line(order), self.subject(order))
        self.push(branch)
        self.deploy(commit)

    def handle(self, order: Order, do: Callable[[Order], object]) -> None:
        do(order)
        self.answer(order, "success")

    def once(self, do: Callable[[Order], object]) -> Callable[[Order], object]:
        done: set[str] = set()

        def guarded(order: Order) -> None:
            if order["commandId"] not in done:
                do(order)
            done.add(order["commandId"])

        return guarded

    def work(self, do: Callable[[Order], object]) -> None:
        """Take one message, if there is one, and handle it; come back later."""
        for taken in self.world.sqs.receive(URL, most=1, visibility_s=5):
            try:
                order = json.loads(taken.body)
                good = isinstance(order, dict) and all(
                    isinstance(order.get(n), str) and "/" not in order[n] for n in ("sessionId", "chatThreadId")
                )
            except ValueError:
                good = False
            if good:
                self.handle(order, do)
                self.world.sqs.delete(URL, [taken.handle])
            else:
                self.world.sqs.release(URL, [taken.handle])
        self.world.clock.at(WORK_S, lambda: self.work(do))

    # --- the run -----------------------------------------------------------------------------------------

    def run(self, scenario: str, do: Callable[[Order], object] | None = None, **given: object) -> Course:
        """Run a scenario with a worker that does ``do`` for each message it has not done yet."""
        self.world.clock.at(WORK_S, lambda: self.work(do or self.once(self.do)))
        return self.watch(scenario, **given)

    def watch(self, scenario: str, stop: Switch | None = None, **given: object) -> Course:
        """Run a scenario without a worker."""
        chosen = SCENARIOS[scenario]
        parameters = build(Parameters, chosen.parameters(given), where=scenario)
        workload = Workload(world=self.world, target=self.target, every_s=0.25)
        witness = Observer.of(self.target, "run-1", self.world)
        return workload.run(chosen, parameters, witness, run="run-1", seed=1, stop=stop or Switch())


def broken(course: Course) -> set[str]:
    return {r.invariant for r in course.violated}


def doubts(course: Course) -> dict[str, str]:
    return {r.invariant: r.reason for r in course.unknown}
