"""Ending recorded processes, and no others."""

import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.lab import processes

DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); signal.pause()"


@pytest.fixture
def child() -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", DEAF], stdout=subprocess.PIPE, start_new_session=True
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        yield child
        child.kill()


def test_a_recorded_process_is_ended_even_when_it_ignores_sigterm(child: "subprocess.Popen[bytes]") -> None:
    record = processes.record_of("test", child.pid)
    assert record is not None
    assert processes.end_all([record], grace_s=0.1) == []
    assert not processes.is_alive(record)


def test_another_process_with_a_recorded_pid_is_left_alone(child: "subprocess.Popen[bytes]") -> None:
    record = processes.record_of("test", child.pid)
    assert record is not None
    earlier = dataclasses.replace(record, started_at_s=record.started_at_s - 60)
    assert not processes.is_alive(earlier)
    assert processes.end_all([earlier], grace_s=0.1) == []
    assert child.poll() is None


def test_the_table_is_read_back_as_it_was_written(tmp_path: Path, child: "subprocess.Popen[bytes]") -> None:
    table = processes.ProcessTable(tmp_path / "processes.json")
    record = processes.record_of("task", child.pid, task="arn")
    table.add(record)
    table.add(None)
    assert processes.load(tmp_path / "processes.json") == (record,)
    table.discard(child.pid)
    assert processes.load(tmp_path / "processes.json") == ()


@pytest.mark.parametrize("text", ["", "garbage", '[{"pid": 1}]', "{}", "[1]"])
def test_a_broken_table_names_no_process(tmp_path: Path, text: str) -> None:
    (tmp_path / "processes.json").write_text(text)
    assert processes.load(tmp_path / "processes.json") == ()
