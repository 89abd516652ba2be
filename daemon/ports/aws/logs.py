"""CloudWatch Logs through boto3."""

from typing import TYPE_CHECKING, Any

from daemon.core.cloud import LogEvent
from daemon.ports.aws.translate import calling

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

EVENTS_MOST = 10_000
PAGES_MOST = 1_000


class LogsPort:
    """Implements ``seams.CloudWatchLogs``."""

    def __init__(self, client: "CloudWatchLogsClient") -> None:
        self._client = client

    def events(self, group: str, *, since_s: float, until_s: float, pattern: str = "") -> tuple[LogEvent, ...]:
        asked: dict[str, Any] = {
            "logGroupName": group,
            "startTime": max(0, int(since_s * 1000)),
            "endTime": max(0, int(until_s * 1000)),
            "filterPattern": pattern,
        }
        found: list[LogEvent] = []
        for _ in range(PAGES_MOST):
            with calling("logs:FilterLogEvents", f"the log group {group} was not searched"):
                page = self._client.filter_log_events(**asked)
            found.extend(_event(one) for one in page["events"])
            # An empty page with a token is not the end: the search goes on behind it.
            token = page.get("nextToken")
            if not token or len(found) >= EVENTS_MOST:
                break
            asked["nextToken"] = token
        return tuple(found[:EVENTS_MOST])


def _event(one: Any) -> LogEvent:
    return LogEvent(
        id=one["eventId"],
        at_s=one["timestamp"] / 1000,
        stream=one.get("logStreamName", ""),
        message=one.get("message", ""),
    )
