"""The lab's remote served by ``git daemon`` on loopback, for workers that reach it through a relay."""

import socket
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

from daemon.lab.emulator import HOST, POLL_S
from daemon.lab.errors import LabError
from daemon.lab.processes import ProcessTable, record_of, tethered
from daemon.lab.provision import base_environment

START_TIMEOUT_S = 20.0


class GitServer:
    """One run of ``git daemon``. ``start`` must be called from a thread that outlives it (see ``tether``)."""

    def __init__(self, directory: Path, port: int, table: ProcessTable) -> None:
        self._directory = directory
        self._port = port
        self._table = table
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, stop: threading.Event) -> None:
        """Start it and wait until it listens. Raises LabError when it does not within 20 seconds."""
        log = self._directory / "git-daemon.log"
        # Not `git daemon`: that starts a child of its own, which would outlive a lab that was killed.
        program = subprocess.run(("git", "--exec-path"), capture_output=True, text=True, check=True, timeout=10)
        words = ("--export-all", "--enable=receive-pack", "--reuseaddr", f"--listen={HOST}", f"--port={self._port}")
        command = (f"{program.stdout.strip()}/git-daemon", *words, f"--base-path={self._directory}")
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                tethered((*command, str(self._directory))),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=base_environment(),
                start_new_session=True,
            )
        self._table.add(record_of("git-server", self._process.pid))
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > deadline_s or stop.wait(POLL_S):
                raise LabError(
                    f"The lab was not started: git daemon does not listen on {HOST}:{self._port}. Read {log}."
                )

    def stop(self) -> None:
        """End it; nothing happens if it does not run."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(timeout=5)
        self._table.discard(self._process.pid)

    def _listens(self) -> bool:
        with suppress(OSError), socket.create_connection((HOST, self._port), timeout=1):
            return True
        return False
