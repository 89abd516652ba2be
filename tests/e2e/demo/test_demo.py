"""The main job, as a newcomer runs it: `chaosd demo`, its metrics meanwhile, and Ctrl-C in the middle of it."""

import os
import re
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

CHAOSD = str(Path(sys.executable).parent / "chaosd")
FAMILIES = ("ecs-task-stop", "sqs-burst", "interrupt-message", "interrupt-signal", "git-corrupt", "git-lock")


class Session:
    """A demo under way, its two outputs in files."""

    def __init__(self, directory: Path) -> None:
        self.temporary = directory / "tmp"
        self.temporary.mkdir()
        self._err, self._out = directory / "err", directory / "out"
        with self._err.open("w") as err, self._out.open("w") as out:
            self.process = subprocess.Popen(
                [CHAOSD, "demo"],
                stdout=out,
                stderr=err,
                cwd=directory,
                env={**_plain(), "TMPDIR": str(self.temporary), "HOME": str(directory)},
            )

    @property
    def said(self) -> str:
        return self._err.read_text()

    @property
    def table(self) -> str:
        return self._out.read_text()

    def await_words(self, pattern: str, timeout_s: float = 60) -> re.Match[str]:
        """Wait, bounded, until the pattern stands in what was said."""
        pause = threading.Event()
        for _ in range(round(timeout_s / 0.05)):
            if found := re.search(pattern, self.said):
                return found
            assert self.process.poll() is None, self.said
            pause.wait(0.05)
        raise AssertionError(f"{pattern!r} was never said:\n{self.said}")

    def left(self) -> list[str]:
        """Return the processes and files of this demo that are still there."""
        mark = str(self.temporary)
        processes = [" ".join(p.info["cmdline"] or ()) for p in psutil.process_iter(["cmdline"])]
        return [c for c in processes if mark in c] + [str(p) for p in self.temporary.rglob("*")]


def _plain() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in {"XDG_STATE_HOME", "CHAOSD_STATE_DIR"}}


@contextmanager
def demo(directory: Path) -> Iterator[Session]:
    session = Session(directory)
    try:
        yield session
    finally:
        if session.process.poll() is None:
            session.process.kill()
        session.process.wait()


def metrics(address: str) -> str:
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return str(answer.read().decode())
    except urllib.error.URLError:
        return ""


def recoveries(text: str) -> float:
    counts = re.findall(r"^chaosd_recovery_seconds_count\{[^}]*\} (\S+)$", text, re.MULTILINE)
    return sum(float(c) for c in counts)


@pytest.mark.timeout(300)
def test_the_demo_shows_every_family_and_leaves_nothing(tmp_path: Path) -> None:
    with demo(tmp_path) as session:
        address = session.await_words(r"http://\S+/metrics")[0]
        session.await_words(r"stop-a-task: recovered", 120)
        text = metrics(address)
        code = session.process.wait(200)
        table = session.table
        assert code == 0, session.said + table
        assert [f for f in FAMILIES if f not in table] == []
        assert "nothing is left" in session.said + table
        report = Path(table.rsplit("report: ", 1)[1].strip())
        assert report.is_relative_to(tmp_path)
        page = report.read_text()
        assert page.count('data-label="Message"') >= 8, "a baseline and the same messages beside a fault"
        assert [f for f in FAMILIES if f">{f}" not in page] == []
        assert session.left() == []
    assert recoveries(text) >= 1
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


@pytest.mark.parametrize("moment", ["starting the AWS emulator", "the daemon is up", "lock-a-clone: inject"])
def test_ctrl_c_at_any_moment_leaves_the_same_nothing(tmp_path: Path, moment: str) -> None:
    with demo(tmp_path) as session:
        session.await_words(moment)
        session.process.send_signal(signal.SIGINT)
        assert session.process.wait(60) == 128 + signal.SIGINT, session.said
        assert "report:" not in session.table
        assert session.left() == []
