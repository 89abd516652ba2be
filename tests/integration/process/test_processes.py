"""The process table against real processes: found rightly, signalled only when certainly the same."""

import os
import signal
import uuid
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from daemon.core.errors import RefusedError
from daemon.core.seams import Process
from daemon.ports import processes
from daemon.ports.clock import boot_s
from daemon.ports.processes import LocalProcesses
from tests.integration.process.children import (
    FAMILY,
    FORKED,
    LISTENER,
    NAMELESS,
    SLEEPER,
    STUBBORN,
    child,
    until,
)


@pytest.fixture
def mark() -> str:
    return f"mark-{uuid.uuid4().hex}"


def only(**how: object) -> Process:
    (found,) = LocalProcesses().find(**how)  # type: ignore[arg-type]
    return found


def kernel_threads() -> set[int]:
    """Return their pids as the kernel marks them; in a pid namespace of its own there are none."""
    found = set()
    for one in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            flags = int((one / "stat").read_text().rpartition(")")[2].split()[6])  # proc(5): field 9
            found |= {int(one.name)} if flags & 0x00200000 else set()  # PF_KTHREAD, linux/sched.h
    return found


def test_finds_by_a_part_of_the_command_line(mark: str) -> None:
    with child(SLEEPER, mark) as one:
        found = only(match=mark)
        assert (found.pid, found.group) == (one.pid, one.pid)
        assert mark in found.command
        assert LocalProcesses().alive(found)


def test_finds_oldest_first(mark: str) -> None:
    with child(SLEEPER, mark) as first, child(SLEEPER, mark) as second:
        assert [p.pid for p in LocalProcesses().find(match=mark)] == [first.pid, second.pid]


def test_a_child_is_found_once_it_is_no_longer_about_to_become_another_program(
    mark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = [boot_s()]
    monkeypatch.setattr(processes, "boot_s", lambda: now_s[0])
    with child(FORKED, mark) as parent:
        assert only(match=mark).pid == parent.pid
        now_s[0] = boot_s() + processes._FORKED_S
        assert [p.pid for p in LocalProcesses().find(match=mark)] == [parent.pid, int(parent.said)]


def test_finds_who_listens_on_a_port_and_not_who_does_not(mark: str) -> None:
    with child(LISTENER, mark) as one, child(SLEEPER, mark):
        assert only(port=int(one.said)).pid == one.pid
        assert LocalProcesses().find(port=int(one.said), match="another") == ()


def test_a_child_without_a_command_line_is_found_and_a_kernel_thread_is_not(mark: str) -> None:
    with child(NAMELESS, mark) as parent:
        (nameless,) = LocalProcesses().children(only(match=mark))
        assert (nameless.pid, nameless.command) == (int(parent.said), "[cat]")
        found = LocalProcesses().find()
    assert nameless in found
    assert kernel_threads().isdisjoint(one.pid for one in found)


def test_finds_by_pid_file(mark: str, tmp_path: Path) -> None:
    with child(SLEEPER, mark) as one:
        (tmp_path / "pid").write_text(f"{one.pid}\n")
        assert only(pid_file=str(tmp_path / "pid")).pid == one.pid


def test_a_pid_file_older_than_its_process_names_nobody(mark: str, tmp_path: Path) -> None:
    with child(SLEEPER, mark) as one:
        path = tmp_path / "pid"
        path.write_text(str(one.pid))
        os.utime(path, (0, path.stat().st_mtime - 3600))
        assert LocalProcesses().find(pid_file=str(path)) == ()


@pytest.mark.parametrize("content", ["", "no number", "-1", "0", "1", "99999999999999999999999"])
def test_a_broken_pid_file_names_nobody(content: str, tmp_path: Path) -> None:
    (tmp_path / "pid").write_text(content)
    assert LocalProcesses().find(pid_file=str(tmp_path / "pid")) == ()
    assert LocalProcesses().find(pid_file=str(tmp_path)) == ()
    assert LocalProcesses().find(pid_file=str(tmp_path / "absent")) == ()


def test_a_fifo_as_pid_file_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pid")
    assert LocalProcesses().find(pid_file=str(tmp_path / "pid")) == ()


def test_never_finds_itself_its_parents_its_copies_or_pid_1() -> None:
    everyone = {p.pid for p in LocalProcesses().find()}
    copy = os.fork()
    if copy == 0:
        signal.pause()
        os._exit(0)
    try:
        assert copy not in {p.pid for p in LocalProcesses().find()}
        assert everyone.isdisjoint({1, os.getpid(), os.getppid()})
    finally:
        os.kill(copy, signal.SIGKILL)
        os.waitpid(copy, 0)


def test_never_finds_what_it_is_told_to_spare(mark: str) -> None:
    with child(SLEEPER, mark) as one:
        assert LocalProcesses(spare=lambda: {one.pid}).find(match=mark) == ()


@pytest.mark.parametrize("group", [False, True])
def test_refuses_to_signal_itself_its_parents_and_pid_1(group: bool) -> None:
    for pid in (0, 1, os.getpid(), os.getppid()):
        impostor = Process(pid=pid, started_s=0, group=pid, command="worker")
        with pytest.raises(RefusedError, match="it is chaosd"):
            LocalProcesses().signal(impostor, 0, group=group)


def test_a_reused_pid_is_not_signalled(mark: str) -> None:
    with child(SLEEPER, mark) as one:
        now = only(match=mark)
        before = replace(now, started_s=now.started_s - 0.01)
        assert not LocalProcesses().alive(before)
        assert LocalProcesses().signal(before, signal.SIGKILL) is False
        assert LocalProcesses().signal(before, signal.SIGKILL, group=True) is False
        assert LocalProcesses().alive(now)
        assert one.process.poll() is None


def test_a_zombie_is_neither_alive_nor_found(mark: str) -> None:
    with child(SLEEPER, mark) as one:
        found = only(match=mark)
        assert LocalProcesses().signal(found, signal.SIGKILL)
        os.waitid(os.P_PID, one.pid, os.WEXITED | os.WNOWAIT)  # dead, not yet reaped
        assert not LocalProcesses().alive(found)
        assert LocalProcesses().signal(found, signal.SIGTERM) is False
        assert LocalProcesses().find(match=mark) == ()


def test_signals_exactly_the_process(mark: str) -> None:
    with child(SLEEPER, mark) as first, child(SLEEPER, mark) as second:
        victim, other = LocalProcesses().find(match=mark)
        assert LocalProcesses().signal(victim, signal.SIGTERM)
        assert first.ended() == -signal.SIGTERM
        assert second.process.poll() is None
        assert LocalProcesses().alive(other)


def test_signal_0_sends_nothing(mark: str) -> None:
    with child(SLEEPER, mark) as one:
        assert LocalProcesses().signal(only(match=mark), 0)
        assert LocalProcesses().signal(only(match=mark), 0, group=True)
        assert one.process.poll() is None


def test_a_group_is_signalled_as_a_whole(mark: str) -> None:
    with child(FAMILY, mark) as one:
        leader, member = LocalProcesses().find(match=mark)
        assert (leader.pid, member.pid, member.group) == (one.pid, int(one.said), one.pid)
        assert LocalProcesses().signal(leader, signal.SIGKILL, group=True)
        assert one.ended() == -signal.SIGKILL
        assert until(lambda: not LocalProcesses().alive(member))


def test_our_own_group_is_refused(mark: str) -> None:
    with child(STUBBORN, mark, own_group=False) as one:
        with pytest.raises(RefusedError, match="chaosd or one of its parents is in it"):
            LocalProcesses().signal(only(match=mark), signal.SIGTERM, group=True)
        assert one.process.poll() is None


def test_a_process_that_changed_its_group_is_refused(mark: str) -> None:
    with child(SLEEPER, mark):
        moved = replace(only(match=mark), group=os.getpgrp())
        with pytest.raises(RefusedError, match="is in group"):
            LocalProcesses().signal(moved, signal.SIGKILL, group=True)
        assert only(match=mark)
