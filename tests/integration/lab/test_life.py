"""How a lab begins and ends: whatever happens to it, nothing stays behind."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from daemon.lab import lab
from daemon.lab.directory import PROCESSES, claim_directory
from daemon.lab.errors import LabError
from daemon.lab.model import LabInfo
from daemon.lab.processes import ProcessTable, is_alive, record_of
from tests.waiting import wait_for

HOLDER = """
import signal, sys
from pathlib import Path
from daemon.lab import lab
with lab.run_foreground(Path(sys.argv[1]), tasks=1) as info:
    print("held", flush=True)
    signal.pause()
"""


def processes_of(directory: Path) -> list[str]:
    """Find every process that has to do with the lab: by its command line, its environment or where it stands."""
    found = []
    for process in psutil.process_iter(["pid", "cmdline", "cwd", "environ", "status"]):
        facts = process.info
        text = " ".join([*(facts["cmdline"] or ()), facts["cwd"] or "", *(facts["environ"] or {}).values()])
        if str(directory) in text and facts["pid"] != os.getpid() and facts["status"] != psutil.STATUS_ZOMBIE:
            found.append(f"{facts['pid']} {facts['cmdline']}")
    return found


@contextmanager
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as process:
        try:
            yield process
        finally:
            process.kill()


def port_is_open(info: LabInfo) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", urlsplit(info.endpoint_url).port or 0)) == 0


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "lab"
    lab.down(tmp_path / "lab")


def test_down_leaves_no_process_no_port_and_no_file(directory: Path) -> None:
    before = set(Path(tempfile.gettempdir()).glob("ministack*")) | set(Path.home().iterdir())
    steps: list[str] = []
    info = lab.up(directory, ready=steps.append)
    assert len(steps) >= 3
    assert port_is_open(info)
    assert len(processes_of(directory)) == 4  # supervisor, emulator, two workers
    assert lab.up(directory) == info  # the same again
    status = lab.status(directory)
    assert status is not None
    os.kill(status.tasks[0].pid, signal.SIGSTOP)  # deaf to SIGTERM
    assert lab.down(directory)
    assert processes_of(directory) == []
    assert not port_is_open(info)
    assert not directory.exists()
    assert set(Path(tempfile.gettempdir()).glob("ministack*")) | set(Path.home().iterdir()) == before
    assert not lab.down(directory)


def test_everything_dies_with_a_killed_supervisor_and_the_next_up_starts_clean(directory: Path) -> None:
    lab.up(directory, tasks=1)
    status = lab.status(directory)
    assert status is not None
    assert status.supervisor_pid is not None
    os.kill(status.supervisor_pid, signal.SIGKILL)
    wait_for("no process", lambda: not processes_of(directory), timeout_s=5.0)
    status = lab.status(directory)
    assert status is not None
    assert not status.running
    with sleeper() as left:
        record = record_of("task", left.pid)
        ProcessTable(directory / PROCESSES).add(record)
        lab.up(directory, tasks=1)
        assert record is not None
        assert not is_alive(record)
    assert len(processes_of(directory)) == 3


def test_what_a_killed_supervisor_left_on_record_is_ended_by_down(directory: Path) -> None:
    """Where the kernel does not tie children to their parent (macOS), the record must do."""
    claim_directory(directory)
    with sleeper() as left:
        record = record_of("task", left.pid)
        ProcessTable(directory / PROCESSES).add(record)
        assert lab.down(directory)
        assert record is not None
        assert not is_alive(record)


def test_a_lab_in_the_foreground_ends_with_its_block(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 60) / ("y" * 60)  # where a socket of that name cannot be
    with lab.run_foreground(deep, tasks=1) as info:
        assert port_is_open(info)
    assert processes_of(deep) == []
    assert not deep.exists()


def test_a_lab_in_the_foreground_ends_when_its_caller_is_killed(directory: Path) -> None:
    root = str(Path(__file__).parents[3])
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(directory)],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": root},
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        holder.kill()
    wait_for("no process", lambda: not processes_of(directory), timeout_s=8.0)
    wait_for("no directory", lambda: not directory.exists(), timeout_s=2.0)


def test_a_killed_emulator_comes_back_on_the_same_port(directory: Path) -> None:
    info = lab.up(directory, tasks=1)
    (emulator,) = [p for p in processes_of(directory) if "ministack" in p]
    os.kill(int(emulator.split()[0]), signal.SIGKILL)
    wait_for("the port closed", lambda: not port_is_open(info))
    wait_for("the port open", lambda: port_is_open(info))

    def working() -> bool:
        status = lab.status(directory)
        return status is not None and len(status.tasks) == 1

    wait_for("a task", working)


def test_a_directory_with_other_files_is_refused_and_not_touched(directory: Path) -> None:
    directory.mkdir()
    (directory / "thesis.txt").write_text("years of work\n")
    with pytest.raises(LabError, match="holds other files"):
        lab.up(directory)
    assert not lab.down(directory)
    assert [p.name for p in directory.iterdir()] == ["thesis.txt"]


def test_an_unknown_defect_is_refused_with_the_known_ones(directory: Path) -> None:
    with pytest.raises(LabError, match="keep-stale-lock"):
        lab.up(directory, defect="lose-everything")
    assert not directory.exists()
