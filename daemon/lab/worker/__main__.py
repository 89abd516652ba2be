"""Run one task of the reference worker: ``python -m daemon.lab.worker --lab DIR [--defect NAME]``."""

import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from types import FrameType
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from daemon.lab.worker import settings as worker_settings
from daemon.lab.worker.clone import Clone
from daemon.lab.worker.defects import Defect
from daemon.lab.worker.gitcli import Git
from daemon.lab.worker.message import MalformedMessage, Message
from daemon.lab.worker.pipeline import Pipeline
from daemon.lab.worker.queues import Queues
from daemon.lab.worker.repair import Repairer
from daemon.lab.worker.say import say
from daemon.lab.worker.settings import Settings
from daemon.lab.worker.site import Site
from daemon.lab.worker.slots import Slot, claim
from daemon.lab.worker.upkeep import look_after

CHECK_SHARE = 20  # at most one part in 20 of the idle time goes into checking the clone
CHECK_PAUSE_MAX_S = 10.0  # unless that would leave a broken clone broken for long
STOPPED_CODE = 128 + signal.SIGTERM
NO_ANSWER_PAUSE_S = 0.5


@dataclass(slots=True, kw_only=True)
class Worker:
    """The loop: interrupts first, then input, and a look at the clone when there is nothing to do."""

    settings: Settings
    queues: Queues
    pipeline: Pipeline
    stop: threading.Event
    check_at_s: float = 0.0

    def run(self) -> None:
        """Work until told to stop."""
        self.look_after_clone()
        say("worker.ready", slot=self.pipeline.clone.slot.name, pid=os.getpid())
        while not self.stop.is_set():
            try:
                message = self._take()
            except (BotoCoreError, ClientError) as error:
                say("queue.unreachable", level="ERROR", why=str(error))
                self.stop.wait(NO_ANSWER_PAUSE_S)
                continue
            if message is None:
                if time.monotonic() >= self.check_at_s:
                    self.look_after_clone()
            elif self.stop.is_set():
                self.queues.hand_back(message)
            else:
                self.pipeline.handle(message)

    def _take(self) -> Message | None:
        interrupt = self.queues.receive(self.settings.interrupt_queue_url, wait_s=0)
        return interrupt or self.queues.receive(self.settings.input_queue_url, wait_s=self.settings.poll_s)

    def look_after_clone(self) -> None:
        """Repair the clone if it needs it, and push what a dead predecessor committed and did not push."""
        started_s = time.monotonic()
        look_after(self.pipeline, first=not self.check_at_s)
        ended_s = time.monotonic()
        pause_s = min(CHECK_SHARE * (ended_s - started_s), CHECK_PAUSE_MAX_S)
        self.check_at_s = ended_s + max(self.settings.check_every_s, pause_s)


def build(settings: Settings, slot: Slot, stop: threading.Event) -> Worker:
    """Put a worker together; endpoint and credentials come from the environment, as in a container."""
    config = Config(connect_timeout=5, read_timeout=30, retries={"total_max_attempts": 3})
    git = Git(slot.clone)
    if settings.defect is Defect.NO_TIMEOUT_ON_REMOTE:
        git = Git(slot.clone, remote_timeout_s=None)
    queues = Queues(
        sqs=boto3.client("sqs", config=config),
        responses_url=settings.responses_queue_url,
        visibility_s=settings.visibility_s,
    )

    def take_interrupt() -> Message | None:
        return queues.receive(settings.interrupt_queue_url, wait_s=0)

    pipeline = Pipeline(
        settings=settings,
        clone=Clone(git=git, slot=slot, mainline=settings.mainline, defect=settings.defect),
        repairer=Repairer(
            git=git,
            slot=slot,
            remote=settings.remote,
            mainline=settings.mainline,
            lock_age_s=settings.lock_age_s,
            defect=settings.defect,
        ),
        queues=queues,
        site=Site(s3=boto3.client("s3", config=config), bucket=settings.site_bucket, key=settings.site_key),
        stop=stop,
        take_interrupt=take_interrupt,
    )
    return Worker(settings=settings, queues=queues, pipeline=pipeline, stop=stop)


def _wait(seconds: Any) -> None:
    threading.Event().wait(float(seconds))


def main() -> int:
    """Run until SIGTERM or SIGINT; the exit status is 143, as of any program ended by SIGTERM."""
    settings = worker_settings.read(sys.argv[1:], os.environ)
    if os.environ.get("FAKETIME_DONT_FAKE_MONOTONIC"):
        # libfaketime refuses clock_nanosleep then, and with it every time.sleep of Python 3.11, subprocess's too.
        time.sleep = _wait
    stop = threading.Event()

    def ask_to_stop(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, ask_to_stop)
    signal.signal(signal.SIGINT, ask_to_stop)
    slot = claim(settings.lab, settings.slots, stop)
    if slot is not None:
        if settings.defect is Defect.CRASH_LOOP_ON_POISON and slot.noted().get("poison"):
            raise MalformedMessage(slot.noted()["poison"])
        build(settings, slot, stop).run()
    say("worker.stopped")
    return STOPPED_CODE


if __name__ == "__main__":
    sys.exit(main())
