"""The planted defects: known ways to misbehave, against which chaosd's invariants are tested. Off by default."""

from collections.abc import Mapping
from enum import StrEnum


class Defect(StrEnum):
    """One defect each, named as ``--defect`` takes it."""

    ACK_BEFORE_WORK = "ack-before-work"
    KEEP_STALE_LOCK = "keep-stale-lock"
    SUCCESS_ON_FAILED_PUSH = "success-on-failed-push"
    DROP_ON_SIGTERM = "drop-on-sigterm"
    NOT_IDEMPOTENT = "not-idempotent"


#: What goes wrong, and when it shows.
DEFECTS: Mapping[Defect, str] = {
    Defect.ACK_BEFORE_WORK: "Deletes the message before the work: a task killed at work loses the instruction.",
    Defect.KEEP_STALE_LOCK: "Never removes a stale git lock: one left behind stops this clone for good.",
    Defect.SUCCESS_ON_FAILED_PUSH: "Answers success and deletes the message although the push was rejected.",
    Defect.DROP_ON_SIGTERM: "Deletes the message in hand at SIGTERM, done or not.",
    Defect.NOT_IDEMPOTENT: "Does the work again when a message is delivered again: its effect is there twice.",
}
