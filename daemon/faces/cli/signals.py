"""Signals that only take note: what must be undone is undone in the main thread, and no second signal skips it."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(slots=True)
class Caught:
    """The signals that came, in order."""

    numbers: list[int] = field(default_factory=list)

    @property
    def reason(self) -> str:
        """Return why to stop, or nothing when no signal came."""
        return f"{signal.Signals(self.numbers[0]).name} received" if self.numbers else ""

    def exit_code(self, otherwise: int) -> int:
        """Return 128 + the first signal, or ``otherwise`` when none came."""
        return 128 + self.numbers[0] if self.numbers else otherwise


@contextmanager
def noted(then: Callable[[], None] | None = None) -> Iterator[Caught]:
    """Take note of SIGINT, SIGTERM and SIGHUP while the block runs; ``then`` is called at each, in the main thread.

    A signal that was ignored before (``nohup``) stays ignored.
    """
    caught = Caught()

    def note(number: int, _: FrameType | None) -> None:
        caught.numbers.append(number)
        if then is not None:
            then()

    watched = [n for n in WATCHED if signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, note) for number in watched}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
