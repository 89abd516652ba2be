"""The rows: what each fault did to boto3 (its default mode, and mode standard) and the AWS SDK v3, as measured."""

from dataclasses import replace

from tests.integration.proxy.sdk_cases import FIRST_TRY, Case, Cell

HALF_FAILED, INVALID = "success, with 2 of 4 under Failed", "ReceiptHandleIsInvalid"
NONE, ONE, TWO = "0 messages in the queue", "1 message in the queue", "2 messages in the queue"
CLOSED, LATE = "ConnectionClosedError", "ReadTimeoutError"  # boto3's
TIMEOUT, ABORTED = "TimeoutError", "ECONNRESET"  # the SDK v3's; a reset is a TimeoutError to it, too


def same(tries: int, saw: str, holds: str = "", *, node: str = "") -> tuple[Cell, Cell, Cell]:
    """Return SDKs that did the same; the SDK v3 has names of its own for some errors."""
    one = Cell(tries=tries, saw=saw, holds=holds)
    return one, one, replace(one, saw=node or saw)


def tried(saw: str, holds: str = "", *, node: str = "") -> tuple[Cell, Cell, Cell]:
    """Return SDKs that tried as often as they do by default."""
    legacy, standard, v3 = same(3, saw, holds, node=node)
    return replace(legacy, tries=5), standard, v3


REFUSALS = (
    Case(fault="aws-throttle", call="SendMessage", sees=tried("RequestThrottled", NONE)),
    Case(fault="aws-throttle", call="PutObject", sees=tried("SlowDown", "no object")),
    Case(fault="aws-throttle", call="SendMessage", mode="key-service", sees=same(1, "KmsThrottled", NONE)),
    Case(fault="aws-throttle", call="SendMessage", settings=FIRST_TRY, sees=same(2, "success", ONE)),
    Case(fault="aws-error", call="SendMessage", mode="internal", sees=tried("InternalFailure", NONE)),
    Case(fault="aws-error", call="PutObject", mode="unavailable", sees=tried("ServiceUnavailable", "no object")),
    Case(fault="aws-error", call="SendMessage", mode="bad-gateway", sees=tried("502", NONE, node="TypeError")),
    Case(fault="aws-error", call="GetObject", mode="gateway-timeout", sees=tried("504", node="Unknown")),
    Case(fault="aws-error", call="ReceiveMessage", mode="access-denied", sees=same(1, "AccessDenied", ONE)),
    Case(
        fault="aws-error",
        call="SendMessage",
        mode="not-found",
        sees=same(1, "AWS.SimpleQueueService.NonExistentQueue", NONE, node="QueueDoesNotExist"),
    ),
    Case(fault="aws-error", call="ReceiveMessage", mode="over-limit", sees=same(1, "OverLimit", ONE)),
    Case(fault="aws-error", call="DeleteMessage", mode="receipt-invalid", sees=same(1, INVALID, ONE)),
    Case(
        fault="aws-error",
        call="SendMessage",
        mode="named",
        settings={"code": "InvalidMessageContents", "status": "400"},
        sees=same(1, "InvalidMessageContents", NONE),
    ),
    Case(fault="aws-expired-credentials", call="SendMessage", sees=same(1, "ExpiredToken", NONE)),
    Case(fault="aws-expired-credentials", call="PutObject", sees=same(1, "ExpiredToken", "no object")),
    Case(
        fault="aws-expired-credentials",
        call="SendMessage",
        mode="unknown",
        sees=same(1, "InvalidClientTokenId", NONE),
    ),
    Case(
        fault="aws-expired-credentials",
        call="SendMessage",
        mode="clock-skew",
        sees=same(1, "SignatureDoesNotMatch", NONE),
    ),
)
WAITS = (
    Case(fault="aws-latency", call="SendMessage", settings={"mean": "300ms"}, sees=same(1, "success", ONE)),
    Case(
        fault="aws-latency",
        call="ReceiveMessage",
        settings={"mean": "2500ms", "where": "reply"},
        impatient=True,
        sees=tried(LATE, ONE, node=TIMEOUT),
    ),
    Case(fault="aws-hang", call="SendMessage", impatient=True, sees=tried(LATE, NONE, node=TIMEOUT)),
)
CUTS = (
    Case(fault="aws-reset", call="SendMessage", sees=tried(CLOSED, NONE, node=TIMEOUT)),
    Case(fault="aws-reset", call="SendMessage", settings=FIRST_TRY, sees=same(2, "success", ONE)),
    Case(fault="aws-truncate", call="ReceiveMessage", sees=tried(CLOSED, ONE, node=ABORTED)),
    Case(fault="aws-truncate", call="GetObject", sees=same(1, "ResponseStreamingError", node=ABORTED)),
    Case(fault="aws-lost-reply", call="SendMessage", settings=FIRST_TRY, sees=same(2, "success", TWO)),
    Case(
        fault="aws-lost-reply",
        call="SendMessage",
        sees=(
            Cell(tries=5, saw=CLOSED, holds="5 messages in the queue"),
            Cell(tries=3, saw=CLOSED, holds="3 messages in the queue"),
            Cell(tries=3, saw=TIMEOUT, holds="3 messages in the queue"),
        ),
    ),
    Case(
        fault="aws-lost-reply",
        call="DeleteMessage",
        settings=FIRST_TRY,
        sees=same(2, INVALID, NONE),
    ),
    Case(fault="aws-lost-reply", call="DeleteMessage", sees=tried(CLOSED, NONE, node=TIMEOUT)),
    Case(fault="aws-lost-reply", call="ReceiveMessage", settings=FIRST_TRY, sees=same(2, "no message", ONE)),
    Case(
        fault="aws-lost-reply",
        call="PutObject",
        settings=FIRST_TRY,
        sees=same(2, "success", "the object is there"),
    ),
)
SEMANTICS = (
    Case(fault="aws-partial-batch", call="SendMessageBatch", sees=same(1, HALF_FAILED, TWO)),
    Case(
        fault="aws-partial-batch",
        call="DeleteMessageBatch",
        mode="sender",
        settings={"share": "0.25"},
        sees=same(1, "success, with 1 of 4 under Failed", ONE),
    ),
    Case(
        fault="aws-duplicate-delivery",
        call="receive, delete, receive",
        sees=same(1, "the deleted message again", NONE),
    ),
    Case(
        fault="aws-visibility-expired",
        call="ReceiveMessage twice",
        settings={"visibility": "0s"},
        sees=same(1, "the same message again"),
    ),
)
CASES = (*REFUSALS, *WAITS, *CUTS, *SEMANTICS)
