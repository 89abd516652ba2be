"""A real worker that says what it meets, a real small disk, and what the tests of the process faults share."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from daemon.core.model import Order, Undo
from daemon.core.settings import Aws
from daemon.core.target import Disk, Limits, Processes, Target
from daemon.ports.world import LocalWorld

ROOT = os.geteuid() == 0
as_root = pytest.mark.skipif(not ROOT, reason="only root may mount, or write control groups")

# Does one thing of each kind again and again, and writes down how it went. ``sys.argv``: mark, file.
WORKER = """\
import json, os, select, sys, time
place, kept, n = sys.argv[2], [], 0
while True:
    n += 1
    try:
        os.close(os.open('/dev/null', os.O_RDONLY))
        opened = 0
    except OSError as error:
        opened = error.errno
    line = json.dumps({'n': n, 'open': opened, 'time': time.time()}).encode()
    try:
        with open(place, 'r+b', buffering=0) as file:
            file.write(line.ljust(200))
    except OSError:
        pass
    else:
        n == 1 and print('ready', flush=True)
    select.select([], [], [], 0.005)
"""
# The same without a file of its own: it must go on saying it when nothing can be opened.
KEEPER = WORKER.replace(
    "        with open(place, 'r+b', buffering=0) as file:\n            file.write(line.ljust(200))\n",
    "        os.pwrite(3, line.ljust(200), 0)\n",
)
BUSY = "import sys; print('ready', flush=True)\nwhile True: pass"


class Worker:
    """The worker as a process; ``said`` is what it wrote last."""

    def __init__(self, directory: Path, mark: str, environment: Mapping[str, str] | None = None) -> None:
        self.place = directory / f"said-{mark}"
        self.place.write_bytes(b"{}".ljust(200))
        with self.place.open("r+b") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-c", f"import os; os.dup2({file.fileno()}, 3)\n{KEEPER}", mark, str(self.place)],
                stdout=subprocess.PIPE,
                pass_fds=(file.fileno(),),
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n"

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def said(self) -> dict[str, Any]:
        with suppress(ValueError):
            found: dict[str, Any] = json.loads(self.place.read_bytes())
            return found
        return self.said  # in the middle of a write

    def end(self) -> None:
        self.process.kill()
        self.process.wait(10)
        assert self.process.stdout is not None
        self.process.stdout.close()


@contextmanager
def worker(directory: Path, mark: str, environment: Mapping[str, str] | None = None) -> Iterator[Worker]:
    made = Worker(directory, mark, environment)
    try:
        yield made
    finally:
        made.end()


def local_world(directory: Path) -> LocalWorld:
    private = directory / "state" / "private"
    private.mkdir(parents=True, exist_ok=True)
    return LocalWorld(aws=Aws(), private=private)


def order(mark: str, *, disk: Path | None = None, injection: str = "i-1", lasts_s: float = 30.0) -> Order:
    target = Target(
        name="t",
        processes=Processes(match=mark),
        limits=Limits(recover_s=10.0),
        disk=Disk(path=str(disk)) if disk else None,
    )
    return Order(injection=injection, target=target, dice=random.Random(7), lasts_s=lasts_s)


def stored(undo: Undo) -> Undo:
    """What recovery after a crash works from."""
    return replace(undo, data=json.loads(json.dumps(asdict(undo)["data"])))


def letter(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def holders(*marks: str) -> list[int]:
    """Return the pids of chaosd's own small processes with one of the marks."""
    found, wanted = [], {mark.encode() for mark in marks}
    for one in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (one / "cmdline").read_bytes().split(b"\0")
            if b"chaosd-holder" in words and not wanted.isdisjoint(words):
                found.append(int(one.name))
    return found


@contextmanager
def mounted(path: Path, options: str) -> Iterator[Path]:
    """Mount a tmpfs of the test's own, gone at its end."""
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "chaosd-test", str(path)], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)
