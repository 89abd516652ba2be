"""Foreign errors to ours: each says first what was not done, then which call answered what, then what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError

from daemon.core.errors import ChaosdError, RefusedError, TargetAbsentError, UnreachableError

CREDENTIALS = (
    NoCredentialsError,
    PartialCredentialsError,
    CredentialRetrievalError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
# Connect, read and proxy timeouts, refused and closed connections, TLS, names that do not resolve.
_UNANSWERED = (BotoConnectionError, HTTPClientError)
_WHO = frozenset({
    "ExpiredToken", "ExpiredTokenException", "UnrecognizedClientException", "InvalidClientTokenId",
    "InvalidAccessKeyId", "InvalidAccessKeyIdException", "SignatureDoesNotMatch", "InvalidSignatureException",
    "MissingAuthenticationToken", "MissingAuthenticationTokenException", "RequestExpired", "OptInRequired",
})  # fmt: skip
_DENIED = frozenset({
    "AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation", "NotAuthorized", "403",
    "Forbidden", "KmsAccessDenied", "KMS.AccessDeniedException",
})  # fmt: skip
_BUSY = frozenset({
    "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "RequestThrottledException",
    "TooManyRequestsException", "RequestLimitExceeded", "SlowDown", "OverLimit", "LimitExceededException",
    "ServerException", "ServiceUnavailable", "ServiceUnavailableException", "InternalError", "InternalFailure",
    "InternalServerError", "KmsThrottled",
})  # fmt: skip
_ABSENT = frozenset({
    "ClusterNotFoundException", "ServiceNotFoundException", "ServiceNotActiveException", "QueueDoesNotExist",
    "NonExistentQueue", "NoSuchBucket", "NoSuchKey", "ResourceNotFoundException", "InvalidAddress", "404",
    "MISSING",
})  # fmt: skip


@contextmanager
def calling(action: str, undone: str) -> Iterator[None]:
    """Translate what one AWS call raises. ``action`` is the IAM action it needs, ``undone`` what did not happen.

    Raises RefusedError(rule="iam"), UnreachableError, TargetAbsentError, or ChaosdError for anything else.
    """
    try:
        yield
    except ClientError as error:
        details = error.response.get("Error", {})
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        raise answered(action, undone, str(details.get("Code", "")), details.get("Message", ""), status) from error
    except CREDENTIALS as error:
        raise without_credentials(f"{undone}: no usable AWS credentials for {action}: {error}") from error
    except _UNANSWERED as error:
        raise UnreachableError(
            f"{undone}: {action} was not answered: {error}",
            hint="check the network, aws.region and aws.endpoint_url",
        ) from error
    except BotoCoreError as error:
        raise ChaosdError(f"{undone}: {action} failed: {type(error).__name__}: {error}") from error


def without_credentials(message: str) -> RefusedError:
    """Return the error for credentials that are absent, incomplete or cannot be fetched."""
    hint = "set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run where a role is attached"
    return RefusedError(message, rule="iam", hint=hint)


def answered(action: str, undone: str, code: str, text: str, status: int = 0) -> ChaosdError:
    """Return the error for one AWS error code (HTTP status 0 when there was none, as in ``failures``)."""
    bare = code.rpartition("#")[2].rpartition(".")[2] if "KMS." not in code else code
    said = f"{undone}: {action} answered {code or status}{f': {text}' if text else ''}"
    # ECS has no code of its own for a task that is gone.
    gone = bare == "InvalidParameterException" and "task was not found" in text.lower()
    if bare in _ABSENT or gone:
        return TargetAbsentError(said, hint="check the name, the account and the region in the configuration")
    if bare in _WHO:
        return RefusedError(said, rule="iam", hint="the credentials are expired or unknown: renew them")
    if bare in _DENIED:
        return RefusedError(
            said, rule="iam", hint=f"allow {action} on it for chaosd's role (`chaosd iam-policy` prints the policy)"
        )
    if bare in _BUSY or status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return UnreachableError(said, hint="AWS is throttling or failing: try again later")
    return ChaosdError(said)
