"""The lab for callers: bring one up in the background, look at it, take it down; or hold one while a block runs."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from daemon.lab.detour import STRAIGHT, Detour
from daemon.lab.directory import INFO, MARKER, PROCESSES, claim_directory, remove_directory
from daemon.lab.emulator import require_installed
from daemon.lab.errors import LabError
from daemon.lab.model import BUILD_S, RESTART_AFTER_S, Kind, LabInfo, LabStatus, TaskProcess
from daemon.lab.processes import ProcessRecord, end_all, is_alive, load

START_TIMEOUT_S = 150.0
STOP_TIMEOUT_S = 10.0
POLL_S = 0.05

Progress = Callable[[str], None]


def _silent(_step: str) -> None:
    """Take a progress line and do nothing with it."""


def up(  # noqa: PLR0913  each is one wish
    directory: Path,
    *,
    tasks: int = 2,
    defect: str | None = None,
    build_s: float = BUILD_S,
    restart_after_s: float = RESTART_AFTER_S,
    detour: Detour = STRAIGHT,
    ready: Progress = _silent,
) -> LabInfo:
    """Start a lab in the background and return when its workers are ready.

    Each message costs a worker ``build_s`` seconds of pretended work. A lab that already runs there with the same
    settings is returned as it is. ``ready`` gets one line of text per step. Raises LabError, and then nothing is
    left running. An emulator that dies comes back, empty, after ``restart_after_s`` seconds.
    """
    directory = directory.absolute()
    wanted = Kind(tasks=tasks, defect=defect, build_s=build_s, detour=detour)
    if (running := status(directory)) is not None and running.running:
        return _reuse(running, directory, wanted)
    require_installed()
    claim_directory(directory)
    log = _log(directory)
    process = _begin(
        [*_command(directory, wanted), "--restart-after", str(restart_after_s)], subprocess.DEVNULL, log
    )
    # Somebody must collect the child's exit status, should this process live longer than the lab.
    threading.Thread(target=process.wait, name="lab-collect", daemon=True).start()
    try:
        return _await_ready(process, log, ready)
    except BaseException:  # Ctrl-C too: whoever began must not leave half a lab
        _end_supervisor(process)
        _down_unless_running(directory)
        raise


@contextmanager
def run_foreground(
    directory: Path,
    *,
    tasks: int = 2,
    defect: str | None = None,
    build_s: float = BUILD_S,
    ready: Progress = _silent,
) -> Iterator[LabInfo]:
    """Hold a lab while the block runs, then take it down and remove ``directory``.

    The lab is a child in a session of its own: Ctrl-C reaches only the caller, which can put things in order first.
    When the caller dies, even by SIGKILL, the lab sees its standard input end and takes itself down.
    """
    directory = directory.absolute()
    wanted = Kind(tasks=tasks, defect=defect, build_s=build_s)
    require_installed()
    claim_directory(directory)
    command = [*_command(directory, wanted), "--ephemeral", "--until-stdin-closes"]
    log = _log(directory)
    process = _begin(command, subprocess.PIPE, log)
    try:
        yield _await_ready(process, log, ready)
    finally:
        _end_supervisor(process)
        _down_unless_running(directory)


def down(directory: Path) -> bool:
    """End everything that belongs to the lab in ``directory`` and remove it; False when there is none.

    Works as well after the supervisor was killed: the recorded processes are ended, each only if it still is the
    process on record. Raises LabError when something refuses to go; nothing is removed then.
    """
    directory = directory.absolute()
    if not (directory / MARKER).exists():
        return False
    records = load(directory / PROCESSES)
    supervisor = [record for record in records if record.role == "supervisor"]
    stubborn = end_all(supervisor, grace_s=STOP_TIMEOUT_S)
    stubborn += end_all([r for r in records if r.role != "supervisor"], grace_s=1.0)
    if stubborn:
        pids = ", ".join(f"{record.role} {record.pid}" for record in stubborn)
        raise LabError(f"The lab was not taken down: {pids} did not end. End them, then run `chaosd lab down`.")
    if directory.exists():
        remove_directory(directory)
    return True


def status(directory: Path) -> LabStatus | None:
    """Look at the lab in ``directory`` without touching it; None when there is none."""
    directory = directory.absolute()
    if not (directory / MARKER).exists():
        return None
    alive = [record for record in load(directory / PROCESSES) if is_alive(record)]
    supervisor = next((record for record in alive if record.role == "supervisor"), None)
    return LabStatus(
        running=supervisor is not None,
        supervisor_pid=supervisor.pid if supervisor else None,
        info=_read_info(directory),
        tasks=tuple(_task(record) for record in alive if record.role == "task"),
    )


def _down_unless_running(directory: Path) -> None:
    """Clean up after our own supervisor, but not under somebody else's that was quicker."""
    found = status(directory)
    if found is not None and not found.running:
        down(directory)


def _task(record: ProcessRecord) -> TaskProcess:
    return TaskProcess(task_arn=record.task, pid=record.pid, started_at_s=record.started_at_s)


def _read_info(directory: Path) -> LabInfo | None:
    try:
        return LabInfo.from_json(json.loads((directory / INFO).read_text()))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _reuse(running: LabStatus, directory: Path, wanted: Kind) -> LabInfo:
    info = running.info
    if info is not None and wanted == info.kind:
        return info
    state = "is still starting"
    if info is not None:
        through = info.detour.behind or info.detour.relay or "no proxy"
        state = f"has {info.tasks} tasks, defect {info.defect} and is behind {through}"
    raise LabError(f"The lab was not started: the one in {directory} {state}. Take it down first: chaosd lab down.")


def _command(directory: Path, wanted: Kind) -> list[str]:
    command = [sys.executable, "-m", "daemon.lab", "--dir", str(directory)]
    command += ["--tasks", str(wanted.tasks), "--build", str(wanted.build_s)]
    through = wanted.detour
    command += ["--behind", through.behind] if through.behind else []
    command += ["--relay", through.relay] if through.relay else []
    return command + (["--defect", wanted.defect] if wanted.defect else [])


def _begin(command: list[str], stdin: int, log: Path) -> "subprocess.Popen[bytes]":
    with log.open("wb") as output:
        return subprocess.Popen(
            command,
            stdin=stdin,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=_environment(),
            start_new_session=True,
        )


def _log(directory: Path) -> Path:
    # One per caller: two that race for a directory must not read each other's.
    return directory / f"supervisor-{os.getpid()}.log"


def _environment() -> dict[str, str]:
    root = str(Path(__file__).resolve().parents[2])
    return dict(os.environ) | {"PYTHONPATH": root, "PYTHONDONTWRITEBYTECODE": "1"}


def _await_ready(process: "subprocess.Popen[bytes]", log: Path, ready: Progress) -> LabInfo:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    pause = threading.Event()
    seen = 0
    while True:
        ended = process.poll() is not None
        lines = _complete_lines(log)
        for line in lines[seen:]:
            if line.get("event") == "lab.ready":
                return LabInfo.from_json(json.loads(str(line["detail"])))
            if line.get("event") == "lab.failed":
                raise LabError(str(line["detail"]))
            ready(str(line.get("detail", "")))
        seen = len(lines)
        if ended:
            raise LabError(
                f"The lab was not started: its supervisor ended with code {process.returncode}. Try again."
            )
        if time.monotonic() > deadline_s:
            raise LabError(f"The lab was not started: not ready after {START_TIMEOUT_S:.0f} s. Try fewer tasks.")
        pause.wait(POLL_S)


def _complete_lines(path: Path) -> list[dict[str, object]]:
    try:
        text = path.read_bytes()
    except OSError:
        return []
    # Warnings of the parts stand between the events; the last line may not be complete yet.
    return [json.loads(raw) for raw in text.split(b"\n")[:-1] if raw.startswith(b'{"event"')]


def _end_supervisor(process: "subprocess.Popen[bytes]") -> None:
    if process.stdin is not None:
        process.stdin.close()
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout=5)
