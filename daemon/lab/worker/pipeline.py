"""From one message to its effect: branch, edit, build, commit, push, deployment, answer; deleted last."""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Protocol

from botocore.exceptions import BotoCoreError, ClientError

from daemon.lab.worker import message as messages
from daemon.lab.worker import orphan
from daemon.lab.worker.clone import Clone, PushRejected
from daemon.lab.worker.defects import LEAVES_UNPUSHED, PUSHES_WHEN_IDLE, Defect
from daemon.lab.worker.gitcli import GitError
from daemon.lab.worker.message import Command, MalformedMessage, Message
from daemon.lab.worker.repair import Repairer
from daemon.lab.worker.say import say
from daemon.lab.worker.settings import Settings

GIVE_UP_S = 120.0  # of trying one message; meanwhile it stays ours, and does not use up its deliveries
PAUSE_S = 0.25
PAUSE_MAX_S = 2.0
RETRY_AFTER_S = 5  # a message that could not be done now is delivered again that much later
BUILD_SLICE_S = 0.1
#: Workers whose clone is where they look, not the remote.
KEEPS_TO_ITS_OWN = LEAVES_UNPUSHED | PUSHES_WHEN_IDLE | {Defect.DETACHED_HEAD_COMMITS}


class Stopping(Exception):  # noqa: N818 - it says what happens
    """The task was told to stop before the command's commit; the message goes back."""


class Mailbox(Protocol):
    """Where messages come from and answers go to: SQS, or the one message of a one-shot command."""

    def keeping(self, message: Message) -> AbstractContextManager[None]: ...
    def hand_back(self, message: Message, *, after_s: int = 0) -> None: ...
    def delete(self, message: Message) -> None: ...
    def answer(self, fields: Mapping[str, object]) -> None: ...


class Showcase(Protocol):
    """Where the work is shown."""

    def deploy(self, *, branch: str, commit: str, text: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """Handles one message at a time; ``stop`` is set at SIGTERM, ``give_up_s`` is how long one is tried."""

    settings: Settings
    clone: Clone
    repairer: Repairer
    queues: Mailbox
    site: Showcase
    stop: threading.Event
    take_interrupt: Callable[[], Message | None]
    interruptible: bool = True
    give_up_s: float = GIVE_UP_S
    threads: dict[str, str] = field(default_factory=dict)  # only for thread-read-only-on-session-change

    def handle(self, message: Message) -> None:
        """Bring one message to its end: done, refused, or handed back. Raises nothing of git's or AWS's."""
        with self.queues.keeping(message):
            try:
                self._handle(message)
            except (BotoCoreError, ClientError) as error:
                # Without its answer or its deletion it comes again, and is found done.
                say("message.not_finished", level="ERROR", why=str(error))

    def _handle(self, message: Message) -> None:
        started_s = time.monotonic()
        try:
            command = messages.parse(message.body, self.settings.branch_template)
        except MalformedMessage as error:
            self._refuse(message, error)
            return
        if self.settings.defect is Defect.THREAD_READ_ONLY_ON_SESSION_CHANGE:
            command = self._on_the_session_s_thread(command)
        if self.settings.defect is Defect.ACK_BEFORE_WORK:
            self.queues.delete(message)
        commit = self._carry_out(command, message)
        if commit is None:
            return
        self.queues.answer(
            {
                "sessionId": command.session_id,
                "commandId": command.command_id,
                "chatThreadId": command.thread_id,
                "status": "success",
                "commit": commit,
                "branch": command.branch,
            }
        )
        self.queues.delete(message)
        took_ms = round((time.monotonic() - started_s) * 1000)
        say("command.done", command=command.command_id, session=command.session_id, commit=commit, took_ms=took_ms)

    def _on_the_session_s_thread(self, command: Command) -> Command:
        if command.session_id not in self.threads:
            self.threads.clear()
        return replace(command, branch=self.threads.setdefault(command.session_id, command.branch))

    def _refuse(self, message: Message, error: MalformedMessage) -> None:
        """Answer once and hand back: after its last delivery it lies in the dead-letter queue, as evidence."""
        if self.settings.defect is Defect.CRASH_LOOP_ON_POISON:
            self.clone.slot.note(poison=str(error))
            raise error
        say("message.refused", level="ERROR", why=str(error), receives=message.receives)
        if message.receives == 1:
            fields = messages.answer_fields(message.body)
            self.queues.answer(fields | {"status": "failure", "reason": str(error)})
        self.queues.hand_back(message)

    def _carry_out(self, command: Command, message: Message) -> str | None:
        """Return the commit that is pushed and deployed; None when the message was handed back instead."""
        give_up_s = time.monotonic() + self.give_up_s
        for attempt in count(1):
            try:
                return self._work(command)
            except Stopping:
                break
            except (GitError, PushRejected, BotoCoreError, ClientError, OSError) as error:
                say("command.failed", level="ERROR", command=command.command_id, attempt=attempt, why=str(error))
            if self.stop.is_set() or time.monotonic() > give_up_s or not self._recover(attempt):
                break
        if self.stop.is_set():
            self._give_back(command, message)
        else:
            say("command.given_up", level="ERROR", command=command.command_id, receives=message.receives)
            self.queues.hand_back(message, after_s=RETRY_AFTER_S)
        return None

    def _recover(self, attempt: int) -> bool:
        """Repair the clone and wait a little; False when told to stop meanwhile."""
        self.repairer.heal()
        try:
            self.clone.discard_edit()
            if self.settings.defect is Defect.RESET_HARD_ON_RECOVERY:
                self.clone.start_over()
        except GitError as error:
            say("edit.not_discarded", level="WARNING", why=str(error))
        return not self.stop.wait(min(PAUSE_S * attempt, PAUSE_MAX_S))

    def _give_back(self, command: Command, message: Message) -> None:
        if self.settings.defect is Defect.DROP_ON_SIGTERM:
            self.queues.delete(message)
            return
        try:
            self.clone.discard_edit()
        except GitError as error:
            say("edit.not_discarded", level="WARNING", why=str(error))
        self.queues.hand_back(message)
        say("message.handed_back", command=command.command_id)

    def _work(self, command: Command) -> str:
        branch = command.branch
        again = self.settings.defect is Defect.NOT_IDEMPOTENT
        early = self.settings.defect is Defect.DEPLOY_BEFORE_COMMIT
        self.clone.fetch(branch)
        self.clone.switch(branch)
        if again or not self.clone.find(command):
            if early:
                self._deploy(command, self.clone.head())
            self.clone.edit(command, again=again)
            self._build(command)
            self.clone.commit(command)
        refs = self.clone.refs(branch)
        if refs.local != refs.remote:
            self._push(command)
        commit = self.clone.head()
        if not early:
            self._deploy(command, commit)
        return commit

    def _push(self, command: Command) -> None:
        if self.settings.defect in PUSHES_WHEN_IDLE:
            return
        if self.settings.defect in {Defect.SUCCESS_ON_FAILED_PUSH, Defect.PUSH_ONCE_IGNORE_FAILURE}:
            try:
                self.clone.try_push(command.branch)
            except (PushRejected, GitError) as error:
                say("push.failed", level="WARNING", why=str(error))
            return
        self.clone.push(command.branch, self.stop)

    def _deploy(self, command: Command, commit: str) -> None:
        if self.settings.defect is Defect.DEPLOY_ONCE_IGNORE_FAILURE:
            self._deploy_once(command, commit)
            return
        self.site.deploy(branch=command.branch, commit=commit, text=self.clone.read(command))
        newest = self.clone.remote_head(command.branch)
        if newest and newest != commit and self.settings.defect not in KEEPS_TO_ITS_OWN:
            # Another task pushed in between and may have deployed before us: ours must not cover it.
            self.clone.fetch(command.branch)
            self.clone.switch(command.branch)
            self.site.deploy(branch=command.branch, commit=self.clone.head(), text=self.clone.read(command))

    def _deploy_once(self, command: Command, commit: str) -> None:
        try:
            self.site.deploy(branch=command.branch, commit=commit, text=self.clone.read(command))
        except (BotoCoreError, ClientError) as error:
            say("deploy.failed", level="WARNING", why=str(error))

    def _build(self, command: Command) -> None:
        """Pretend to work; let an interrupting message of another thread go first. Raises Stopping at SIGTERM."""
        finish_s = time.monotonic() + self.settings.build_s
        while True:
            self._let_through(command)
            if self.stop.is_set():
                if self.settings.defect is Defect.ORPHAN_CHILDREN_KEEP_WRITING:
                    orphan.leave(self.clone.git.directory, command.path, command.line)
                raise Stopping
            left_s = finish_s - time.monotonic()
            if left_s <= 0:
                return
            self.stop.wait(min(left_s, BUILD_SLICE_S))

    def _let_through(self, command: Command) -> None:
        if not self.interruptible:
            return
        message = self.take_interrupt()
        if message is None:
            return
        say("command.interrupted", command=command.command_id)
        # Its switch of branch stashes our work, and our switch back takes it up again.
        replace(self, interruptible=False).handle(message)
        self.clone.switch(command.branch)
        self.clone.edit(command, again=False)  # in case the stash did not come back
        say("command.resumed", command=command.command_id)
