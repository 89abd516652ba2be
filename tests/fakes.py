"""A world in memory: its clock jumps, its processes die and come back, and it may kill whoever touches it.

Everything is deterministic. ``FakeClock.wait`` takes no time; what is to happen meanwhile is scheduled with
``clock.at``. The AWS side lives in ``tests/fake_aws.py`` and ``tests/fake_ecs.py``.
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
from daemon.core.processes import STOPPED, OpenFiles
from daemon.core.proxying import Hits, ProxyFacts, Rule
from daemon.core.seams import Completed, Flag, Process
from tests.fake_aws import FakeLogs, FakeS3, FakeSqs
from tests.fake_ecs import FakeEcs
from tests.fake_kernel import FakeCgroups

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
    parent: int = 0
    letter: str = "S"
    soft: int = 1024
    opened: frozenset[int] = frozenset(range(10))
    variables: Mapping[str, str] = field(default_factory=dict)


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
        parent: int = 0,
        variables: Mapping[str, str] | None = None,
    ) -> Process:
        """Start a process; ``restart_s``: its supervisor's delay. ``dies_after_s``: how long it drains first."""
        number = next(self._pids) if pid is None else pid
        started_s = self._clock.instant().wall_s
        process = Process(pid=number, started_s=started_s, group=group or number, command=command)
        life = _Life(process, frozenset(survives), port, restart_s, dies_after_s, parent)
        if parent in self._lives:
            life.soft = self._lives[parent].soft  # inherited, as every limit
        life.variables = variables or {}
        self._lives[number] = life
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

    def children(self, process: Process) -> tuple[Process, ...]:
        if not self.alive(process):
            return ()
        direct = [life.process for life in self._lives.values() if life.parent == process.pid]
        below = [p for one in direct for p in (one, *self.children(one))]
        return tuple(sorted(below, key=lambda p: (p.started_s, p.pid)))

    def state(self, process: Process) -> str:
        return self._lives[process.pid].letter if self.alive(process) else ""

    def variable(self, process: Process, name: str) -> str | None:
        return self._lives[process.pid].variables.get(name) if self.alive(process) else None

    def open_files(self, process: Process) -> OpenFiles | None:
        if not self.alive(process):
            return None
        life = self._lives[process.pid]
        return OpenFiles(numbers=life.opened, soft=life.soft, hard=4096)

    def limit_files(self, process: Process, soft: int, *, was: int) -> bool:
        if self.refuses is not None:
            raise self.refuses
        if not self.alive(process) or self._lives[process.pid].soft != was:
            return False
        self._lives[process.pid].soft = soft
        return True

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
            if number in (signal.SIGSTOP, signal.SIGCONT):
                life.letter = "T" if number == signal.SIGSTOP else "S"
                continue
            if number in life.survives and number != signal.SIGKILL:
                continue
            if life.dies_after_s and number != signal.SIGKILL:
                self._clock.at(life.dies_after_s, lambda one=one: self.die(one))
            else:
                self.die(one)
        return True

    def present(self) -> list[tuple[str, bool, int]]:
        """Return the commands, whether they are stopped, and their limits: what must be back, whatever its pid."""
        lives = self._lives.values()
        return sorted((life.process.command, life.letter in STOPPED, life.soft) for life in lives)


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
    """Holders that are only remembered; one that slows processes leaves them stopped as it dies: the worst end."""

    def __init__(self, processes: FakeProcesses | None = None) -> None:
        self._processes = processes
        self.running: dict[str, tuple[str, ...]] = {}

    def start(self, mark: str, what: str, arguments: Sequence[str], *, seconds: float) -> None:
        assert seconds > 0
        self.running[mark] = (what, *arguments)
        if what == "duty" and self._processes is not None:
            whom = {int(one.split(":")[0]) for one in arguments[2:]}
            for process in self._processes.find():
                if process.pid in whom:
                    self._processes.signal(process, signal.SIGSTOP)

    def stop(self, mark: str) -> bool:
        return self.running.pop(mark, None) is not None


class FakeProxy:
    """A proxy whose rules are only remembered; one that has stopped (``runs``) keeps them on its disk."""

    def __init__(self) -> None:
        self.runs = True
        self.began_s = 0.0
        self.lanes = {"aws": "http://127.0.0.1:4566", "origin": "127.0.0.1:9419"}
        self.on_disk: dict[str, Rule] = {}

    def facts(self) -> ProxyFacts:
        if not self.runs:
            raise TargetAbsentError("nothing asked: no proxy runs")
        return ProxyFacts(
            pid=1, lanes=self.lanes, rules={name: Hits() for name in self.on_disk}, began_s=self.began_s
        )

    def rule(self, injection: str) -> Rule | None:
        return self.on_disk.get(injection)

    def put(self, rule: Rule) -> None:
        self.facts()
        self.on_disk[rule.injection] = rule

    def drop(self, injection: str) -> Hits | None:
        dropped = self.on_disk.pop(injection, None)
        return Hits(matched=3, calls=2, tries=5) if self.runs and dropped else None


class FakeWorld:
    """All ports. Files and git are the real ones, in the test's own directory, when a test gives them."""

    def __init__(self, private: str, *, files: Any = None, git: Any = None, clock: Any = None) -> None:
        self.clock = clock or FakeClock()
        self.files, self.git = files, git
        self.processes = FakeProcesses(self.clock)
        self.ecs, self.sqs = FakeEcs(self.clock), FakeSqs(self.clock)
        self.s3, self.logs = FakeS3(self.clock), FakeLogs()
        self.http, self.commands = FakeHttp(), FakeCommands()
        self.holders = FakeHolders(self.processes)
        self.cgroups = FakeCgroups(lambda: {p.pid for p in self.processes.find()})
        self.proxy = FakeProxy()
        self.agent: Any = None  # of an ECS task, and the names of hosts, when a test gives them
        self.names: Any = None
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
LOOKS = frozenset({"--check", "list", "show"})  # words that make a command of nft, tc or ip a look
READS: Mapping[str, frozenset[str]] = {
    "files": frozenset({"lstat", "resolve", "read", "names", "glob", "link_target", "free_bytes", "room"}),
    "holders": frozenset(),
    "processes": frozenset({"find", "alive", "children", "state", "variable", "open_files"}),
    "cgroups": frozenset({"memory", "of", "device", "writable", "read", "members"}),
    "git": frozenset(),
    "ecs": frozenset({"service", "tasks", "instances"}),
    "sqs": frozenset({"facts", "tags", "state", "messages", "receives", "hidden"}),
    "commands": frozenset(),
    "agent": frozenset({"task", "running"}),
    "proxy": frozenset({"facts", "rule"}),
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
        if name in READS[self._port] or not callable(real):
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
        return bool(arguments[1] == 0)  # of limit_files as well: nobody sets a limit of 0
    if port == "git":
        words = [a for a in arguments[1:] if not a.startswith("-") and "=" not in a]
        own = str(arguments[0]).startswith(private)
        return own or not words or words[0] in READS_OF_GIT or tuple(arguments[1:3]) == ("config", "--get")
    if port == "commands":
        # What is made in a namespace that ends with the command is made nowhere.
        return bool(LOOKS.intersection(arguments[0])) or arguments[0][0] == "unshare"
    return False
