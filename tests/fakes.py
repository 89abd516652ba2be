"""A world in memory: its clock jumps, its processes die and come back, and it may kill whoever touches it.

Everything is deterministic. ``FakeClock.wait`` takes no time; what is to happen meanwhile is scheduled with
``clock.at``. The AWS side lives in ``tests/fake_aws.py``.
"""

import heapq
import itertools
import signal
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from daemon.core.errors import TargetAbsentError, UnreachableError
from daemon.core.model import Instant
from daemon.core.seams import Completed, Flag, Process
from tests.fake_aws import FakeEcs, FakeLogs, FakeS3, FakeSqs

WAITS_MAX = 200_000  # a loop that waits more often than this waits for something that never comes


class FakeClock:
    """Time that passes only when somebody waits, at once, running on the way what was scheduled with ``at``."""

    def __init__(self, wall_s: float = 1_750_000_000.0, mono_s: float = 1000.0) -> None:
        self._wall_0, self._mono_0 = wall_s, mono_s
        self.elapsed_s = 0.0
        self.waits = 0
        self._order = itertools.count()
        self._agenda: list[tuple[float, int, Callable[[], object]]] = []

    def instant(self) -> Instant:
        return Instant(self._mono_0 + self.elapsed_s, self._wall_0 + self.elapsed_s)

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._wall_0 + self.elapsed_s, UTC)

    def at(self, after_s: float, action: Callable[[], object]) -> None:
        """Schedule ``action`` in ``after_s`` seconds from now."""
        heapq.heappush(self._agenda, (self.elapsed_s + after_s, next(self._order), action))

    def advance(self, seconds: float, flag: Flag | None = None) -> None:
        """Let time pass; stops at the moment an action sets the flag."""
        until_s = self.elapsed_s + max(0.0, seconds)
        while self._agenda and self._agenda[0][0] <= until_s:
            due_s, _, action = heapq.heappop(self._agenda)
            self.elapsed_s = max(self.elapsed_s, due_s)
            action()
            if flag is not None and flag.is_set():
                return
        self.elapsed_s = max(self.elapsed_s, until_s)

    def wait(self, flag: Flag | None, timeout_s: float) -> bool:
        self.waits += 1
        assert self.waits < WAITS_MAX, "waits forever"
        if flag is not None and flag.is_set():
            return True
        self.advance(timeout_s, flag)
        return flag is not None and flag.is_set()


class Switch:
    """A stop flag without threads."""

    def __init__(self, *, on: bool = False) -> None:
        self._on = on

    def set(self) -> None:
        self._on = True

    def is_set(self) -> bool:
        return self._on

    def wait(self, timeout: float | None = None) -> bool:
        raise AssertionError(f"wait {timeout} on the clock, not on the flag")


@dataclass
class _Life:
    """What the fake table knows of a process beyond its identity."""

    process: Process
    survives: frozenset[int] = frozenset()
    port: int | None = None
    restart_s: float | None = None
    dies_after_s: float = 0.0


class FakeProcesses:
    """A process table. Processes die of any signal they do not survive; supervised ones come back."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._lives: dict[int, _Life] = {}
        self._pids = itertools.count(100)
        self.pid_files: dict[str, int] = {}
        self.sent: list[tuple[int, int]] = []
        self.refuses: Exception | None = None

    def start(
        self,
        command: str,
        *,
        pid: int | None = None,
        group: int | None = None,
        port: int | None = None,
        survives: Iterable[int] = (),
        restart_s: float | None = None,
        dies_after_s: float = 0.0,
    ) -> Process:
        """Start a process; ``restart_s``: its supervisor's delay. ``dies_after_s``: how long it drains first."""
        number = next(self._pids) if pid is None else pid
        started_s = self._clock.instant().wall_s
        process = Process(pid=number, started_s=started_s, group=group or number, command=command)
        self._lives[number] = _Life(process, frozenset(survives), port, restart_s, dies_after_s)
        return process

    def die(self, process: Process) -> None:
        life = self._lives.get(process.pid)
        if life is None or life.process != process:
            return
        del self._lives[process.pid]
        if life.restart_s is not None:
            again = {"port": life.port, "survives": life.survives, "restart_s": life.restart_s}
            self._clock.at(life.restart_s, lambda: self.start(process.command, **again))

    def find(
        self, *, match: str | None = None, pid_file: str | None = None, port: int | None = None
    ) -> tuple[Process, ...]:
        kept = [
            life.process
            for pid, life in self._lives.items()
            if (match is None or match in life.process.command)
            and (pid_file is None or self.pid_files.get(pid_file) == pid)
            and (port is None or life.port == port)
        ]
        return tuple(sorted(kept, key=lambda p: (p.started_s, p.pid)))

    def alive(self, process: Process) -> bool:
        life = self._lives.get(process.pid)
        return life is not None and life.process.started_s == process.started_s

    def signal(self, process: Process, number: int, *, group: bool = False) -> bool:
        if self.refuses is not None:
            raise self.refuses
        if not self.alive(process):
            return False
        if number == 0:
            return True
        hit = [p for p in self.find() if p.group == process.group] if group else [process]
        for one in hit:
            self.sent.append((one.pid, number))
            life = self._lives[one.pid]
            if number in life.survives and number != signal.SIGKILL:
                continue
            if life.dies_after_s and number != signal.SIGKILL:
                self._clock.at(life.dies_after_s, lambda one=one: self.die(one))
            else:
                self.die(one)
        return True

    def state(self) -> list[str]:
        """Return the running commands: what must be back, whatever its pid."""
        return sorted(life.process.command for life in self._lives.values())


class FakeHttp:
    """Answers from a table."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, bytes]] = {}

    def get(self, url: str, *, timeout_s: float) -> tuple[int, bytes]:
        if url not in self.answers:
            raise UnreachableError(f"no answer from {url} within {timeout_s:g} s")
        return self.answers[url]


class FakeCommands:
    """Answers from a table keyed by the command's first word."""

    def __init__(self) -> None:
        self.answers: dict[str, Completed] = {}
        self.ran: list[tuple[str, ...]] = []

    def run(self, arguments: Sequence[str], *, timeout_s: float, **_: object) -> Completed:
        self.ran.append(tuple(arguments))
        if arguments[0] not in self.answers:
            raise TargetAbsentError(f"not run: {arguments[0]} cannot be started in {timeout_s:g} s")
        return self.answers[arguments[0]]


class FakeHolders:
    """Holders that are only remembered."""

    def __init__(self) -> None:
        self.running: dict[str, tuple[str, ...]] = {}

    def start(self, mark: str, what: str, arguments: Sequence[str], *, seconds: float) -> None:
        assert seconds > 0
        self.running[mark] = (what, *arguments)

    def stop(self, mark: str) -> bool:
        return self.running.pop(mark, None) is not None


class FakeWorld:
    """All ports. Files and git are the real ones, in the test's own directory, when a test gives them."""

    def __init__(self, private: str, *, files: Any = None, git: Any = None, clock: Any = None) -> None:
        self.clock = clock or FakeClock()
        self.files, self.git = files, git
        self.processes = FakeProcesses(self.clock)
        self.ecs, self.sqs = FakeEcs(self.clock), FakeSqs(self.clock)
        self.s3, self.logs = FakeS3(self.clock), FakeLogs()
        self.http, self.commands = FakeHttp(), FakeCommands()
        self.holders = FakeHolders()
        self.events: Any = None  # the real ones, when a test gives them
        self.private = private
        self.boot = "boot-1"
        self.own_task = ""

    def cut(self, *ports: str) -> None:
        """Make every call on these ports raise UnreachableError."""
        for port in ports:
            setattr(self, port, _Silent(port))


class _Silent:
    """A port nobody answers on."""

    def __init__(self, port: str) -> None:
        self._port = port

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*_: object, **__: object) -> Any:
            raise UnreachableError(f"{self._port}.{name}: no answer")

        return call


class Death(BaseException):
    """The program was killed here."""


_READS = "cat-file diff-tree for-each-ref fsck log ls-files rev-list rev-parse show show-ref status symbolic-ref"
READS_OF_GIT = frozenset(_READS.split())
READS: Mapping[str, frozenset[str]] = {
    "files": frozenset({"lstat", "resolve", "read", "names", "glob", "link_target", "free_bytes"}),
    "holders": frozenset(),
    "processes": frozenset({"find", "alive"}),
    "git": frozenset(),
    "ecs": frozenset({"service", "tasks"}),
    "sqs": frozenset({"facts", "tags", "state", "messages"}),
    "commands": frozenset(),
}


@dataclass
class Mortal:
    """A world that kills its user at the n-th moment: each side effect has one moment before and one after it.

    With ``dies_at`` 0 it only counts: ``moments`` says how many there were and ``effects`` which calls.
    """

    world: Any
    dies_at: int = 0
    moments: int = 0
    effects: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __getattr__(self, name: str) -> Any:
        part = getattr(self.world, name)
        return _Deadly(part, name, self) if name in READS else part

    def moment(self) -> None:
        """Count; from the fatal moment on nobody, no other thread either, does anything more."""
        with self._lock:
            self.moments += 1
            if 0 < self.dies_at <= self.moments:
                raise Death


class _Deadly:
    def __init__(self, part: Any, port: str, mortal: Mortal) -> None:
        self._part, self._port, self._mortal = part, port, mortal

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._part, name)
        if name in READS[self._port]:
            return real

        def call(*arguments: Any, **named: Any) -> Any:
            if _only_looks(self._port, self._mortal.world.private, arguments):
                return real(*arguments, **named)
            self._mortal.moment()
            self._mortal.effects.append(f"{self._port}.{name}")
            answer = real(*arguments, **named)
            self._mortal.moment()
            return answer

        return call


def _only_looks(port: str, private: str, arguments: tuple[Any, ...]) -> bool:
    """Signal 0 makes only the checks, most git commands only read, and what is chaosd's own is its own."""
    if port == "processes":
        return bool(arguments[1] == 0)
    if port == "git":
        words = [a for a in arguments[1:] if not a.startswith("-") and "=" not in a]
        own = str(arguments[0]).startswith(private)
        return own or not words or words[0] in READS_OF_GIT or tuple(arguments[1:3]) == ("config", "--get")
    return False
