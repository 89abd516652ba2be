"""`chaosd monitor` on a real lab: once, as JSON, and held open in a real terminal."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time  # noqa: TID251 - bounds the waits for a real terminal
from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e.lab.conftest import CHAOSD, CREDENTIALS, Bench
from tests.waiting import wait_for

ENTER, LEAVE = b"\x1b[?1049h", b"\x1b[?1049l"
HIDE, SHOW = b"\x1b[?25l", b"\x1b[?25h"
WITHIN_S = 60.0


class Terminal:
    """A pseudo-terminal with chaosd in it. ``since`` is what was written after the last ``clear``."""

    def __init__(self, bench: Bench, *words: str, columns: int = 120, lines: int = 40, **environment: str) -> None:
        self.ours, theirs = pty.openpty()
        self.resize(columns, lines)
        self.modes = termios.tcgetattr(self.ours)
        kept = {k: v for k, v in os.environ.items() if k not in {"COLUMNS", "LINES", "NO_COLOR"}}
        self.process = subprocess.Popen(
            [CHAOSD, "-c", str(bench.config), "--state-dir", str(bench.directory / "watching"), "monitor", *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**kept, **CREDENTIALS, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", **environment},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - Ctrl-C and sizes reach it
        )
        os.close(theirs)
        self.since = b""

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def press(self, keys: bytes) -> None:
        os.write(self.ours, keys)

    def read(self) -> bool:
        """Read what is there, waiting a moment for it; False at the end."""
        if select.select([self.ours], [], [], 0.05)[0]:
            try:
                self.since += os.read(self.ours, 1 << 16)
            except OSError:  # Linux's word for: nobody is at the other end any more
                return False
        return True

    def until(self, *words: bytes) -> bytes:
        """Read until all words came since the last call that found its words; return what came."""
        deadline_s = time.monotonic() + WITHIN_S
        while not all(word in self.since for word in words):
            assert time.monotonic() < deadline_s, f"{words} not in {self.since!r}"
            assert self.read(), f"it ended: {self.since!r}"
        found, self.since = self.since, b""
        return found

    def end(self) -> tuple[int, bytes]:
        """Read to the end and return the exit code and what came."""
        deadline_s = time.monotonic() + WITHIN_S
        while self.process.poll() is None:
            assert time.monotonic() < deadline_s, "it does not end"
            self.read()
        while select.select([self.ours], [], [], 0)[0] and self.read():
            pass
        return self.process.returncode, self.since


@contextmanager
def terminal(bench: Bench, *words: str, **how: object) -> Iterator[Terminal]:
    made = Terminal(bench, *words, **how)  # type: ignore[arg-type]
    try:
        yield made
    finally:
        if made.process.poll() is None:
            made.process.kill()
        made.process.wait()
        os.close(made.ours)


def sizes(written: bytes) -> list[tuple[int, int]]:
    """Return width and height of every whole page: each begins at the top left and ends with the footer."""
    pages = [page for page in written.split(b"\x1b[H")[1:] if b"every 0.5 s" in page]
    plain = [re.sub(r"\x1b\[[0-?]*[ -/]*[@-~]", "", page.decode(errors="replace")) for page in pages]
    lines = [re.split(r"\r*\n", page) for page in plain]
    return [(max(map(len, page)), len(page)) for page in lines]


def test_once_for_people_and_for_programs(bench: Bench) -> None:
    code, found = bench.answer("monitor")
    assert code == 0
    assert {"daemon", "active", "outstanding", "observations", "next", "halted", "latest"} <= found.keys()
    (target,) = found["targets"]
    assert target["unseen"] == []
    tasks = {t["id"] for t in target["tasks"]}
    assert tasks == {arn.rpartition("/")[2] for arn in bench.pids()}
    assert target["service"] == {"desired": 2, "running": 2, "pending": 0}
    assert {"visible", "in_flight", "delayed", "dead_letter", "waiting_for"} == target["queue"].keys()
    assert "main" in [b["name"] for b in target["branches"]]
    assert target["deployment"]["bucket"] == bench.info.bucket
    assert "worker.ready" in " ".join(line["message"] for line in target["logs"])
    # The stream of a line begins with the id of the task that wrote it, as the page shows both.
    assert {line["stream"].rpartition("/")[2] for line in target["logs"]} <= tasks
    page = bench.chaosd("monitor", "-o", "text", "--lines", "2", "--branches", "1")
    out, err = page.communicate(timeout=WITHIN_S)
    assert (page.returncode, err) == (0, "")
    assert "editor  " in out
    assert "tasks 2/2" in out
    assert "deployed absent" in out
    assert "worker.ready slot=" in out
    assert "\x1b" not in out


def test_a_part_that_cannot_be_seen_says_why(bench: Bench) -> None:
    broken = bench.directory / "broken.yaml"
    broken.write_text(bench.config.read_text().replace(f"{bench.info.log_group}", "/no/such/group"))
    code, found = bench.answer("-c", str(broken), "monitor")
    (target,) = found["targets"]
    assert code == 0
    assert [u["part"] for u in target["unseen"]] == ["logs"]
    assert "/no/such/group" in target["unseen"][0]["reason"]
    assert target["logs"] is None
    assert len(target["tasks"]) == 2


def test_watched_by_a_program_it_is_a_document_a_line(bench: Bench) -> None:
    child = bench.chaosd("monitor", "--watch", "--every", "200ms")
    assert child.stdout is not None
    for _ in range(3):
        assert json.loads(child.stdout.readline())["targets"][0]["target"] == "editor"
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=WITHIN_S)
    assert (child.returncode, err) == (0, "")


def test_held_open_it_follows_the_size_and_leaves_the_terminal_as_it_was(bench: Bench) -> None:
    with terminal(bench, "--watch", "--every", "500ms") as held:
        screen = held.until(b"worker.ready", b"q quits")
        assert ENTER in screen
        assert HIDE in screen
        assert b"\x1b[32m" in screen or b"\x1b[1;32m" in screen
        for columns, lines in ((80, 24), (50, 6), (132, 50)):
            held.since = b""
            held.resize(columns, lines)
            wait_for(
                f"{columns} by {lines}", lambda size=(columns, lines): held.read() and size in sizes(held.since)
            )
        held.press(b"\x03")
        code, last = held.end()
        assert code == 0
        assert LEAVE in last
        assert SHOW in last
        assert b"Traceback" not in last
        assert termios.tcgetattr(held.ours) == held.modes


def test_without_colours_and_quit_by_a_key(bench: Bench) -> None:
    with terminal(bench, "--watch", "--no-color", "--every", "10s", columns=80, lines=24, LC_ALL="C.UTF-8") as held:
        screen = held.until(b"tasks 2/2", b"q quits")
        assert not re.search(rb"\x1b\[[0-9;]*3[0-7]m", screen)
        held.press(b"q")
        code, last = held.end()
        assert code == 0
        assert LEAVE in last
        assert termios.tcgetattr(held.ours) == held.modes
