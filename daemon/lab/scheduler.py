"""The service scheduler: keeps an ECS service at its desired count.

The emulator replaces a task that ended by itself, but not one that was stopped through the API. Any
``UpdateService`` makes it look again, so we send one with the same desired count whenever tasks are missing.
"""

import logging
import threading
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

EVERY_S = 0.25

log = logging.getLogger("lab.scheduler")


class ServiceScheduler:
    """Watches one service until ``stop``. An emulator that does not answer is asked again at the next turn."""

    def __init__(self, ecs: Any, *, cluster: str, service: str) -> None:
        self._ecs = ecs
        self._cluster = cluster
        self._service = service
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
        """Look once, nudge if tasks are missing; say whether it nudged."""
        found = self._ecs.describe_services(cluster=self._cluster, services=[self._service])["services"]
        if not found or found[0]["status"] != "ACTIVE":
            return False
        service = found[0]
        if service["runningCount"] + service["pendingCount"] >= service["desiredCount"]:
            return False
        self._ecs.update_service(cluster=self._cluster, service=self._service, desiredCount=service["desiredCount"])
        return True
