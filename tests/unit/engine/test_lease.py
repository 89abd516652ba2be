"""One reverter at a time: among processes, among threads, and never against oneself."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from daemon.core.errors import BusyError
from daemon.ports.clock import SystemClock
from daemon.ports.lease import RevertLease, free, holder
from daemon.ports.state import StateDirectory

HOLD = """
import sys
from pathlib import Path
from daemon.ports.clock import SystemClock
from daemon.ports.lease import RevertLease
with RevertLease(Path(sys.argv[1]), SystemClock()).held():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _made(tmp_path: Path) -> None:
    (tmp_path / "private").mkdir()


def test_another_process_keeps_it_until_it_dies_however(tmp_path: Path) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        assert (free(tmp_path), holder(tmp_path)) == (False, other.pid)
        with (
            pytest.raises(BusyError, match=str(other.pid)),
            RevertLease(tmp_path, SystemClock(), wait_s=0.1).held(),
        ):
            pass
        other.kill()
        with RevertLease(tmp_path, SystemClock(), wait_s=10).held():
            assert not free(tmp_path)
    assert free(tmp_path)


def test_a_thread_may_take_it_again_and_another_thread_waits(tmp_path: Path) -> None:
    lease, order = RevertLease(tmp_path, SystemClock()), []

    def second() -> None:
        with lease.held():
            order.append("second")

    with lease.held(), lease.held():
        thread = threading.Thread(target=second)
        thread.start()
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def test_it_is_another_lock_than_that_of_the_state_directory(tmp_path: Path) -> None:
    with StateDirectory(tmp_path), RevertLease(tmp_path, SystemClock(), wait_s=0.1).held():
        assert not free(tmp_path)


def test_where_nobody_ever_reverted_it_is_free(tmp_path: Path) -> None:
    assert free(tmp_path)
    assert holder(tmp_path) is None
