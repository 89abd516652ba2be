"""Each planted defect misbehaves in its one way, and the worker without it does not. Real git, queues in memory."""

import json
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

from daemon.lab.worker.__main__ import Worker, build
from daemon.lab.worker.defects import DEFECTS, Defect
from daemon.lab.worker.gitcli import GitError
from daemon.lab.worker.message import MalformedMessage, Message
from daemon.lab.worker.pipeline import Pipeline
from daemon.lab.worker.queues import Queues
from daemon.lab.worker.settings import Settings
from daemon.lab.worker.site import Site
from tests.waiting import wait_for

INVARIANTS = {
    "no-lost-instruction",
    "exactly-once",
    "right-branch",
    "all-pushed",
    "no-stash-left",
    "no-conflict-markers",
    "repository-sound",
    "deployment-fresh",
    "queue-drained",
    "honest-response",
    "branch-switch-fast",
    "message-fast",
}
BRANCH, OTHER_BRANCH = "thread-thread-1", "thread-thread-2"


def body(number: int = 1, *, thread: int = 1, session: int = 1) -> str:
    names = {"sessionId": f"session-{session}", "commandId": f"cmd-{number}", "chatThreadId": f"thread-{thread}"}
    return json.dumps(names | {"instruction": f"token{number}x write it"})


def message(text: str) -> Message:
    return Message(body=text, receipt="r", receives=1, queue_url="input")


class Aws:
    """Takes every call and remembers it; with ``refuses`` above 0 it refuses that many first."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.told: list[dict[str, Any]] = []
        self.refuses = 0

    def __getattr__(self, name: str) -> Callable[..., dict[str, Any]]:
        def call(**fields: Any) -> dict[str, Any]:
            if self.refuses:
                self.refuses -= 1
                raise ClientError({"Error": {"Code": "NoSuchBucket"}}, name)
            self.calls.append(name)
            self.told.append(fields)
            return {}

        return call


@dataclass
class Stage:
    """A pipeline, and what happens in the middle of its work."""

    pipeline: Pipeline
    sqs: Aws
    s3: Aws
    stop: threading.Event
    meanwhile: list[Callable[[], object]] = field(default_factory=list)
    interrupts: list[Message] = field(default_factory=list)

    def handle(self, text: str = "") -> None:
        self.pipeline.handle(message(text or body()))

    def start_again(self) -> None:
        """What a task does first."""
        worker = Worker(
            settings=self.pipeline.settings, queues=self.pipeline.queues, pipeline=self.pipeline, stop=self.stop
        )
        worker.look_after_clone()

    @property
    def deleted(self) -> bool:
        return "delete_message" in self.sqs.calls

    @property
    def deployed(self) -> str:
        """The commit that the site shows; empty when there is no site."""
        return str(self.s3.told[-1]["Metadata"]["commit"]) if self.s3.told else ""


@pytest.fixture
def stage(request: Any, desks: Any) -> Stage:
    desk = desks[0]
    defect: Defect | None = request.param
    sqs, s3, stop = Aws(), Aws(), threading.Event()
    made: list[Stage] = []

    def in_the_middle() -> Message | None:
        for act in made[0].meanwhile:
            act()
        made[0].meanwhile.clear()
        return made[0].interrupts.pop() if made[0].interrupts else None

    settings = Settings(
        lab=desk.slot.clone.parent.parent,
        defect=defect,
        input_queue_url="input",
        responses_queue_url="responses",
        interrupt_queue_url="interrupts",
        site_bucket="site",
        site_key="index.html",
        remote=str(desk.remote),
        slots=2,
        build_s=0.0,
    )
    pipeline = Pipeline(
        settings=settings,
        clone=replace(desk.clone, defect=defect),
        repairer=replace(desk.repairer, defect=defect),
        queues=Queues(sqs=sqs, responses_url="responses", visibility_s=10),
        site=Site(s3=s3, bucket="site", key="index.html"),
        stop=stop,
        take_interrupt=in_the_middle,
    )
    made.append(Stage(pipeline=pipeline, sqs=sqs, s3=s3, stop=stop))
    return made[0]


def with_and_without(defect: Defect) -> Any:
    cases = [pytest.param(None, False, id="correct"), pytest.param(defect, True, id=defect.value)]
    return pytest.mark.parametrize(("stage", "broken"), cases, indirect=["stage"])


def lines(desk: Any, git: Any, branch: str = BRANCH) -> list[str]:
    """Return the lines of all files of a branch of the remote; empty when there is no such branch."""
    found: list[str] = git(
        desk.remote, "grep", "-h", "", branch, "--", "content/session*", check=False
    ).splitlines()
    return found


def test_every_defect_is_described() -> None:
    assert set(DEFECTS) == set(Defect)
    for planted in DEFECTS.values():
        assert planted.what.endswith(".")
        assert planted.shows
        assert set(planted.breaks) <= INVARIANTS


@with_and_without(Defect.ACK_BEFORE_WORK)
def test_ack_before_work_deletes_the_message_first(stage: Stage, broken: bool) -> None:
    seen: list[bool] = []
    stage.meanwhile.append(lambda: seen.append(stage.deleted))
    stage.handle()
    assert seen == [broken]


@with_and_without(Defect.DROP_ON_SIGTERM)
def test_drop_on_sigterm_deletes_a_message_that_was_not_done(
    stage: Stage, broken: bool, desks: Any, git: Any
) -> None:
    stage.meanwhile.append(stage.stop.set)
    stage.handle()
    assert desks[0].published(git) == []
    assert stage.deleted is broken


@with_and_without(Defect.SUCCESS_ON_FAILED_PUSH)
def test_success_on_failed_push_answers_for_what_is_not_on_the_remote(
    stage: Stage, broken: bool, desks: Any, git: Any
) -> None:
    other = desks[1]
    stage.meanwhile.append(lambda: (other.commit(9, "session-9"), other.push()))
    stage.handle()
    assert stage.deleted
    assert "send_message" in stage.sqs.calls
    assert ("token1x write it [cmd-1]" not in desks[0].published(git)) is broken


@with_and_without(Defect.NOT_IDEMPOTENT)
def test_not_idempotent_does_a_message_again(stage: Stage, broken: bool, desks: Any, git: Any) -> None:
    stage.handle()
    stage.handle()
    assert len(desks[0].published(git)) == (2 if broken else 1)


@with_and_without(Defect.KEEP_STALE_LOCK)
def test_keep_stale_lock_is_stopped_by_a_lock_nobody_holds(
    stage: Stage, broken: bool, desks: Any, git: Any
) -> None:
    lock: Path = desks[0].folder / "index.lock"
    lock.touch()
    os.utime(lock, (1_600_000_000, 1_600_000_000))
    threading.Timer(1.5, stage.stop.set).start()
    stage.handle()
    assert lock.exists() is broken
    assert (desks[0].published(git) == []) is broken


@with_and_without(Defect.BRANCH_FROM_CURRENT_HEAD)
def test_branch_from_current_head_takes_another_thread_s_commits_along(
    stage: Stage, broken: bool, desks: Any, git: Any
) -> None:
    stage.handle(body(1))
    stage.handle(body(2, thread=2, session=2))
    assert ("token1x" in git(desks[0].remote, "log", f"main..{OTHER_BRANCH}")) is broken


@with_and_without(Defect.STASH_WITHOUT_UNTRACKED)
def test_stash_without_untracked_commits_a_new_file_on_the_interrupter_s_branch(
    stage: Stage, broken: bool, desks: Any, git: Any
) -> None:
    stage.interrupts.append(message(body(2, thread=2, session=2)))
    stage.handle(body(1))
    assert ("token1x write it [cmd-1]" in lines(desks[0], git, OTHER_BRANCH)) is broken


@with_and_without(Defect.STASH_POP_ON_WRONG_BRANCH)
def test_stash_pop_on_wrong_branch_commits_the_stash_on_the_interrupter_s_branch(
    stage: Stage, broken: bool, desks: Any, git: Any
) -> None:
    stage.interrupts.append(message(body(2, thread=2, session=2)))
    stage.handle(body(1))
    assert ("token1x write it [cmd-1]" in lines(desks[0], git, OTHER_BRANCH)) is broken


@with_and_without(Defect.RESET_HARD_ON_RECOVERY)
def test_reset_hard_on_recovery_throws_commits_away_that_were_answered_for(
    stage: Stage, broken: bool, desks: Any, git: Any
) -> None:
    stage.handle()
    assert stage.deleted
    stage.start_again()
    stage.start_again()
    assert (lines(desks[0], git) == []) is broken


@with_and_without(Defect.ADD_ALL_WITH_CONFLICT_MARKERS)
def test_add_all_with_conflict_markers_publishes_them(stage: Stage, broken: bool, desks: Any, git: Any) -> None:
    stage.meanwhile.append(lambda: (desks[1].commit(9), desks[1].push()))
    stage.handle()
    found = lines(desks[0], git)
    assert {"token1x write it [cmd-1]", "token9x [cmd-9]"} <= set(found)
    assert any(line.startswith("<<<<<<<") for line in found) is broken


@with_and_without(Defect.PUSH_ONCE_IGNORE_FAILURE)
def test_push_once_ignore_failure_leaves_a_rejected_commit_until_the_next_message(
    stage: Stage, broken: bool, desks: Any, git: Any
) -> None:
    stage.meanwhile.append(lambda: (desks[1].commit(9, "session-9"), desks[1].push()))
    stage.handle()
    stage.start_again()
    assert stage.deleted
    assert ("token1x write it [cmd-1]" not in lines(desks[0], git)) is broken
    stage.handle(body(2))
    assert "token1x write it [cmd-1]" in lines(desks[0], git)


@with_and_without(Defect.FORCE_PUSH)
def test_force_push_wipes_out_another_task_s_commit(stage: Stage, broken: bool, desks: Any, git: Any) -> None:
    stage.meanwhile.append(lambda: (desks[1].commit(9, "session-9"), desks[1].push()))
    stage.handle()
    assert "token1x write it [cmd-1]" in lines(desks[0], git)
    assert ("token9x [cmd-9]" not in lines(desks[0], git)) is broken


@with_and_without(Defect.DEPLOY_BEFORE_COMMIT)
def test_deploy_before_commit_shows_the_commit_before(stage: Stage, broken: bool, desks: Any, git: Any) -> None:
    stage.handle()
    assert (stage.deployed != git(desks[0].remote, "rev-parse", BRANCH).strip()) is broken


@with_and_without(Defect.DEPLOY_ONCE_IGNORE_FAILURE)
def test_deploy_once_ignore_failure_answers_for_a_site_that_is_not_there(stage: Stage, broken: bool) -> None:
    stage.s3.refuses = 1
    stage.handle()
    assert stage.deleted
    assert (stage.deployed == "") is broken


@with_and_without(Defect.ORPHAN_CHILDREN_KEEP_WRITING)
def test_orphan_children_keep_writing_after_the_message_is_done_by_another(
    stage: Stage, broken: bool, desks: Any, git: Any
) -> None:
    clone = desks[0].slot.clone
    stage.meanwhile.append(stage.stop.set)
    stage.handle()
    stage.stop.clear()
    stage.handle()
    children = [p for p in psutil.Process().children() if str(clone) in p.cmdline()]
    assert bool(children) is broken
    for child in children:
        wait_for("the child's commit", lambda: "(by the child)" in git(clone, "show", "HEAD"))
        child.wait(10)
    stage.start_again()  # what was left unpushed is pushed
    assert len([line for line in lines(desks[0], git) if "token1x" in line]) == (2 if broken else 1)


@with_and_without(Defect.RECLONE_LOSES_UNPUSHED)
def test_reclone_loses_unpushed_commits_that_were_answered_for(
    stage: Stage, broken: bool, desks: Any, git: Any
) -> None:
    stage.handle()
    assert stage.deleted
    (desks[0].folder / "HEAD").write_text("garbage\n")
    stage.start_again()
    assert (lines(desks[0], git) == []) is broken


@with_and_without(Defect.CRASH_LOOP_ON_POISON)
def test_crash_loop_on_poison_ends_the_task_and_remembers_why(stage: Stage, broken: bool, desks: Any) -> None:
    if broken:
        with pytest.raises(MalformedMessage):
            stage.handle("{")
    else:
        stage.handle("{")
    assert ("poison" in desks[0].slot.noted()) is broken
    assert ("send_message" not in stage.sqs.calls) is broken


@with_and_without(Defect.NO_TIMEOUT_ON_REMOTE)
def test_no_timeout_on_remote_waits_for_a_remote_that_hangs(
    stage: Stage, broken: bool, desks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    worker = build(stage.pipeline.settings, desks[0].slot, stage.stop)
    clone = worker.pipeline.clone
    assert (clone.git.remote_timeout_s is None) is broken
    hook = desks[0].remote / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\nexec sleep 2\n")
    hook.chmod(0o755)
    desks[0].commit(1)
    if broken:
        clone.try_push(BRANCH)
    else:
        with pytest.raises(GitError, match="timed out"):
            replace(clone, git=replace(clone.git, remote_timeout_s=0.5)).try_push(BRANCH)


@with_and_without(Defect.THREAD_READ_ONLY_ON_SESSION_CHANGE)
def test_thread_read_only_on_session_change_stays_on_the_first_thread(
    stage: Stage, broken: bool, desks: Any, git: Any
) -> None:
    stage.handle(body(1, thread=1))
    stage.handle(body(2, thread=2))
    assert ("token2x write it [cmd-2]" in lines(desks[0], git)) is broken
    assert (lines(desks[0], git, OTHER_BRANCH) == []) is broken


@with_and_without(Defect.DETACHED_HEAD_COMMITS)
def test_detached_head_commits_are_on_no_branch(stage: Stage, broken: bool, desks: Any, git: Any) -> None:
    stage.handle()
    assert stage.deleted
    assert (lines(desks[0], git) == []) is broken
