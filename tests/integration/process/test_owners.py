"""Who owns a run, and rooms that nobody shares: real processes, real locks."""

import signal
import subprocess
import sys
from pathlib import Path

from daemon.ports.processes import lives, this_process
from daemon.ports.state import StateDirectory

SAY = "from daemon.ports.processes import this_process; print(*this_process(), flush=True); input()"


def test_a_process_lives_until_it_is_killed_and_a_reused_pid_is_another() -> None:
    child = subprocess.Popen([sys.executable, "-c", SAY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    pid, started_s = child.stdout.readline().split()
    assert int(pid) == child.pid
    assert lives(child.pid, float(started_s))
    assert not lives(child.pid, float(started_s) - 60), "the same pid, begun at another time, is another process"
    child.send_signal(signal.SIGKILL)
    assert child.wait(10) == -signal.SIGKILL
    assert not lives(child.pid, float(started_s))
    child.communicate()


def test_a_zombie_does_not_live() -> None:
    child = subprocess.Popen([sys.executable, "-c", SAY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    _, started_s = child.stdout.readline().split()
    child.kill()
    child.stdout.read()  # its end: it is dead now, and nobody has waited for it
    for _ in range(1000):
        if not lives(child.pid, float(started_s)):
            break
    assert not lives(child.pid, float(started_s))
    child.communicate()


def test_this_process_lives() -> None:
    assert lives(*this_process())


def test_a_room_is_lent_to_one_at_a_time_and_used_again(tmp_path: Path) -> None:
    one, other = StateDirectory(tmp_path).make(), StateDirectory(tmp_path)
    with one.room() as first, other.room() as second:
        assert first != second
        assert first.is_dir()
        assert second.stat().st_mode & 0o777 == 0o700
    with other.room() as again:
        assert again == first


def test_a_room_of_a_killed_process_is_free_again(tmp_path: Path) -> None:
    StateDirectory(tmp_path).make()
    hold = f"""
from pathlib import Path
from daemon.ports.state import StateDirectory
with StateDirectory(Path({str(tmp_path)!r})).room() as room:
    print(room, flush=True)
    input()
"""
    child = subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    taken = child.stdout.readline().strip()
    with StateDirectory(tmp_path).room() as room:
        assert str(room) != taken
    child.kill()
    child.communicate()
    with StateDirectory(tmp_path).room() as room:
        assert str(room) == taken
