"""One reverter at a time: among processes, among threads, and never against oneself."""

import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from daemon.core.errors import BusyError, ChaosdError
from daemon.ports import lease as leases
from daemon.ports.clock import SystemClock
from daemon.ports.holders import holders
from daemon.ports.lease import RevertLease, free
from daemon.ports.state import StateDirectory
from tests.fakes import FakeClock

HOLD = """
import sys
from pathlib import Path
from daemon.ports.clock import SystemClock
from daemon.ports.lease import RevertLease
with RevertLease(Path(sys.argv[1]), SystemClock()).held(sys.argv[2]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _made(tmp_path: Path) -> None:
    (tmp_path / "private").mkdir()


def hold(directory: Path, name: str) -> "subprocess.Popen[str]":
    words = [sys.executable, "-c", HOLD, str(directory), name]
    other = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    return other


def test_another_process_keeps_it_until_it_dies_however(tmp_path: Path) -> None:
    with hold(tmp_path, "inj-1") as other:
        assert not free(tmp_path, "inj-1")
        told: list[str] = []
        with (
            pytest.raises(BusyError, match=str(other.pid)),
            RevertLease(tmp_path, SystemClock(), wait_s=0.1, tell=told.append).held("inj-1"),
        ):
            pass
        assert told == [], "nobody wants to hear of a tenth of a second"
        other.kill()
        with RevertLease(tmp_path, SystemClock(), wait_s=10).held("inj-1"):
            assert not free(tmp_path, "inj-1")
    assert free(tmp_path, "inj-1")


def test_who_waits_says_for_whom_once_and_that_he_is_stopped(tmp_path: Path) -> None:
    clock = FakeClock()
    told: list[str] = []
    with hold(tmp_path, "inj-1") as other:
        other.send_signal(signal.SIGSTOP)
        os.waitpid(other.pid, os.WUNTRACED)
        with (
            pytest.raises(BusyError, match="stopped"),
            RevertLease(tmp_path, clock, wait_s=60, tell=told.append).held("inj-1"),
        ):
            pass
        other.kill()
    assert told == [f"waiting: process {other.pid} (stopped) is reverting inj-1"]


def test_one_that_takes_its_time_keeps_no_other_from_being_reverted(tmp_path: Path) -> None:
    with hold(tmp_path, "inj-1") as other:
        assert free(tmp_path, "inj-2")
        with RevertLease(tmp_path, SystemClock(), wait_s=0.1).held("inj-2"):
            pass
        other.kill()


@pytest.mark.parametrize("blind", ["the holder", "the other"])
def test_where_the_file_cannot_be_written_nobody_else_reverts_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blind: str
) -> None:
    """A disk that fills up, or gets room, between the two: the directory's lock still tells them apart."""
    (tmp_path / leases.NAME).symlink_to("/nonexistent")  # cannot be opened, like a file on a full disk
    normal = leases._NO_WRITING
    monkeypatch.setattr(leases, "_NO_WRITING", normal | {errno.ELOOP})
    if blind == "the other":
        (tmp_path / leases.NAME).unlink()
    with RevertLease(tmp_path, SystemClock()).held("inj-1"):
        if blind == "the holder":
            (tmp_path / leases.NAME).unlink()
        else:
            (tmp_path / leases.NAME).unlink()
            (tmp_path / leases.NAME).symlink_to("/nonexistent")
        assert not free(tmp_path, "inj-1")
        assert holders(tmp_path / "private") == (os.getpid(),)
    assert free(tmp_path, "inj-1")


def test_a_thread_may_take_it_again_and_another_thread_waits(tmp_path: Path) -> None:
    lease, order = RevertLease(tmp_path, SystemClock()), []

    def second() -> None:
        with lease.held("inj-1"):
            order.append("second")

    with lease.held("inj-1"), lease.held("inj-1"):
        thread = threading.Thread(target=second)
        thread.start()
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def test_it_is_another_lock_than_that_of_the_state_directory(tmp_path: Path) -> None:
    with StateDirectory(tmp_path), RevertLease(tmp_path, SystemClock(), wait_s=0.1).held("inj-1"):
        assert not free(tmp_path, "inj-1")


def test_where_nobody_ever_reverted_it_is_free(tmp_path: Path) -> None:
    assert free(tmp_path, "inj-1")
    assert free(tmp_path / "gone", "inj-1")
    assert holders(tmp_path / "private") == ()


def test_where_the_directory_has_gone_one_thread_at_a_time_reverts_still(tmp_path: Path) -> None:
    (tmp_path / "private").rmdir()
    lease, refused = RevertLease(tmp_path, SystemClock(), wait_s=0.1), []

    def other() -> None:
        with pytest.raises(BusyError), lease.held("inj-1"):
            pass
        with lease.held("inj-2"):
            refused.append("inj-1")

    with lease.held("inj-1"), lease.held("inj-1"):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert refused == ["inj-1"]
    with lease.held("inj-1"):
        pass


def test_where_it_cannot_be_asked_for_nobody_reverts_and_one_is_told_why(tmp_path: Path) -> None:
    (tmp_path / "private").rmdir()
    (tmp_path / "private").touch()
    with (
        pytest.raises(ChaosdError, match=r"not reverting inj-1: .*Not a directory"),
        RevertLease(tmp_path, SystemClock()).held("inj-1"),
    ):
        pass
