"""A repository, a state directory, the real command line, and the means to take everything away from it."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time  # noqa: TID251 - bounds the waits for real processes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.e2e.git.tree import changed, look, make_repository

CHAOSD = (str(Path(sys.executable).parent / "chaosd"),)
FAULTS = (("git-lock", "index-lock"), ("git-corrupt", "loose-object-truncate"), ("git-corrupt", "head-garbage"))
MINUTE_S = 60
COMES_S = 600.0  # on two processors with a load of 40 an interpreter takes minutes to start
SMALL_BYTES = 1 << 20


@dataclass
class Answer:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found


@dataclass
class Stage:
    """One repository and one state directory. ``program`` may be a chaosd without one of its safeties."""

    directory: Path
    state: Path
    program: Sequence[str] = CHAOSD
    started: list["subprocess.Popen[str]"] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.repository = make_repository(self.directory / "repository")
        self.before = look(self.repository)

    def start(self, *words: str, program: Sequence[str] | None = None) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [
                *(program or self.program),
                "--state-dir",
                str(self.state),
                *([] if "run" in words else ["-o", "json"]),
                *words,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.directory,
            env={**os.environ, "NO_COLOR": "1"},
        )
        self.started.append(process)
        return process

    def run(self, *words: str) -> Answer:
        """Run the real chaosd, whatever variant the stage is for."""
        return ended(self.start(*words, program=CHAOSD))

    def inject(self, fault: str, mode: str, hold: str) -> "subprocess.Popen[str]":
        words = ("--repository", str(self.repository), "--mode", mode, "--seed", "7", "--for", hold)
        return self.start("inject", fault, *words)

    def damaged(self) -> bool:
        with suppress(FileNotFoundError):  # a temporary file went away while we looked
            return look(self.repository) != self.before
        return True

    def await_damage(self, process: "subprocess.Popen[str]") -> bool:
        """Wait until the fault is there (True) or chaosd has ended (False)."""
        deadline_s = time.monotonic() + COMES_S
        while time.monotonic() < deadline_s:
            if self.damaged():
                return True
            if process.poll() is not None:
                return False
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.02)  # looking costs as much as what is looked at
        raise AssertionError(f"the fault never came within {COMES_S:g} s: {account(process.pid)}")

    def await_whole(self) -> None:
        """Wait until the repository is as before: somebody else is at it."""
        deadline_s, pause = time.monotonic() + COMES_S, threading.Event()
        while self.damaged():
            assert time.monotonic() < deadline_s, self.residue()
            pause.wait(0.05)

    def residue(self) -> list[str]:
        return changed(self.before, look(self.repository))

    def copies(self) -> list[str]:
        return sorted(p.stem for p in self.state.glob("undo/*.json"))

    def close(self) -> None:
        for process in self.started:
            if process.poll() is None:
                kill_all(process)
            process.communicate()


def account(pid: int) -> str:
    """Say what a process that does not get on waits for: itself, somebody, or only its turn on a processor."""
    lines = []
    for task in sorted(Path(f"/proc/{pid}/task").glob("*")):
        with suppress(OSError):
            ran_ns, waited_ns, _ = map(int, (task / "schedstat").read_text().split())
            state = (task / "stat").read_text().rpartition(")")[2].split()[0]
            spot = (task / "wchan").read_text() or "?"
            lines.append(
                f"thread {task.name} {state} in {spot}: ran {ran_ns / 1e9:.2f} s, queued {waited_ns / 1e9:.1f} s"
            )
    return "; ".join(lines) or "it has gone"


def ended(process: "subprocess.Popen[str]") -> Answer:
    out, err = process.communicate(timeout=10 * MINUTE_S)
    return Answer(process.returncode, out, err)


def kill_all(process: "subprocess.Popen[str]") -> None:
    """Kill chaosd and whoever watches over it, so that nobody undoes anything."""
    process.send_signal(signal.SIGSTOP)  # so that it does not see its watchman die
    for child in psutil.Process(process.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            child.kill()
    process.kill()
    process.communicate(timeout=MINUTE_S)


def patched(*lines: str) -> Sequence[str]:
    """Return a chaosd with these lines run before it: a variant without one of its safeties."""
    return (
        sys.executable,
        "-c",
        "\n".join((*lines, "from daemon.faces.cli import main", "raise SystemExit(main())")),
    )


# --- a small disk ------------------------------------------------------------------------------------------


@contextmanager
def small_disk(path: Path) -> Iterator[bool]:
    """Mount 1 MiB at a path, or yield False where mounting is not permitted."""
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_BYTES},mode=700", "chaosd-test", str(path)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(path)], check=True)


def fill(path: Path, *, leave: int = 0) -> Path:
    """Take all space of the file system but ``leave`` bytes."""
    filler = path / "filler"
    room = os.statvfs(path)
    wanted = max(0, room.f_bavail * room.f_frsize - leave)
    with filler.open("ab", buffering=0) as file, suppress(OSError):
        while wanted > 0:
            wanted -= file.write(bytes(min(4096, wanted)))
        while leave == 0:
            file.write(bytes(1))
    return filler


# --- damage ------------------------------------------------------------------------------------------------


def truncate(state: Path, dice: random.Random) -> str:
    """Cut the journal or its log at a random place."""
    path = dice.choice([p for p in journal_files(state) if p.stat().st_size])
    place = dice.randrange(path.stat().st_size)
    os.truncate(path, place)
    return f"{path.name} cut at {place}"


def garble(state: Path, dice: random.Random) -> str:
    """Overwrite a piece of the journal or its log."""
    path = dice.choice([p for p in journal_files(state) if p.stat().st_size])
    place, length = dice.randrange(path.stat().st_size), dice.choice([1, 16, 512, 4096])
    with path.open("r+b") as file:
        file.seek(place)
        file.write(dice.randbytes(length))
    return f"{path.name} garbled at {place}, {length} bytes"


def journal_files(state: Path) -> list[Path]:
    return [p for p in (state / "journal.sqlite", state / "journal.sqlite-wal") if p.exists()]
