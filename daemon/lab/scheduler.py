"""The service scheduler: keeps an ECS service at its desired count.

The emulator replaces a task that ended by itself, but not one that was stopped through the API. Any
``UpdateService`` makes it look again, so we send one with the same desired count when tasks have been missing for
``PLACEMENT_S``.
"""

import logging
import threading
import time
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

EVERY_S = 0.25
# ECS takes its time to place a task; a service that is whole again before anybody can look teaches nothing.
PLACEMENT_S = 1.0

log = logging.getLogger("lab.scheduler")


class ServiceScheduler:
    """Watches one service until ``stop``. An emulator that does not answer is asked again at the next turn."""

    def __init__(self, ecs: Any, *, cluster: str, service: str) -> None:
        self._ecs = ecs
        self._cluster = cluster
        self._service = service
        self._missing_since_s: float | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lab-scheduler", daemon=True)

    def start(self) -> None:
        """Begin to watch, in the background."""
        self._thread.start()

    def stop(self) -> None:
        """End within one turn."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stop.wait(EVERY_S):
            try:
                self.turn()
            except (BotoCoreError, ClientError) as error:
                log.warning("scheduler.turn_failed: %s", error)

    def turn(self) -> bool:
        """Look once, nudge if tasks have been missing for long enough; say whether it nudged."""
        found = self._ecs.describe_services(cluster=self._cluster, services=[self._service])["services"]
        if not found or found[0]["status"] != "ACTIVE":
            return False
        service = found[0]
        if service["runningCount"] + service["pendingCount"] >= service["desiredCount"]:
            self._missing_since_s = None
            return False
        now_s = time.monotonic()
        self._missing_since_s = now_s if self._missing_since_s is None else self._missing_since_s
        if now_s - self._missing_since_s < PLACEMENT_S:
            return False
        self._missing_since_s = None
        self._ecs.update_service(cluster=self._cluster, service=self._service, desiredCount=service["desiredCount"])
        return True
