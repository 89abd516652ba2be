"""The canary against a real remote: it times what happened, names the stage that did not, and never guesses."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from daemon.core.errors import ChaosdError, ConfigError, TargetAbsentError, UnreachableError
from daemon.core.messages import RUN_ATTRIBUTE, tokens
from daemon.core.model import Reading, Status
from daemon.core.target import Deployment, Limits, Queue, Repository, Target
from daemon.ports.files import LocalFiles
from daemon.ports.git import LocalGit
from probes.pipeline.canary import PipelineCanary
from tests.fakes import FakeWorld

URL = "http://queue/input"
BRANCH = "thread-thread-canary"
WHO = ("-c", "user.name=w", "-c", "user.email=w@localhost")


class Pipeline:
    """A world with a real bare remote, a clone, a fake queue and bucket, and a worker made of scheduled steps."""

    def __init__(self, root: Path, *, empty: bool = False, deployment: bool = True) -> None:
        self.root, self.remote, self.clone = root, root / "remote.git", root / "clone"
        (root / "private").mkdir()
        self.world = FakeWorld(str(root / "private"), files=LocalFiles(), git=LocalGit())
        self.world.sqs.add(URL)
        self.git(root, "init", "--quiet", "--bare", "--initial-branch=main", str(self.remote))
        self.git(root, "clone", "--quiet", str(self.remote), str(self.clone))
        self.git(self.clone, "switch", "--quiet", "--create", "main")
        if not empty:
            self.commit("start", "start")
            self.git(self.clone, "push", "--quiet", "origin", "main")
        self.target = Target(
            name="editor",
            queue=Queue(url=URL),
            repository=Repository(worktree=(str(self.clone),)),
            deployment=Deployment(bucket="site") if deployment else None,
            limits=Limits(message_s=6),
        )

    def git(self, where: Path, *arguments: str) -> str:
        end = LocalGit().run(str(where), *WHO, *arguments)
        assert end.code == 0, end.err
        return end.out.strip()

    def commit(self, line: str, message: str) -> str:
        path = self.clone / "file"
        path.write_text((path.read_text() if path.exists() else "") + line + "\n")
        self.git(self.clone, "add", "file")
        self.git(self.clone, "commit", "--quiet", "--message", message)
        return self.git(self.clone, "rev-parse", "HEAD")

    def work(self, *, branch: str = BRANCH, in_message: bool = True, force: bool = False) -> str:
        """Handle the message: commit it on a branch and push it; return the commit."""
        (taken,) = self.world.sqs.receive(URL)
        text = json.loads(taken.body)["instruction"]
        if force or not self.git(self.clone, "branch", "--list", branch):
            self.git(self.clone, "switch", "--quiet", "--force-create", branch, "main")
        else:
            self.git(self.clone, "switch", "--quiet", branch)
        made = self.commit("line", text) if in_message else self.commit(text, "edit")
        self.git(self.clone, "push", "--quiet", *(["--force"] if force else []), "origin", branch)
        self.world.sqs.delete(URL, [taken.handle])
        return made

    def at(self, after_s: float, step: Callable[[], object]) -> None:
        self.world.clock.at(after_s, step)

    def deploy(self, **metadata: str) -> None:
        self.world.s3.upload("site", "index.html", b"page", **metadata)

    def observe(self, **parameters: Any) -> Reading:
        return PipelineCanary(**parameters).observe(self.target, self.world)


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    return Pipeline(tmp_path)


def finding(reading: Reading) -> str:
    return reading.findings[0].name


@pytest.mark.parametrize("in_message", [True, False])
def test_times_commit_and_deployment(pipeline: Pipeline, in_message: bool) -> None:
    done: list[str] = []
    pipeline.at(3, lambda: done.append(pipeline.work(in_message=in_message)))
    pipeline.at(5, lambda: pipeline.deploy(commit=done[0]))
    reading = pipeline.observe()
    assert reading.status is Status.OK, reading
    assert reading.measures["commit_seconds"] == pytest.approx(3, abs=0.25)
    assert reading.measures["deployed_seconds"] == pytest.approx(2, abs=0.25)
    assert reading.measures["total_seconds"] == pytest.approx(5, abs=0.25)


def test_the_message_is_marked_and_there_is_one(pipeline: Pipeline) -> None:
    pipeline.observe(timeout=1)
    (message,) = pipeline.world.sqs.messages(URL)
    (token,) = tokens(json.loads(message.body)["instruction"])
    assert message.attributes[RUN_ATTRIBUTE] == f"canary-{token}"


def test_two_canaries_never_share_a_name(pipeline: Pipeline) -> None:
    probe = PipelineCanary(timeout=1)
    probe.observe(pipeline.target, pipeline.world)
    PipelineCanary(timeout=1).observe(pipeline.target, pipeline.world)
    probe.observe(pipeline.target, pipeline.world)
    orders = [json.loads(m.body) for m in pipeline.world.sqs.messages(URL)]
    assert len({o["commandId"] for o in orders}) == len({o["instruction"] for o in orders}) == 3
    assert len({o["chatThreadId"] for o in orders}) == 1


def test_a_message_nobody_handles_is_failing_and_stays_in_the_queue(pipeline: Pipeline) -> None:
    reading = pipeline.observe()
    assert (reading.status, finding(reading)) == (Status.FAILING, "not-committed")
    assert reading.measures == {}
    assert len(pipeline.world.sqs.messages(URL)) == 1


def test_a_commit_on_another_branch_does_not_count(pipeline: Pipeline) -> None:
    pipeline.at(1, lambda: pipeline.work(branch="thread-other"))
    assert finding(pipeline.observe()) == "not-committed"


def test_a_commit_that_is_not_deployed_is_failing(pipeline: Pipeline) -> None:
    pipeline.deploy(commit=pipeline.git(pipeline.clone, "rev-parse", "main"))
    pipeline.at(1, pipeline.work)
    reading = pipeline.observe()
    assert (reading.status, finding(reading)) == (Status.FAILING, "not-deployed")
    assert reading.measures == {"commit_seconds": pytest.approx(1, abs=0.25)}


def test_a_later_commit_deployed_holds_ours(pipeline: Pipeline) -> None:
    def step() -> None:
        pipeline.work()
        later = pipeline.commit("later", "later")
        pipeline.git(pipeline.clone, "push", "--quiet", "origin", BRANCH)
        pipeline.deploy(commit=later)

    pipeline.at(1, step)
    assert pipeline.observe().status is Status.OK


def test_a_deployment_overtaken_by_other_work_is_unknown(pipeline: Pipeline) -> None:
    def step() -> None:
        pipeline.work()
        pipeline.git(pipeline.clone, "switch", "--quiet", "--create", "other", "main")
        pipeline.deploy(commit=pipeline.commit("other", "other"))

    pipeline.at(1, step)
    reading = pipeline.observe()
    assert (reading.status, finding(reading)) == (Status.UNKNOWN, "overtaken")


def test_without_metadata_the_token_in_the_page_counts_and_an_unchanged_page_does_not(pipeline: Pipeline) -> None:
    pipeline.deploy()
    pipeline.at(1, pipeline.work)
    assert finding(pipeline.observe()) == "not-deployed"

    def step() -> None:
        order = json.loads(pipeline.world.sqs.messages(URL)[0].body)
        pipeline.work()
        pipeline.world.s3.upload("site", "index.html", order["instruction"].encode())

    pipeline.at(1, step)
    reading = pipeline.observe()
    assert (reading.status, reading.findings) == (Status.OK, ())


def test_a_changed_page_without_any_mark_counts_with_a_note(pipeline: Pipeline) -> None:
    pipeline.at(1, pipeline.work)
    pipeline.at(2, pipeline.deploy)
    reading = pipeline.observe()
    assert (reading.status, finding(reading)) == (Status.OK, "deployment-unmarked")


def test_without_a_deployment_the_commit_is_the_end(tmp_path: Path) -> None:
    pipeline = Pipeline(tmp_path, deployment=False)
    pipeline.at(1, pipeline.work)
    reading = pipeline.observe()
    assert reading.status is Status.OK
    assert set(reading.measures) == {"commit_seconds", "total_seconds"}


def test_an_empty_remote_a_deleted_branch_and_a_force_push(tmp_path: Path) -> None:
    pipeline = Pipeline(tmp_path, empty=True, deployment=False)
    pipeline.git(pipeline.clone, *("commit", "--quiet", "--allow-empty", "--message", "start"))
    probe = PipelineCanary()
    pipeline.at(1, pipeline.work)
    assert probe.observe(pipeline.target, pipeline.world).status is Status.OK
    pipeline.git(pipeline.clone, "push", "--quiet", "origin", f":{BRANCH}")
    pipeline.at(1, pipeline.work)
    assert probe.observe(pipeline.target, pipeline.world).status is Status.OK
    pipeline.at(1, lambda: pipeline.work(force=True))
    assert probe.observe(pipeline.target, pipeline.world).status is Status.OK


def test_a_remote_that_does_not_answer_is_not_a_failure_and_nothing_is_sent(pipeline: Pipeline) -> None:
    pipeline.remote.rename(pipeline.root / "away")
    with pytest.raises(UnreachableError):
        pipeline.observe()
    assert pipeline.world.sqs.messages(URL) == ()


def test_a_remote_gone_meanwhile_is_unknown_and_back_in_time_is_ok(pipeline: Pipeline) -> None:
    away = pipeline.root / "away"
    pipeline.at(1, lambda: pipeline.remote.rename(away))
    reading = pipeline.observe()
    assert (reading.status, finding(reading)) == (Status.UNKNOWN, "unanswered")
    away.rename(pipeline.remote)
    pipeline.world.sqs.delete(URL, [m.handle for m in pipeline.world.sqs.receive(URL)])
    pipeline.at(1, lambda: pipeline.remote.rename(away))
    pipeline.at(3, lambda: away.rename(pipeline.remote))
    pipeline.at(4, lambda: pipeline.deploy(commit=pipeline.work()))
    assert pipeline.observe().status is Status.OK


@pytest.mark.parametrize("port", ["sqs", "s3", "git"])
def test_own_means_that_fail_are_never_ok(pipeline: Pipeline, port: str) -> None:
    pipeline.world.cut(port)
    with pytest.raises(ChaosdError):
        pipeline.observe()


def test_a_clone_broken_later_does_not_blind_it(pipeline: Pipeline) -> None:
    probe = PipelineCanary(timeout=1)
    probe.observe(pipeline.target, pipeline.world)
    (pipeline.clone / ".git" / "HEAD").write_text("garbage")
    assert probe.observe(pipeline.target, pipeline.world).status is Status.FAILING


def test_what_cannot_be_sent_is_said(pipeline: Pipeline) -> None:
    bad = Queue(url=URL, format="no json")
    for target, error in (
        (Target(name="t"), TargetAbsentError),
        (Target(name="t", queue=bad, repository=pipeline.target.repository), ConfigError),
    ):
        with pytest.raises(error):
            PipelineCanary().observe(target, pipeline.world)
