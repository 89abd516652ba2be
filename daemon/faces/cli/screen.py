"""A terminal held open: its own screen, one key, a new size at once, and left as it was found."""

import os
import select
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from rich.console import Console, RenderableType
from rich.live import Live

from daemon.core.seams import Clock

QUIT = (b"q", b"Q")


def hold(
    console: Console,
    clock: Clock,
    every_s: float,
    *,
    refresh: Callable[[], None],
    draw: Callable[[], RenderableType],
) -> None:
    """Show what ``draw`` returns until `q`; ``refresh`` comes before it every ``every_s`` seconds.

    A new size is drawn at once, without a refresh. Whatever ends it, the terminal gets its screen and modes back.
    """
    with _sized() as resized, _keys() as keyboard:
        refresh()
        with Live(draw(), console=console, screen=True, auto_refresh=False) as live:
            while True:
                if _quits(clock, every_s, resized, keyboard, lambda: live.update(draw(), refresh=True)):
                    return
                refresh()
                live.update(draw(), refresh=True)


def _quits(clock: Clock, every_s: float, resized: int, keyboard: int | None, redraw: Callable[[], None]) -> bool:
    """Wait ``every_s`` seconds, redrawing at each new size; True when the key to quit came."""
    until_s = clock.instant().mono_s + every_s
    watched = [resized, *([keyboard] if keyboard is not None else [])]
    while (left_s := until_s - clock.instant().mono_s) > 0:
        ready, _, _ = select.select(watched, [], [], left_s)
        if resized in ready:
            os.read(resized, 1024)
            redraw()
        if keyboard is not None and keyboard in ready:
            pressed = os.read(keyboard, 1024)
            if not pressed:  # the terminal is gone
                return True
            if any(key in pressed for key in QUIT):
                return True
    return False


@contextmanager
def _sized() -> Iterator[int]:
    """Yield a descriptor that becomes readable when the terminal changes its size.

    A handler may run at any moment, even while a lock is held: writing a byte is all that is safe in it.
    """
    told, telling = os.pipe()
    os.set_blocking(telling, False)  # a full pipe has been told already

    def tell(_number: int, _frame: FrameType | None) -> None:
        try:
            os.write(telling, b"s")
        except BlockingIOError:
            return

    before = signal.signal(signal.SIGWINCH, tell)
    try:
        yield told
    finally:
        signal.signal(signal.SIGWINCH, before)
        os.close(telling)
        os.close(told)


@contextmanager
def _keys() -> Iterator[int | None]:
    """Yield a descriptor that gives keys as they are pressed, unechoed; None when no keyboard is ours to read."""
    import termios
    import tty

    try:
        keyboard = sys.stdin.fileno()
        ours = os.isatty(keyboard) and os.tcgetpgrp(keyboard) == os.getpgrp()
    except (OSError, ValueError):  # closed, or no file
        ours = False
    if not ours:
        yield None
        return
    before = termios.tcgetattr(keyboard)
    try:
        tty.setcbreak(keyboard, termios.TCSANOW)  # Ctrl-C stays a signal
        yield keyboard
    finally:
        termios.tcsetattr(keyboard, termios.TCSANOW, before)
