"""The reference worker for one message: ``python -m daemon.lab.worker.once < message.json``, in its clone.

The same repair, branch, edit, commit and push as in the service; without queues and site there is nothing to answer
and nothing to deploy. Exit status 0: done; 65: the message can never be done; 75: not done, give it again.
"""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from daemon.lab.worker.clone import Clone
from daemon.lab.worker.defects import Defect
from daemon.lab.worker.gitcli import Git, GitError
from daemon.lab.worker.message import Message
from daemon.lab.worker.pipeline import Pipeline
from daemon.lab.worker.repair import Repairer
from daemon.lab.worker.settings import Settings
from daemon.lab.worker.slots import Slot, claim_directory
from daemon.lab.worker.upkeep import look_after

DONE, MALFORMED, TRY_AGAIN = 0, os.EX_DATAERR, os.EX_TEMPFAIL
GIVE_UP_S = 2.0  # whoever started us starts us again


@dataclass(slots=True)
class OneMessage:
    """Stands for the queues: what would have become of the message there is the exit status."""

    code: int = TRY_AGAIN

    @contextmanager
    def keeping(self, message: Message) -> Iterator[None]:
        """Hold it: nobody else can take it."""
        del message
        yield

    def hand_back(self, message: Message, *, after_s: int = 0) -> None:
        """Leave it to whoever started us; a refused message stays refused."""
        del message, after_s

    def delete(self, message: Message) -> None:
        """Count it as done."""
        del message
        self.code = DONE

    def answer(self, fields: Mapping[str, object]) -> None:
        """Take note of a refusal; a success is deleted next."""
        if fields.get("status") == "failure":
            self.code = MALFORMED


class NoSite:
    """Stands for the deployment, of which there is none."""

    def deploy(self, *, branch: str, commit: str, text: str) -> None:
        """Deploy nothing."""


def main(argv: Sequence[str], body: str) -> int:
    """Handle the message in the clone we stand in; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m daemon.lab.worker.once")
    parser.add_argument("--mainline", default=os.environ.get("CHAOSD_MAINLINE") or "main")
    parser.add_argument("--branch", default="thread-{chatThreadId}")
    parser.add_argument("--defect", type=Defect, choices=list(Defect), default=None)
    options = parser.parse_args(argv)
    stop = threading.Event()

    def ask_to_stop(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, ask_to_stop)
    signal.signal(signal.SIGINT, ask_to_stop)
    clone = Path.cwd()
    slot = claim_directory(clone)
    remote = os.environ.get("CHAOSD_REMOTE") or _origin(clone)
    settings = _settings(clone, remote, options)
    mailbox = OneMessage()
    pipeline = _pipeline(settings, slot, mailbox, stop)
    look_after(pipeline, first=True)
    pipeline.handle(Message(body=body, receipt="", receives=1, queue_url=""))
    look_after(pipeline, first=False)  # as the service does as soon as it is idle
    return mailbox.code


def _origin(clone: Path) -> str:
    try:
        return Git(clone).run("config", "--get", "remote.origin.url").strip()
    except GitError:
        return ""


def _settings(clone: Path, remote: str, options: argparse.Namespace) -> Settings:
    return Settings(
        lab=clone.parent,
        defect=options.defect,
        input_queue_url="",
        responses_queue_url="",
        interrupt_queue_url="",
        site_bucket="",
        site_key="",
        remote=remote,
        slots=1,
        branch_template=options.branch,
        mainline=options.mainline,
        build_s=0.0,
    )


def _pipeline(settings: Settings, slot: Slot, mailbox: OneMessage, stop: threading.Event) -> Pipeline:
    git = Git(slot.clone)
    return Pipeline(
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
        queues=mailbox,
        site=NoSite(),
        stop=stop,
        take_interrupt=lambda: None,
        give_up_s=GIVE_UP_S,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], sys.stdin.read()))
