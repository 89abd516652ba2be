"""boto3 clients with chaosd's timeouts and retries; the port holds the lock that making them needs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from daemon.core.errors import ConfigError
from daemon.ports.aws.translate import CREDENTIALS, without_credentials

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

CONNECT_S = 3
READ_S = 10  # longer than any long poll asked for here (sqs.POLL_MOST_S)
ATTEMPTS = 3
LEVER_S = 2


class Clients:
    """One session and its clients. ``sqs_once`` and ``ecs_once`` never repeat a call by themselves.

    A send whose answer was lost may have arrived: repeating it would send messages nobody counted; a receive would
    hide messages nobody can give back, and a deployment would be a second one.
    """

    def __init__(self, region: str | None, endpoint_url: str | None) -> None:
        self._endpoint_url = endpoint_url
        with _configured(endpoint_url):
            self._session = boto3.session.Session(region_name=region)

    def ecs(self) -> "ECSClient":
        with _configured(self._endpoint_url):
            return self._session.client("ecs", endpoint_url=self._endpoint_url, config=_config())

    def ecs_once(self) -> "ECSClient":
        with _configured(self._endpoint_url):
            return self._session.client("ecs", endpoint_url=self._endpoint_url, config=_config(attempts=1))

    def sqs(self) -> "SQSClient":
        with _configured(self._endpoint_url):
            return self._session.client("sqs", endpoint_url=self._endpoint_url, config=_config())

    def sqs_once(self) -> "SQSClient":
        with _configured(self._endpoint_url):
            return self._session.client("sqs", endpoint_url=self._endpoint_url, config=_config(attempts=1))

    def s3(self) -> "S3Client":
        # An emulator on 127.0.0.1 has no name to put a bucket in front of.
        style = Config(s3={"addressing_style": "path" if self._endpoint_url else "auto"})
        with _configured(self._endpoint_url):
            return self._session.client("s3", endpoint_url=self._endpoint_url, config=_config().merge(style))

    def logs(self) -> "CloudWatchLogsClient":
        with _configured(self._endpoint_url):
            return self._session.client("logs", endpoint_url=self._endpoint_url, config=_config())

    def lever(self, service: Literal["cloudwatch", "ssm", "fis"]) -> Any:
        """Return a client for what is asked often while an experiment runs: it gives up soon and asks again."""
        short = Config(connect_timeout=LEVER_S, read_timeout=LEVER_S)
        with _configured(self._endpoint_url):
            return self._session.client(
                service, endpoint_url=self._endpoint_url, config=_config(attempts=1).merge(short)
            )


def _config(*, attempts: int = ATTEMPTS) -> Config:
    return Config(
        connect_timeout=CONNECT_S,
        read_timeout=READ_S,
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=16,
        user_agent_extra="chaosd",
    )


@contextmanager
def _configured(endpoint_url: str | None) -> Iterator[None]:
    try:
        yield
    except CREDENTIALS as error:  # an incomplete set is found out here, an absent one at the first call
        raise without_credentials(f"no AWS call was made: no usable AWS credentials: {error}") from error
    except (BotoCoreError, ValueError) as error:  # ValueError: botocore's word for an endpoint that is no URL
        raise ConfigError(
            f"no AWS call was made: the AWS settings do not fit (endpoint {endpoint_url or 'of AWS'}): {error}",
            hint="set aws.region (or AWS_REGION), and aws.endpoint_url to a URL such as http://127.0.0.1:4566",
        ) from error
