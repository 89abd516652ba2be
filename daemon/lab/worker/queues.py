"""The worker's side of SQS: take, keep, hand back, delete, answer."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from daemon.lab.worker.message import Message
from daemon.lab.worker.say import say


@dataclass(frozen=True, slots=True, kw_only=True)
class Queues:
    """Messages come and go through here; ``visibility_s`` is how long one stays ours without an extension."""

    sqs: Any
    responses_url: str
    visibility_s: int

    def receive(self, queue_url: str, *, wait_s: int) -> Message | None:
        """Take one message, waiting at most ``wait_s`` seconds for it."""
        answer = self.sqs.receive_message(
            QueueUrl=queue_url,
            MaxNumberOfMessages=1,
            WaitTimeSeconds=wait_s,
            VisibilityTimeout=self.visibility_s,
            MessageSystemAttributeNames=["ApproximateReceiveCount"],
        )
        for found in answer.get("Messages", ()):
            receives = int(found.get("Attributes", {}).get("ApproximateReceiveCount", "1"))
            return Message(
                body=found["Body"], receipt=found["ReceiptHandle"], receives=receives, queue_url=queue_url
            )
        return None

    @contextmanager
    def keeping(self, message: Message) -> Iterator[None]:
        """Keep the message invisible to others while the block runs."""
        over = threading.Event()

        def extend() -> None:
            while not over.wait(self.visibility_s / 3):
                self._set_visibility(message, self.visibility_s)

        keeper = threading.Thread(target=extend, name="visibility", daemon=True)
        keeper.start()
        try:
            yield
        finally:
            over.set()
            keeper.join(timeout=5)

    def hand_back(self, message: Message, *, after_s: int = 0) -> None:
        """Let the message be delivered again, ``after_s`` seconds from now."""
        self._set_visibility(message, after_s)

    def delete(self, message: Message) -> None:
        """Delete the message: it is done."""
        self.sqs.delete_message(QueueUrl=message.queue_url, ReceiptHandle=message.receipt)

    def answer(self, fields: Mapping[str, object]) -> None:
        """Send an answer to the response queue."""
        self.sqs.send_message(QueueUrl=self.responses_url, MessageBody=json.dumps(fields))

    def _set_visibility(self, message: Message, seconds: int) -> None:
        try:
            self.sqs.change_message_visibility(
                QueueUrl=message.queue_url, ReceiptHandle=message.receipt, VisibilityTimeout=seconds
            )
        except (BotoCoreError, ClientError) as error:
            # Then it comes back by itself when its time is up; the work is safe to do twice.
            say("visibility.not_changed", level="WARNING", why=str(error))
