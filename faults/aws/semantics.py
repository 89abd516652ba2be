"""AWS keeps to its contract, and not to what the worker expects: parts fail, messages come again."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from daemon.core.model import Json, Mode
from daemon.core.parameters import parameter
from faults.aws.family import AwsFault

_SIDES = (
    Mode("service", "the entries failed through the service's fault: they are worth another try"),
    Mode("sender", "the entries failed through the sender's fault: another try does not help"),
)
_VISIBILITY_MOST_S = 43_200


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsPartialBatch(AwsFault):
    """Keeps entries of a batch from AWS and reports them as failed, in an answer with status 200."""

    name: ClassVar[str] = "aws-partial-batch"
    summary: ClassVar[str] = "Some entries of a batch fail, in an answer with status 200: Failed, UnprocessedItems"
    modes: ClassVar[tuple[Mode, ...]] = _SIDES
    effect: ClassVar[str] = "partial-batch"
    strikes: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "sqs": ("SendMessageBatch", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"),
        "dynamodb": ("BatchWriteItem",),
    }

    mode: str = parameter("service", "whose fault it is said to be", choices=tuple(m.name for m in _SIDES))
    service: str = parameter("sqs", "whose batches", choices=("sqs", "dynamodb"))
    share: float = parameter(0.5, "the share of a batch's entries that fails, at least one", least=0, most=1)
    code: str = parameter("", "the entries' code; empty: InternalError, or InvalidParameterValue for the sender")

    def check(self) -> None:
        self.operations()
        if self.service == "dynamodb" and (self.mode != "service" or self.code):
            raise ValueError(
                "UnprocessedItems of DynamoDB bear no code and are nobody's fault: mode service, no code"
            )

    def parameters(self) -> Mapping[str, Json]:
        sender = self.mode == "sender"
        return {
            "share": self.share,
            "code": self.code or ("InvalidParameterValue" if sender else "InternalError"),
            "message": "The entry is not valid." if sender else "An internal error kept the entry back.",
            "sender_fault": sender,
        }

    def does(self) -> str:
        where = "UnprocessedItems" if self.service == "dynamodb" else "Failed"
        return (
            f"keep {self.share:g} of the entries of a batch (at least one) from AWS and return them under {where}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsDuplicateDelivery(AwsFault):
    """Delivers a message again that was delivered before, as a standard queue may (at least once)."""

    name: ClassVar[str] = "aws-duplicate-delivery"
    summary: ClassVar[str] = "SQS delivers messages again, although the worker may have deleted them"
    modes: ClassVar[tuple[Mode, ...]] = (Mode("later", "in the answer to a later receive of the same queue"),)
    effect: ClassVar[str] = "duplicate-delivery"
    strikes: ClassVar[Mapping[str, tuple[str, ...]]] = {"sqs": ("ReceiveMessage",)}

    mode: str = parameter("later", "when it comes again", choices=("later",))
    service: str = parameter("sqs", "whose messages", choices=("sqs",))
    copies: int = parameter(1, "how often a message comes again", least=1, most=10)
    after_calls: int = parameter(1, "so many receives of the queue later", least=1, most=1000)

    def parameters(self) -> Mapping[str, Json]:
        return {"copies": self.copies, "after_calls": self.after_calls}

    def does(self) -> str:
        return (
            f"deliver what was received again, {self.copies} times, same id and receipt handle, "
            f"{self.after_calls} receives later"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsVisibilityExpired(AwsFault):
    """Shortens the visibility timeout the worker asks for, so that messages come again while it works."""

    name: ClassVar[str] = "aws-visibility-expired"
    summary: ClassVar[str] = "The visibility timeout is over too soon: messages come again while they are worked on"
    modes: ClassVar[tuple[Mode, ...]] = (Mode("shortened", "timeouts asked for are shortened to the given one"),)
    effect: ClassVar[str] = "visibility-expired"
    strikes: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "sqs": ("ReceiveMessage", "ChangeMessageVisibility", "ChangeMessageVisibilityBatch")
    }

    mode: str = parameter("shortened", "how it ends", choices=("shortened",))
    service: str = parameter("sqs", "whose messages", choices=("sqs",))
    visibility: float = parameter(1.0, "the timeout that is asked for instead", unit="s", most=_VISIBILITY_MOST_S)

    def check(self) -> None:
        self.operations()
        if self.visibility != int(self.visibility):
            raise ValueError(f"visibility: SQS knows whole seconds only, not {self.visibility:g}")

    def parameters(self) -> Mapping[str, Json]:
        return {"visibility_s": int(self.visibility)}

    def does(self) -> str:
        return f"ask for a visibility timeout of {int(self.visibility)} s, whatever the worker asked for"
