"""Signals that only take note: what must be undone is undone in the main thread, and no second signal skips it."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

HALT = signal.SIGUSR1
WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, HALT)


@dataclass(slots=True)
class Caught:
    """The signals that came, in order. ``halted``: SIGUSR1 came, where it was asked to be a halt."""

    numbers: list[int] = field(default_factory=list)
    halted: bool = False

    @property
    def reason(self) -> str:
        """Return why to stop, or nothing when no signal came."""
        return f"{signal.Signals(self.numbers[0]).name} received" if self.numbers else ""

    def exit_code(self, otherwise: int) -> int:
        """Return 128 + the first signal, or ``otherwise`` when none came."""
        return 128 + self.numbers[0] if self.numbers else otherwise


@contextmanager
def noted(then: Callable[[], None] | None = None, *, halting: bool = False) -> Iterator[Caught]:
    """Take note of SIGINT, SIGTERM and SIGHUP while the block runs; ``then`` is called at each, in the main thread.

    SIGUSR1, which halts the daemon, ends the others too and must not do so without an undo: with ``halting`` it is
    noted apart, else like the others.
    A SIGHUP that was ignored before (``nohup``) stays ignored. The others do not: a shell ignores SIGINT for what
    it runs in the background, but whoever sends it to a program that breaks things wants that to end.
    """
    caught = Caught()

    def note(number: int, _: FrameType | None) -> None:
        if halting and number == HALT:
            caught.halted = True
            return
        caught.numbers.append(number)
        if then is not None:
            then()

    watched = [n for n in WATCHED if n != signal.SIGHUP or signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, note) for number in watched}
    try:
        yield caught
    finally:
        # After the first signal the program is on its way out; another one must not cut its last words off.
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if caught.numbers or caught.halted else handler)


class SignalError(BaseException):
    """A signal ended what may simply be broken off (exit 128 + its number).

    Like KeyboardInterrupt no Exception: whoever takes an error for an answer must not swallow it.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"{signal.Signals(number).name} received")
        self.exit_code = 128 + number


@dataclass(slots=True)
class Fuse:
    """Decides what a signal does: raise SignalError, once, while armed; else it is only noted."""

    caught: Caught
    armed: bool = True

    def blow(self) -> None:
        """Raise for the first signal when armed; disarms, so that cleaning up is not disturbed."""
        if self.armed:
            self.armed = False
            raise SignalError(self.caught.numbers[0])

    def arm(self) -> None:
        """Let signals break off what follows; at once for one that came meanwhile."""
        self.armed = True
        if self.caught.numbers:
            self.blow()


@contextmanager
def interruptible() -> Iterator[Fuse]:
    """Raise SignalError in the block at the first signal; the cleaning up that follows is not disturbed."""
    fuse: list[Fuse] = []
    with noted(lambda: fuse[0].blow() if fuse else None) as caught:
        fuse.append(Fuse(caught))
        fuse[0].arm()
        yield fuse[0]
