"""The AWS emulator (ministack) as a child process on loopback, with all its files inside the lab's directory."""

import contextlib
import http.client
import importlib.util
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from daemon.lab.errors import LabError
from daemon.lab.processes import ProcessTable, record_of, tethered

HOST = "127.0.0.1"
PACKAGES = ("ministack", "docker")  # the emulator, and its client for the engine that we stand in for
START_TIMEOUT_S = 60.0
POLL_S = 0.05
LAST_LINES, LAST_BYTES = 6, 4096  # of the log, in an error: the end of a traceback
SOCKET_PATH_MAX = 100  # bytes; the kernel's limit is 108 on Linux and 104 on macOS


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatorSettings:
    """Where it listens and what it may touch."""

    directory: Path
    port: int
    engine_socket: Path
    region: str
    environment: Mapping[str, str]

    @property
    def endpoint_url(self) -> str:
        return f"http://{HOST}:{self.port}"


class Emulator:
    """One run of the emulator. ``start`` must be called from a thread that outlives it (see ``tether``)."""

    def __init__(self, settings: EmulatorSettings, table: ProcessTable) -> None:
        self._settings = settings
        self._table = table
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, stop: threading.Event) -> None:
        """Start it and wait until it answers. Raises LabError when it ends, or is silent for 60 seconds."""
        files = self._settings.directory
        for name in ("home", "tmp", "state", "s3"):
            (files / name).mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                tethered((sys.executable, "-m", "ministack")),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=files,
                env=self._environment(),
                start_new_session=True,
            )
        self._table.add(record_of("emulator", self._process.pid))
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if not self.alive():
                raise LabError(
                    f"The lab was not started: the AWS emulator ended with code {self._process.returncode}. "
                    f"{self._last_words()}"
                )
            if time.monotonic() > deadline_s:
                raise LabError(
                    f"The lab was not started: the AWS emulator did not answer within {START_TIMEOUT_S:.0f} s. "
                    f"Try again on a quieter machine. {self._last_words()}"
                )
            if stop.wait(POLL_S):
                raise LabError("The lab was not started: it was told to stop. Run `chaosd lab up` again.")

    def alive(self) -> bool:
        """Say whether the process still runs."""
        return self._process is not None and self._process.poll() is None

    def stop(self, grace_s: float) -> None:
        """End it: SIGTERM, ``grace_s`` seconds, SIGKILL. Nothing happens if it has ended."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=grace_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(timeout=5)
        self._table.discard(self._process.pid)

    @property
    def _log(self) -> Path:
        return self._settings.directory / "emulator.log"

    def _last_words(self) -> str:
        """Return the end of its log: who reads the error finds the lab's directory removed already."""
        with self._log.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - LAST_BYTES))
            lines = log.read().decode(errors="replace").split("\n")
        said = [line.rstrip() for line in lines if line.strip()][-LAST_LINES:]
        return "\n  ".join(["Its last words:", *said]) if said else "It said nothing."

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(HOST, self._settings.port, timeout=2)
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/_ministack/health")
            return connection.getresponse().status == http.client.OK
        return False

    def _environment(self) -> dict[str, str]:
        files = self._settings.directory
        return dict(self._settings.environment) | {
            "BIND_HOST": HOST,
            "GATEWAY_PORT": str(self._settings.port),
            "MINISTACK_HOST": HOST,
            "MINISTACK_REGION": self._settings.region,
            "LOG_LEVEL": "WARNING",
            "DOCKER_HOST": f"unix://{self._settings.engine_socket}",
            "HOME": str(files / "home"),
            "TMPDIR": str(files / "tmp"),
            "STATE_DIR": str(files / "state"),
            "S3_DATA_DIR": str(files / "s3"),
        }


def require_installed() -> None:
    """Raise LabError where the packages of the extra are missing, before anything is made or started."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise LabError(
            f"The lab was not started: the extra chaosd[lab] is not installed (missing: {', '.join(missing)}). "
            f"Run `{sys.executable} -m pip install '.[lab]'` in chaosd's clone."
        )


def free_port() -> int:
    """Ask the kernel for a loopback port that nobody uses now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def reachable_socket(socket_path: Path) -> Path:
    """Return a short enough name for the engine's socket.

    Unix sockets have names of about 100 bytes at most. In a deeper directory we use Linux's ``/proc/PID/cwd``,
    which needs this process to stand in the socket's directory (the supervisor does).
    """
    if len(os.fsencode(socket_path)) <= SOCKET_PATH_MAX:
        return socket_path
    if sys.platform == "linux" and Path.cwd() == socket_path.parent:
        return Path(f"/proc/{os.getpid()}/cwd") / socket_path.name
    raise LabError(f"The lab was not started: {socket_path} is too long for a socket. Choose a shorter directory.")
