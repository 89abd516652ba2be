"""The task engine: the lab's containers, which are local process groups (``containers``).

The emulator reaches it through ``engine_api``.
"""

import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from daemon.lab.containers import Container, ContainerSpec, environment_of, seconds_until
from daemon.lab.processes import ProcessTable

# The emulator always asks for 5 s between SIGTERM and SIGKILL. So a task definition's own ``stopTimeout`` comes in
# through the container's environment.
STOP_TIMEOUT_VARIABLE = "STOP_TIMEOUT_S"


class TaskEngine:
    """The containers of one lab. ``environment`` is the base of every container's environment."""

    def __init__(self, *, directory: Path, environment: Mapping[str, str], table: ProcessTable) -> None:
        self._directory = directory
        self._environment = dict(environment)
        self._table = table
        self._starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lab-start")
        self._lock = threading.Lock()
        self._containers: dict[str, Container] = {}
        self._closed = False

    def create(self, name: str, body: Mapping[str, Any]) -> Container:
        """Make a container, not started. Raises ValueError without a command or after ``close``."""
        command = tuple(body.get("Entrypoint") or ()) + tuple(body.get("Cmd") or ())
        if not command:
            raise ValueError("container not created: it has no command; name one in the task definition")
        spec = ContainerSpec(
            name=name,
            image=str(body.get("Image", "")),
            command=command,
            environment=self._environment | environment_of(body.get("Env") or ()),
            directory=Path(body.get("WorkingDir") or self._directory),
            labels=dict(body.get("Labels") or {}),
        )
        with self._lock:
            if self._closed:
                raise ValueError("container not created: the lab is shutting down")
            container = Container(spec, starter=self._starter, table=self._table)
            self._containers[container.id] = container
        return container

    def find(self, reference: str) -> Container | None:
        """Return the container with this id, beginning of an id, or name."""
        with self._lock:
            for container in self._containers.values():
                if container.spec.name == reference or (reference and container.id.startswith(reference)):
                    return container
        return None

    def containers(self) -> tuple[Container, ...]:
        """Return all containers that were not removed."""
        with self._lock:
            return tuple(self._containers.values())

    def remove(self, container: Container, *, force: bool = False) -> None:
        """Forget a container once it has ended; with ``force`` it is ended now."""

        def forget() -> None:
            if force:
                container.stop(0)
            container.wait()
            with self._lock:
                self._containers.pop(container.id, None)

        threading.Thread(target=forget, name="lab-remove", daemon=True).start()

    def stop(self, container: Container, timeout_s: float) -> None:
        """Begin to stop a container and return; its own ``STOP_TIMEOUT_S`` wins over ``timeout_s`` (seconds)."""
        own = container.spec.environment.get(STOP_TIMEOUT_VARIABLE)
        limit = float(own) if own else timeout_s
        threading.Thread(target=container.stop, args=(limit,), name="lab-stop", daemon=True).start()

    def stop_all(self, grace_s: float) -> None:
        """Stop everything that runs, all at once, and wait until it has gone: at most ``grace_s`` + 5 seconds."""
        running = [container for container in self.containers() if container.state == "running"]
        for container in running:
            threading.Thread(target=container.stop, args=(grace_s,), name="lab-stop", daemon=True).start()
        deadline_s = time.monotonic() + grace_s + 5.0
        for container in running:
            container.wait(seconds_until(deadline_s))
        with self._lock:
            for container in running:
                self._containers.pop(container.id, None)

    def close(self, grace_s: float) -> None:
        """Start nothing any more and stop what runs."""
        with self._lock:
            self._closed = True
        self.stop_all(grace_s)
        self._starter.shutdown()
