"""A "container" of the lab: a local process group that is started, stopped and reaped like a container.

What is kept of a real container: the main process gets SIGTERM, has ``stop timeout`` to leave and then gets
SIGKILL; when it ends, what it left behind in its group ends with it; the exit code is 128 + signal after a signal.
What is not: the image is ignored, and nothing is isolated.
"""

import contextlib
import os
import secrets
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from daemon.lab.processes import ProcessTable, record_of, tethered

LINES_MAX = 20_000  # of output kept per container; the emulator's log forwarder follows much closer than that
TASK_LABEL = "com.amazonaws.ecs.task-arn"
NEVER = "0001-01-01T00:00:00Z"  # how the Docker API writes "not yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSpec:
    """What to run: the command, its whole environment, its directory and the labels of its owner."""

    name: str
    image: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    directory: Path
    labels: Mapping[str, str]


class Container:
    """One container, from created over running to exited. Safe to use from several threads."""

    def __init__(self, spec: ContainerSpec, *, starter: ThreadPoolExecutor, table: ProcessTable) -> None:
        self.id = secrets.token_hex(32)
        self.spec = spec
        self.created_at = _now()
        self.started_at = NEVER
        self.finished_at = NEVER
        self.exit_code = 0
        self.pid = 0
        self.state = "created"
        self._starter = starter
        self._table = table
        self._changed = threading.Condition()
        self._lines: deque[bytes] = deque(maxlen=LINES_MAX)
        self._lines_total = 0

    def start(self) -> None:
        """Start the process. Raises OSError when the command cannot be started; a second call does nothing."""
        with self._changed:
            if self.state != "created":
                return
            # The kernel's death watch follows the starting thread, so one long-lived thread starts them all.
            process = self._starter.submit(self._spawn).result(timeout=10)
            self.pid, self.state, self.started_at = process.pid, "running", _now()
        self._table.add(record_of("task", process.pid, task=self.spec.labels.get(TASK_LABEL, "")))
        reader = threading.Thread(target=self._read, args=(process,), name=f"lab-log-{process.pid}", daemon=True)
        reader.start()
        threading.Thread(target=self._reap, args=(process, reader), name=f"lab-reap-{process.pid}").start()

    def _spawn(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            tethered(self.spec.command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self.spec.directory,
            env=dict(self.spec.environment),
            start_new_session=True,
        )

    def _read(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdout is not None  # noqa: S101 - we asked for the pipe ourselves
        with process.stdout as output:
            for line in output:
                with self._changed:
                    self._lines.append(line)
                    self._lines_total += 1
                    self._changed.notify_all()

    def _reap(self, process: "subprocess.Popen[bytes]", reader: threading.Thread) -> None:
        # The zombie keeps the group's number ours, so look without reaping, end the group, then reap.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        _signal_group(process.pid, signal.SIGKILL)
        returned = process.wait()
        self._table.discard(process.pid)
        reader.join(timeout=1.0)
        with self._changed:
            self.exit_code = returned if returned >= 0 else 128 - returned
            self.state, self.finished_at = "exited", _now()
            self._changed.notify_all()

    def signal(self, number: int) -> None:
        """Send a signal to the main process only, as a container engine does; nothing happens if it has ended."""
        with self._changed:
            if self.state == "running":
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.pid, number)

    def stop(self, timeout_s: float) -> None:
        """Send SIGTERM, wait at most ``timeout_s`` seconds, send SIGKILL to the group, wait until it is gone."""
        self.signal(signal.SIGTERM)
        if not self.wait(timeout_s):
            with self._changed:
                if self.state == "running":
                    _signal_group(self.pid, signal.SIGKILL)
            self.wait(5.0)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it does not run (any more); False when ``timeout_s`` seconds were not enough."""
        with self._changed:
            return self._changed.wait_for(lambda: self.state != "running", timeout_s)

    def tail(self) -> tuple[bytes, ...]:
        """Return the output so far, line by line."""
        with self._changed:
            return tuple(self._lines)

    def follow(self, *, gone: Callable[[], bool]) -> Iterator[bytes]:
        """Yield the output line by line until it ends or ``gone`` says that nobody listens any more."""
        seen = 0
        while not gone():
            with self._changed:
                if self._lines_total == seen and self.state != "exited":
                    self._changed.wait(1.0)
                fresh = self._lines_total - seen
                lines = list(self._lines)[-fresh:] if fresh else []
                seen, over = self._lines_total, self.state == "exited"
            yield from lines
            if over:
                return


def environment_of(entries: Sequence[str]) -> dict[str, str]:
    """Turn the engine API's ``["NAME=value"]`` into a mapping."""
    return dict(entry.split("=", 1) for entry in entries if "=" in entry)


def seconds_until(deadline_s: float) -> float:
    """Return what is left until a ``time.monotonic`` deadline, never less than 0."""
    return max(0.0, deadline_s - time.monotonic())


def _signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS says EPERM for a group of zombies
        os.killpg(group, number)


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")
