"""The demo's daemon: a child process of its own that ends with its parent, whatever ends that."""

import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import Any, Self

from daemon.core.errors import ChaosdError
from daemon.core.seams import Clock
from daemon.faces.client import Client
from daemon.ports.state import StateDirectory

READY_S = 60.0
END_S = 120.0
POLL_S = 0.1
LAST_LINES = 8


class DaemonProcess:
    """``chaosd run`` in a session of its own, so that Ctrl-C reaches only the demo, which ends it in order."""

    def __init__(self, directory: Path, config: str, environment: Mapping[str, str]) -> None:
        self.state = StateDirectory(directory / "state")
        self._client = Client(self.state.socket)
        self._config = directory / "chaosd.yaml"
        self._config.write_text(config)
        self._log = directory / "daemon.log"
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        words = ["run", "--config", str(self._config), "--state-dir", str(self.state.path), "--until-stdin-closes"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "daemon.faces.cli", *words],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin is not None:
            process.stdin.close()

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def await_ready(self, clock: Clock) -> None:
        """Return when it answers; raises ChaosdError with its last words when it does not in time."""
        deadline_s = clock.instant().mono_s + READY_S
        while not (self.state.socket.exists() and Client.find(self.state.socket)):
            if not self.alive or clock.instant().mono_s > deadline_s:
                raise ChaosdError(f"the demo was not started: the daemon did not come up\n{self.last_words()}")
            clock.wait(Event(), POLL_S)

    def situation(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Return the daemon's status and all injections so far."""
        try:
            status: dict[str, Any] = self._client.call("GET", "/api/v1/status")
            page: dict[str, Any] = self._client.call("GET", "/api/v1/injections?limit=1000")
        except OSError as error:
            raise ChaosdError(f"the demo broke off: the daemon is silent ({error})\n{self.last_words()}") from error
        return status, page["injections"][::-1]

    def last_words(self) -> str:
        """Return the end of the daemon's log."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-LAST_LINES:])
