"""The worker's log: one JSON object per line on standard output."""

import json
import sys
from datetime import UTC, datetime


def say(event: str, *, level: str = "INFO", **fields: object) -> None:
    """Write one log line; ``event`` is a subject and a past participle."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    line = {"time": now, "level": level, "event": event} | fields
    sys.stdout.write(json.dumps(line, default=str) + "\n")
    sys.stdout.flush()
