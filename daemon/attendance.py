"""Attending a running daemon: signals are answered, what could not be undone is tried again, until one ends it."""

import signal
from collections.abc import Callable
from typing import Protocol

from daemon.core.errors import ConfigError
from daemon.core.settings import Settings
from daemon.ports.signals import Signals, terminal

RETRY_S = 30.0
END = (signal.SIGTERM, signal.SIGINT)
HALT = signal.SIGUSR1
RELOAD = signal.SIGHUP
WATCHED = (*END, HALT, RELOAD)


class Attended(Protocol):
    """What the signals of a daemon do."""

    def retry(self, waited_s: float) -> float: ...
    def halt(self, reason: str) -> None: ...
    def reload(self) -> Settings: ...


def attend(daemon: Attended, signals: Signals, *, has_terminal: Callable[[], bool] = terminal) -> int:
    """Retry what could not be undone, halt and reload when told to, until a signal to end; return which.

    SIGHUP asks for a reload, unless it says that the terminal we were started from is gone.
    """
    in_terminal = has_terminal()
    pause_s = RETRY_S
    while True:
        number = signals.wait(pause_s)
        if number is None:
            pause_s = daemon.retry(pause_s)
        elif number == HALT:
            daemon.halt(f"{signal.Signals(number).name} received")
        elif number == RELOAD and not (in_terminal and not has_terminal()):
            _reload(daemon)
        else:
            return number


def _reload(daemon: Attended) -> None:
    try:
        daemon.reload()
    except ConfigError:
        return  # the daemon has told log and metrics, and goes on as it was
