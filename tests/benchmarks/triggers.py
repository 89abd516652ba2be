"""Triggers: from an event of the target to the fault, and how often the moment between commit and push is met."""

import json
import subprocess
import sys
import threading
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from daemon import wiring
from daemon.core.events import Event
from daemon.core.moments import Armed, Moment
from daemon.core.plan import Request
from daemon.core.settings import Sampling, Settings
from daemon.core.target import Limits, Processes, Repository, Target
from daemon.core.watching import Change, Happened, Spot
from daemon.engine.control import Run
from daemon.ports.state import StateDirectory
from tests.benchmarks.harness import Bench, MeasurementError, Row, Samples, at_least, at_most
from tests.benchmarks.lag import Unwatched
from tests.waiting import wait_for

BETWEEN = "between commit and push"
ROUNDS, TRIES = 30, 100
POLL_S, PUSH_S, PATIENCE_S = 0.1, 0.2, 300.0
NAMES = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@localhost"}
NAMES |= {"GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@localhost"}


class Polling:
    """The yardstick: the same directories, looked at every 100 ms by a loop."""

    def watch(self, spots: Sequence[Spot]) -> "PolledWatch":
        return PolledWatch(spots)


class PolledWatch:
    """Tells which files are others than at the last look."""

    def __init__(self, spots: Sequence[Spot]) -> None:
        self._spots = spots
        self._known = self._look()
        self._pause = threading.Event()

    def wait(self, timeout_s: float) -> tuple[Change, ...]:
        del timeout_s
        self._pause.wait(POLL_S)
        known, self._known = self._known, self._look()
        return tuple(
            Change(path, Happened.MOVED_HERE) for path, key in self._known.items() if known.get(path) != key
        )

    def _look(self) -> dict[str, tuple[int, int]]:
        found = {}
        for spot in self._spots:
            for path in Path(spot.path).rglob("*") if spot.deep else Path(spot.path).iterdir():
                try:
                    at = path.stat()
                except FileNotFoundError:
                    continue
                found[str(path)] = (at.st_ino, at.st_mtime_ns)
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...


class Engine:
    """The real engine on one target; ``polling`` puts the loop in the place of the file system's own news."""

    def __init__(self, settings: Settings, directory: Path, *, polling: bool) -> None:
        self._armed = threading.Event()
        audience = wiring.Audience(listeners=(self._hear,), watchman=Unwatched())
        self.station = wiring.station(settings, StateDirectory(directory).make(), audience)
        if polling:
            self.station.world.__dict__["events"] = Polling()

    def _hear(self, injection: str, event: Event) -> None:
        del injection
        if isinstance(event, Armed):
            self._armed.set()

    def begin(self, request: Request) -> Run:
        """Start an injection and return once it waits for its event."""
        self._armed.clear()
        run = self.station.control.start(request)
        wait_for("it waits for its event", lambda: self._armed.is_set() or run.done.is_set(), PATIENCE_S, 0.005)
        if not self._armed.is_set():
            raise MeasurementError(f"it ended before it waited for its event: {run.error or run.result}")
        return run


def reaction(bench: Bench) -> list[Row]:
    """From a branch's new value to the fault's file, by the file system's own times, for both in turns."""
    clone = _clone(bench, "reaction")
    target = Target(name="clone", repository=Repository(worktree=(str(clone),)))
    request = Request(
        fault="git-lock",
        target="clone",
        parameters={"mode": "config-lock"},
        duration_s=0.5,
        origin="cli",
        by="bench",
        when=Moment(event="commit", within_s=PATIENCE_S),
    )
    found: dict[bool, list[float]] = {False: [], True: []}
    with _engines(bench, _settings(target)) as engines:
        for number in range(bench.rounds(ROUNDS) + 1):
            for polling, engine in engines.items():
                bench.say(f"reaction {number}")
                took_ms = _react(engine, request, clone, number, bench)
                if number:
                    found[polling].append(took_ms)
    return [
        Row(
            what="trigger: commit to fault",
            chaosd=Samples("ms", tuple(found[False])),
            yardstick="a loop every 100 ms",
            theirs=Samples("ms", tuple(found[True])),
            limit=at_most(1),
        )
    ]


def _react(engine: Engine, request: Request, clone: Path, number: int, bench: Bench) -> float:
    run = engine.begin(request)
    (clone / "file").write_text(f"{number} {uuid.uuid4()}\n")
    commit = subprocess.Popen(["git", "commit", "-qam", "x"], cwd=clone, env=bench.environment() | NAMES)
    lock, ref = clone / ".git/config.lock", clone / ".git/refs/heads/main"
    for _ in range(60_000):
        try:
            struck_ns = lock.stat().st_ctime_ns
            break
        except FileNotFoundError:
            run.done.wait(0.001)
    else:
        raise MeasurementError("the fault never came")
    commit.wait(PATIENCE_S)
    took_ms = (struck_ns - ref.stat().st_ctime_ns) / 1e6
    run.outcome()
    return took_ms


def hits(bench: Bench) -> list[Row]:
    """Kill the reference worker between commit and push, 100 times; a push takes 200 ms."""
    rows = []
    for polling in (False, True):
        struck = tuple(float(_hit_rate(bench, polling=polling)) for _ in range(1))
        rows.append(
            Row(
                what=f"trigger: killed between commit and push{', by the loop' if polling else ''}",
                chaosd=Samples("%", struck),
                limit=None if polling else at_least(95),
                note=f"of {bench.rounds(TRIES)} tries; the remote takes 200 ms for a push",
            )
        )
    return rows


def _hit_rate(bench: Bench, *, polling: bool) -> float:
    tries = bench.rounds(TRIES)
    clone = _clone(bench, f"hits-{polling}")
    hook = clone.parent / "remote.git/hooks/pre-receive"
    hook.write_text(f"#!/bin/sh\nsleep {PUSH_S}\n")
    hook.chmod(0o755)
    # Nobody else's worker may have this in its command line.
    mark = f"thread-{{chatThreadId}}-{uuid.uuid4().hex}"
    target = Target(
        name="clone",
        repository=Repository(worktree=(str(clone),)),
        processes=Processes(match=mark),
        limits=Limits(recover_s=PATIENCE_S),
    )
    request = Request(
        fault="interrupt-signal",
        target="clone",
        parameters={"mode": "sigkill", "scope": "group"},
        duration_s=0.0,
        origin="cli",
        by="bench",
        when=Moment(event="commit", matching="thread-*", within_s=PATIENCE_S),
    )
    engine = Engine(_settings(target), bench.directory(f"state-hits-{polling}"), polling=polling)
    worker = _worker(bench, clone, mark)
    ends: Counter[str] = Counter()
    try:
        for number in range(tries):
            bench.say(f"{number} of {tries}: {dict(ends)}")
            run = engine.begin(request)
            assert worker.stdin is not None
            worker.stdin.write(_message(number))
            worker.stdin.close()
            worker.wait(PATIENCE_S)
            worker = _worker(bench, clone, mark)  # as a supervisor would: the undo waits for it
            run.outcome()
            ends[_end(clone, f"thread-t{number}-{mark.rpartition('-')[2]}")] += 1
    finally:
        engine.station.close()
        worker.kill()
        worker.wait(PATIENCE_S)
    sys.stderr.write(f"killed {'by the loop' if polling else 'by the event'}: {dict(ends)}\n")
    return 100.0 * ends[BETWEEN] / tries


def _end(clone: Path, branch: str) -> str:
    """Tell how far the worker came with a branch."""

    def says(directory: Path, *words: str) -> str:
        done = subprocess.run(["git", *words], cwd=directory, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    if not says(clone, "rev-parse", "--verify", "--quiet", f"refs/heads/{branch}"):
        return "no branch"
    if says(clone, "rev-list", "--count", f"origin/main..{branch}") in ("", "0"):
        return "no commit"
    if says(clone.parent / "remote.git", "rev-parse", "--verify", "--quiet", f"refs/heads/{branch}"):
        return "pushed"
    return BETWEEN


def _worker(bench: Bench, clone: Path, mark: str) -> "subprocess.Popen[bytes]":
    """Start the reference worker; it waits for its message, in a group of its own as in a container."""
    return subprocess.Popen(
        [sys.executable, "-m", "daemon.lab.worker.once", "--branch", mark],
        cwd=clone,
        env=bench.environment() | NAMES | {"PYTHONPATH": str(Path(__file__).parents[2])},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _message(number: int) -> bytes:
    body = {
        "sessionId": f"session-{number}",
        "commandId": f"cmd-{number}",
        "chatThreadId": f"t{number}",
        "clientId": "bench",
        "instruction": f"say {number}",
        "userId": "test-user-1",
        "timestamp": 1_767_225_600_000 + number,
    }
    return json.dumps(body).encode()


def _settings(target: Target) -> Settings:
    return Settings(
        sampling=Sampling(probe_every_s=0.25, stable_for_s=0.0), targets={target.name: target}, steady_state={}
    )


@contextmanager
def _engines(bench: Bench, settings: Settings) -> Iterator[dict[bool, Engine]]:
    engines = {
        polling: Engine(settings, bench.directory(f"state-{polling}"), polling=polling) for polling in (False, True)
    }
    try:
        yield engines
    finally:
        for engine in engines.values():
            engine.station.close()


def _clone(bench: Bench, name: str) -> Path:
    place = bench.directory(name)
    environment = bench.environment() | NAMES

    def git(directory: Path, *words: str) -> None:
        subprocess.run(["git", *words], cwd=directory, env=environment, check=True, capture_output=True)

    git(place, "init", "-q", "--bare", "-b", "main", "remote.git")
    git(place, "clone", "-q", "remote.git", "clone")
    clone = place / "clone"
    git(clone, "checkout", "-q", "-b", "main")
    (clone / "file").write_text("0\n")
    git(clone, "add", "file")
    git(clone, "commit", "-qm", "first")
    git(clone, "push", "-q", "-u", "origin", "main")
    return clone
