"""Each planted defect misbehaves in its one way, and the worker without it does not. Real git, queues in memory."""

import json
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from daemon.lab.worker.defects import DEFECTS, Defect
from daemon.lab.worker.message import Message
from daemon.lab.worker.pipeline import Pipeline
from daemon.lab.worker.queues import Queues
from daemon.lab.worker.settings import Settings
from daemon.lab.worker.site import Site

NAMES = {"sessionId": "session-1", "commandId": "cmd-1", "chatThreadId": "thread-1"}
BODY = json.dumps(NAMES | {"instruction": "token1x write it"})


class Aws:
    """Takes every call and remembers its name."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., dict[str, Any]]:
        def call(**_: Any) -> dict[str, Any]:
            self.calls.append(name)
            return {}

        return call


@dataclass
class Stage:
    """A pipeline, and what happens in the middle of its work."""

    pipeline: Pipeline
    sqs: Aws
    stop: threading.Event
    meanwhile: list[Callable[[], object]] = field(default_factory=list)

    def handle(self) -> None:
        self.pipeline.handle(Message(body=BODY, receipt="r", receives=1, queue_url="input"))

    @property
    def deleted(self) -> bool:
        return "delete_message" in self.sqs.calls


@pytest.fixture
def stage(request: Any, desks: Any) -> Stage:
    desk = desks[0]
    defect: Defect | None = request.param
    sqs, stop = Aws(), threading.Event()
    made: list[Stage] = []

    def in_the_middle() -> None:
        for act in made[0].meanwhile:
            act()
        made[0].meanwhile.clear()

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
        clone=replace(desk.clone, catches_up=defect is not Defect.SUCCESS_ON_FAILED_PUSH),
        repairer=replace(desk.repairer, keep_locks=defect is Defect.KEEP_STALE_LOCK),
        queues=Queues(sqs=sqs, responses_url="responses", visibility_s=10),
        site=Site(s3=Aws(), bucket="site", key="index.html"),
        stop=stop,
        take_interrupt=in_the_middle,
    )
    made.append(Stage(pipeline=pipeline, sqs=sqs, stop=stop))
    return made[0]


def with_and_without(defect: Defect) -> Any:
    cases = [pytest.param(None, False, id="correct"), pytest.param(defect, True, id=defect.value)]
    return pytest.mark.parametrize(("stage", "broken"), cases, indirect=["stage"])


def test_every_defect_is_described() -> None:
    assert set(DEFECTS) == set(Defect)


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
