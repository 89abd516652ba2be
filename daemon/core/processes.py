"""Processes as a seam: other people's, and chaosd's own small ones. ``daemon.core.seams`` passes these names on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

STOPPED = frozenset("Tt")
"""The states of ``ProcessTable.state`` in which a process goes on only when somebody lets it: stopped, traced."""
UNLIMITED = -1
"""A limit that is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process that cannot be mistaken for another: ``started_s`` (epoch) tells a reused pid apart."""

    pid: int
    started_s: float
    group: int
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A process, and what it was started with word by word: a word may hold spaces."""

    process: Process
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenFiles:
    """What a process has open, by number, and how far the numbers may go: below ``soft``, which ``hard`` bounds."""

    numbers: frozenset[int]
    soft: int
    hard: int

    def limit_with(self, spare: int) -> int:
        """Return the soft limit under which exactly ``spare`` more can be opened.

        The kernel gives out the lowest number that is free and compares the number, not how many are open.
        """
        number = -1
        for _ in range(spare + 1):
            number += 1
            while number in self.numbers:
                number += 1
        return number


class ProcessTable(Protocol):
    """Local processes. Never finds chaosd itself, its parents, or pid 1."""

    def find(
        self, *, match: str | None = None, pid_file: str | None = None, port: int | None = None
    ) -> tuple[Process, ...]:
        """Return the processes that fit every criterion given, oldest first."""
        ...

    def commands(self, name: str, *, below: Sequence[str]) -> Iterator[Command]:
        """Yield the processes of a program that work below one of the directories, newest first, without delay.

        Where a process of another user works may be hidden from us: it is yielded all the same.
        """
        ...

    def children(self, process: Process) -> tuple[Process, ...]:
        """Return all that descend from exactly this process, oldest first; those of dead parents are lost."""
        ...

    def alive(self, process: Process) -> bool:
        """Tell whether exactly this process (pid and start time) still runs; a zombie does not."""
        ...

    def state(self, process: Process) -> str:
        """Return the kernel's letter for what it does (``R``, ``S``, ``T`` ...); empty when it is gone."""
        ...

    def variable(self, process: Process, name: str) -> str | None:
        """Return one variable of the environment it was started with; None when it has none or is gone.

        Raises RefusedError without permission.
        """
        ...

    def open_files(self, process: Process) -> OpenFiles | None:
        """Return what it has open, and its limit; None when it is gone. Raises RefusedError without permission."""
        ...

    def limit_files(self, process: Process, soft: int, *, was: int) -> bool:
        """Set the soft limit of its open files; False, and nothing is touched, when it is gone or not at ``was``.

        Raises RefusedError without permission.
        """
        ...

    def signal(self, process: Process, number: int, *, group: bool = False) -> bool:
        """Send a signal to exactly this process (pidfd where the kernel has it), or to its group.

        False when it is gone. Raises RefusedError without permission, or when the group is our own.
        """
        ...


class Holders(Protocol):
    """Small processes of chaosd's own that hold something for a fault: a file, a bad port, memory, a process."""

    def start(self, mark: str, what: str, arguments: Sequence[str], *, seconds: float) -> None:
        """Start one and wait until it holds; it ends by itself after ``seconds``, whatever becomes of chaosd.

        ``mark`` stands in its command line. Raises RefusedError when it cannot hold what it should.
        """
        ...

    def stop(self, mark: str) -> bool:
        """End every process that bears the mark, and wait until it is gone; False when there was none."""
        ...
