"""The error answers of AWS, service by service: status, code, and the words that come with them.

Codes and statuses are those of the services' own models and pages of common errors; SQS throttles with 403, because
that is the answer SDKs take for throttling (400 ``RequestThrottled`` is not tried again).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

Answer: TypeAlias = tuple[int, str, str]
ANY = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One way AWS refuses: its name, what it means, and the answer of each service that has it.

    ``empty``: an answer without a body, as a load balancer in front of the service gives it.
    """

    name: str
    summary: str
    answers: Mapping[str, Answer] = field(default_factory=dict)
    empty: bool = False


_RATE = "Rate exceeded"
_BUSY = "Service is temporarily unavailable. Please try again later."
_BROKEN = "We encountered an internal error. Please try again."
_DENIED = "User is not authorized to perform this operation because no identity-based policy allows it"
_EXPIRED = "The security token included in the request is expired"
_UNKNOWN = "The security token included in the request is invalid."
_SKEWED = "Signature expired: the clock of the caller differs from that of the service by more than it allows."

THROTTLES = (
    Kind(
        name="rate",
        summary="asked too often: each service's own throttling code, which SDKs try again",
        answers={
            "sqs": (403, "RequestThrottled", _RATE),
            "s3": (503, "SlowDown", "Please reduce your request rate."),
            "ecs": (400, "ThrottlingException", _RATE),
            "logs": (400, "ThrottlingException", _RATE),
            "states": (400, "ThrottlingException", _RATE),
            "sts": (400, "Throttling", _RATE),
            "dynamodb": (
                400,
                "ProvisionedThroughputExceededException",
                "The level of configured provisioned throughput for the table was exceeded.",
            ),
        },
    ),
    Kind(
        name="key-service",
        summary="the key service behind an encrypted queue is asked too often: SDKs do not try that again",
        answers={"sqs": (400, "KmsThrottled", "Rate exceeded for the key of the queue.")},
    ),
)

ERRORS = (
    Kind(
        name="internal",
        summary="500, the service's own internal error",
        answers={
            ANY: (500, "InternalFailure", _BROKEN),
            "s3": (500, "InternalError", _BROKEN),
            "ecs": (500, "ServerException", _BROKEN),
            "logs": (500, "InternalServerException", _BROKEN),
            "dynamodb": (500, "InternalServerError", _BROKEN),
        },
    ),
    Kind(
        name="unavailable",
        summary="503, the service is unavailable",
        answers={
            ANY: (503, "ServiceUnavailable", _BUSY),
            "logs": (503, "ServiceUnavailableException", _BUSY),
        },
    ),
    Kind(
        name="bad-gateway",
        summary="502 without a body, from a load balancer before the service",
        answers={ANY: (502, "BadGateway", "")},
        empty=True,
    ),
    Kind(
        name="gateway-timeout",
        summary="504 without a body, from a load balancer before the service",
        answers={ANY: (504, "GatewayTimeout", "")},
        empty=True,
    ),
    Kind(
        name="access-denied",
        summary="a policy no longer allows it: IAM, queue policy, bucket policy",
        answers={
            ANY: (400, "AccessDeniedException", _DENIED),
            "sqs": (403, "AccessDenied", _DENIED),
            "s3": (403, "AccessDenied", "Access Denied"),
            "sts": (403, "AccessDenied", _DENIED),
        },
    ),
    Kind(
        name="not-found",
        summary="what the call names is gone: queue, bucket, cluster, log group, table, state machine",
        answers={
            "sqs": (400, "QueueDoesNotExist", "The specified queue does not exist."),
            "s3": (404, "NoSuchBucket", "The specified bucket does not exist"),
            "ecs": (400, "ClusterNotFoundException", "Cluster not found."),
            "logs": (400, "ResourceNotFoundException", "The specified log group does not exist."),
            "dynamodb": (400, "ResourceNotFoundException", "Requested resource not found"),
            "states": (400, "StateMachineDoesNotExist", "State Machine Does Not Exist"),
        },
    ),
    Kind(
        name="over-limit",
        summary="a quota is used up, as SQS answers with 120,000 messages in flight: SDKs do not try again",
        answers={
            "sqs": (400, "OverLimit", "Too many messages are in flight."),
            "ecs": (400, "LimitExceededException", "The limit for the resource has been exceeded."),
            "logs": (400, "ServiceQuotaExceededException", "A quota of the account was exceeded."),
            "dynamodb": (400, "LimitExceededException", "Too many operations for a given subscriber."),
            "states": (400, "ExecutionLimitExceeded", "The maximum number of running executions was reached."),
        },
    ),
    Kind(
        name="receipt-invalid",
        summary="the receipt handle is no longer good, as after the visibility timeout of a FIFO queue",
        answers={"sqs": (400, "ReceiptHandleIsInvalid", "The input receipt handle is invalid.")},
    ),
)

CREDENTIALS = (
    Kind(
        name="expired",
        summary="the session token has expired, as when a worker keeps credentials that were never renewed",
        answers={
            ANY: (400, "ExpiredTokenException", _EXPIRED),
            "sqs": (403, "ExpiredToken", _EXPIRED),
            "sts": (403, "ExpiredToken", _EXPIRED),
            "s3": (400, "ExpiredToken", "The provided token has expired."),
        },
    ),
    Kind(
        name="unknown",
        summary="the access key is not known any more, as after a rotation",
        answers={
            ANY: (400, "UnrecognizedClientException", _UNKNOWN),
            "sqs": (403, "InvalidClientTokenId", _UNKNOWN),
            "sts": (403, "InvalidClientTokenId", _UNKNOWN),
            "s3": (
                403,
                "InvalidAccessKeyId",
                "The AWS Access Key Id you provided does not exist in our records.",
            ),
        },
    ),
    Kind(
        name="clock-skew",
        summary="the signature is too old or too new, as when the worker's clock is wrong",
        answers={
            ANY: (400, "InvalidSignatureException", _SKEWED),
            "sqs": (403, "SignatureDoesNotMatch", _SKEWED),
            "sts": (403, "SignatureDoesNotMatch", _SKEWED),
            "s3": (
                403,
                "RequestTimeTooSkewed",
                "The difference between the request time and the current time is too large.",
            ),
        },
    ),
)
