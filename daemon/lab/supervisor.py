"""The one process that owns a lab: it starts the parts, keeps them going, and takes everything down again.

Run in the foreground as ``python -m daemon.lab --dir DIR``. SIGTERM, SIGINT or the end of its standard input (with
``--until-stdin-closes``) lead to the same orderly end. Its children die with it even after SIGKILL (``tether``).
"""

import fcntl
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from botocore.exceptions import BotoCoreError, ClientError

from daemon.lab import provision
from daemon.lab.directory import INFO, LOCK, PROCESSES, claim_directory, remove_directory
from daemon.lab.emulator import Emulator, EmulatorSettings, free_port, reachable_socket
from daemon.lab.engine import TaskEngine
from daemon.lab.engine_api import EngineServer
from daemon.lab.errors import LabError
from daemon.lab.model import REGION, RESTART_AFTER_S, Kind, LabInfo
from daemon.lab.processes import ProcessTable, end_all, load, record_of
from daemon.lab.remote import GitServer
from daemon.lab.scheduler import ServiceScheduler

READY_TIMEOUT_S = 60.0
READY_LINE = b'"event": "worker.ready"'
GRACE_S = 2.0  # for the workers at shutdown; nothing they do is kept


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisorSettings:
    """What kind of lab, and where. ``ephemeral``: remove the directory at the end."""

    directory: Path
    kind: Kind = field(default_factory=Kind)
    ephemeral: bool = False
    restart_after_s: float = RESTART_AFTER_S


def supervise(settings: SupervisorSettings, stop: threading.Event) -> None:
    """Bring the lab up, keep it up until ``stop`` is set, take it down. Raises LabError when it cannot be started.

    Must run in a thread that lives until the end: the kernel ends the emulator when that thread ends.
    """
    directory = settings.directory
    claim_directory(directory)
    os.chdir(directory)
    with _locked(directory / LOCK):
        # A supervisor that was killed may have left processes behind; the lock says that it is gone.
        end_all(load(directory / PROCESSES), grace_s=1.0)
        (directory / INFO).unlink(missing_ok=True)
        lab = _Running(settings=settings, stop=stop, table=ProcessTable(directory / PROCESSES))
        try:
            lab.start()
            lab.keep()
        finally:
            lab.close()
            (directory / INFO).unlink(missing_ok=True)
            (directory / PROCESSES).unlink(missing_ok=True)
    if settings.ephemeral:
        remove_directory(directory)


@dataclass(slots=True, kw_only=True)
class _Running:
    """The parts of a lab while it runs."""

    settings: SupervisorSettings
    stop: threading.Event
    table: ProcessTable
    engine: TaskEngine = field(init=False)
    server: EngineServer = field(init=False)
    emulator: Emulator = field(init=False)
    git_server: GitServer | None = None
    scheduler: ServiceScheduler | None = None
    _endpoint_url: str = field(init=False, default="")
    _remote_port: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        directory = self.settings.directory
        socket = reachable_socket(directory / "engine.sock")
        self.table.add(record_of("supervisor", os.getpid()))
        environment = provision.base_environment()
        self.engine = TaskEngine(directory=directory, environment=environment, table=self.table)
        emulator = EmulatorSettings(
            directory=directory / "emulator",
            port=free_port(),
            engine_socket=socket,
            region=REGION,
            environment=environment,
        )
        self.emulator = Emulator(emulator, self.table)
        self._endpoint_url = emulator.endpoint_url
        self.server = EngineServer(socket, self.engine)

    def start(self) -> None:
        directory = self.settings.directory
        for name in ("clones", "slots", "home", "tmp"):
            (directory / name).mkdir(exist_ok=True)
        _say("lab.step", "starting the AWS emulator")
        self.emulator.start(self.stop)
        _say("lab.step", "creating the remote repository")
        provision.create_remote(directory / "remote.git", directory / "tmp")
        if self.settings.kind.detour.relay:
            self._serve_remote()
        info = self._furnish()
        fresh = directory / f"{INFO}.new"
        fresh.write_text(json.dumps(info.to_json(), indent=1))
        fresh.replace(directory / INFO)
        _say("lab.ready", json.dumps(info.to_json()))

    def _serve_remote(self) -> None:
        self._remote_port = free_port()
        self.git_server = GitServer(self.settings.directory, self._remote_port, self.table)
        self.git_server.start(self.stop)

    def _furnish(self) -> LabInfo:
        settings = self.settings
        _say("lab.step", f"creating queues, bucket and a service of {settings.kind.tasks} tasks")
        try:
            info = provision.furnish(
                self._endpoint_url,
                settings.directory,
                settings.kind,
                remote_port=self._remote_port,
            )
        except (BotoCoreError, ClientError) as error:
            raise LabError(f"The lab was not started: the emulator refused: {error}. Read emulator.log.") from error
        self.scheduler = ServiceScheduler(
            provision.clients(self._endpoint_url).ecs, cluster=info.cluster, service=info.service
        )
        self.scheduler.start()
        _say("lab.step", "waiting for the workers")
        self._await_workers()
        return info

    def _await_workers(self) -> None:
        deadline_s = time.monotonic() + READY_TIMEOUT_S
        while True:
            running = [c for c in self.engine.containers() if c.state == "running"]
            ready = sum(any(READY_LINE in line for line in c.tail()) for c in running)
            if ready >= self.settings.kind.tasks:
                return
            if time.monotonic() > deadline_s:
                last = b"".join(line for c in self.engine.containers() for line in c.tail()[-3:]).decode()
                raise LabError(
                    f"The lab was not started: {ready} of {self.settings.kind.tasks} workers were ready after "
                    f"{READY_TIMEOUT_S:.0f} s. Their last words: {last.strip() or 'none'}. Try fewer tasks."
                )
            if self.stop.wait(0.05):
                raise LabError("The lab was not started: it was told to stop. Run `chaosd lab up` again.")

    def keep(self) -> None:
        """Stay until told to stop. An emulator that died comes back, empty, on the same port; so do the tasks."""
        while not self.stop.wait(0.25):
            if self.emulator.alive():
                continue
            _say("lab.emulator_died", f"starting it again in {self.settings.restart_after_s:g} s")
            self._stop_scheduler()
            self.engine.stop_all(GRACE_S)
            if self.stop.wait(self.settings.restart_after_s):
                return
            self.emulator.start(self.stop)
            self._furnish()
            _say("lab.emulator_restarted", "its queues are empty, the remote repository is as it was")

    def _stop_scheduler(self) -> None:
        if self.scheduler is not None:
            self.scheduler.stop()
            self.scheduler = None

    def close(self) -> None:
        self._stop_scheduler()
        self.engine.close(GRACE_S)
        self.emulator.stop(1.0)
        if self.git_server is not None:
            self.git_server.stop()
        self.server.close()


@contextmanager
def _locked(path: Path) -> Iterator[IO[str]]:
    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LabError(
                f"The lab was not started: another one runs in {path.parent}. Use it, or take it down first."
            ) from error
        yield handle


def _say(event: str, detail: str) -> None:
    sys.stdout.write(json.dumps({"event": event, "detail": detail}) + "\n")
    sys.stdout.flush()
