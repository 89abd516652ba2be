"""Signals, waited for. Whichever thread the kernel hands one to, whoever waits here is woken at once."""

import os
import select
import signal
from collections.abc import Sequence
from types import TracebackType
from typing import Self


class Signals:
    """A context manager that takes note of signals, in order; ``wait`` returns them one by one.

    Python runs handlers in the main thread, but does not wake it from a lock for a signal that another thread took:
    a SIGTERM could stay unnoticed as long as the wait lasts. The wake-up pipe is written by the handler in C. After
    the block they stay without effect: the program is on its way out, and a second one must not cut that short.
    """

    def __init__(self, numbers: Sequence[int]) -> None:
        self._numbers = frozenset(numbers)

    def __enter__(self) -> Self:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for number in self._numbers:
            signal.signal(number, lambda _number, _frame: None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.set_wakeup_fd(-1)
        os.close(self._read)
        os.close(self._write)

    def wait(self, timeout_s: float) -> int | None:
        """Return the next signal that came, or None when the time is over, or another signal woke us."""
        if not select.select([self._read], [], [], timeout_s)[0]:
            return None
        (number,) = os.read(self._read, 1)
        return number if number in self._numbers else None


def terminal() -> bool:
    """Tell whether this process has a controlling terminal at the moment; one that was closed is none."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True
