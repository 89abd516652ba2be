"""AWS, or an emulator of it: the only place of chaosd that knows boto3.

boto3 is imported when the first client is asked for: ``chaosd inject --repository`` must not pay for it.
"""

from functools import cached_property
from threading import RLock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from daemon.core.cloud import S3, CloudWatchLogs, Ecs, Levers, Sqs
    from daemon.ports.aws.clients import Clients


class AwsPort:
    """The AWS services, made when first asked for; safe to share between threads.

    ``region`` None leaves it to the environment, ``endpoint_url`` None to AWS. Every call raises only
    ChaosdErrors; creating one without a region, or with an endpoint that is no URL, raises ConfigError.
    """

    def __init__(self, region: str | None = None, endpoint_url: str | None = None) -> None:
        self._region = region
        self._endpoint_url = endpoint_url
        # cached_property takes no lock, and a boto3 session must not make two clients at once.
        self._lock = RLock()

    @property
    def ecs(self) -> "Ecs":
        with self._lock:
            return self._ecs

    @property
    def sqs(self) -> "Sqs":
        with self._lock:
            return self._sqs

    @property
    def s3(self) -> "S3":
        with self._lock:
            return self._s3

    @property
    def logs(self) -> "CloudWatchLogs":
        with self._lock:
            return self._logs

    @property
    def levers(self) -> "Levers":
        with self._lock:
            return self._levers

    @cached_property
    def _clients(self) -> "Clients":
        from daemon.ports.aws.clients import Clients  # noqa: PLC0415  see the module's docstring

        return Clients(self._region, self._endpoint_url)

    @cached_property
    def _ecs(self) -> "Ecs":
        from daemon.ports.aws.ecs import EcsPort  # noqa: PLC0415

        return EcsPort(self._clients.ecs(), once=self._clients.ecs_once())

    @cached_property
    def _sqs(self) -> "Sqs":
        from daemon.ports.aws.sqs import SqsPort  # noqa: PLC0415

        return SqsPort(self._clients.sqs(), sender=self._clients.sqs_once())

    @cached_property
    def _s3(self) -> "S3":
        from daemon.ports.aws.s3 import S3Port  # noqa: PLC0415

        return S3Port(self._clients.s3())

    @cached_property
    def _logs(self) -> "CloudWatchLogs":
        from daemon.ports.aws.logs import LogsPort  # noqa: PLC0415

        return LogsPort(self._clients.logs())

    @cached_property
    def _levers(self) -> "Levers":
        from daemon.ports.aws.levers import LeversPort  # noqa: PLC0415

        return LeversPort(self._clients)
