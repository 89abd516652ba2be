"""Attending a running daemon: signals are answered, what could not be undone is tried again, until one ends it.

The watchdog is fed from here, where signals are waited for, and only while every main part shows that it moves: a
thread of its own would feed it for a daemon that hangs.
"""

import signal
import threading
from collections.abc import Callable
from typing import Protocol

from daemon.core.errors import ConfigError
from daemon.core.seams import Clock
from daemon.core.settings import Settings
from daemon.ports.signals import Signals, terminal
from daemon.ports.supervisor import Supervisor

RETRY_S = 30.0
END = (signal.SIGTERM, signal.SIGINT)
HALT = signal.SIGUSR1
RELOAD = signal.SIGHUP
WATCHED = (*END, HALT, RELOAD)
FEEDS = 4  # times in the watchdog's interval: one that a busy machine delays does no harm


class Attended(Protocol):
    """What the signals of a daemon do, and how it is."""

    @property
    def retries(self) -> "Retries":
        """Return who tries again what could not be undone."""
        ...

    def halt(self, reason: str) -> None: ...
    def reload(self) -> Settings: ...
    def tell(self) -> None:
        """Tell systemd what is going on, if that is news."""
        ...

    def ailing(self) -> tuple[str, ...]:
        """Return which parts do not move any more, those that undo among them, and why one thinks so."""
        ...

    def stuck(self, parts: tuple[str, ...]) -> None:
        """Tell that the watchdog is not fed, and why."""
        ...


class Retries:
    """Tries again what could not be undone, in a thread of its own: an undo may wait for half an hour.

    ``most_s`` is asked before each try how long it may take at most.
    """

    def __init__(self, retry: Callable[[float], float], most_s: Callable[[], float], clock: Clock) -> None:
        self._retry, self._most_s, self._clock = retry, most_s, clock
        self._allowed_s = 0.0
        self._pause_s = RETRY_S
        self._thread: threading.Thread | None = None
        self._from_s = clock.instant().mono_s

    def poll(self) -> float:
        """Begin another try when one is due; return the seconds until there is something to do."""
        if self._thread is not None:
            if self._thread.is_alive():
                return RETRY_S
            self._thread, self._from_s = None, self._clock.instant().mono_s
        left_s = self._from_s + self._pause_s - self._clock.instant().mono_s
        if left_s > 0:
            return left_s
        self._allowed_s = self._most_s()
        self._from_s = self._clock.instant().mono_s
        self._thread = threading.Thread(target=self._try, name="retry", daemon=True)
        self._thread.start()
        return RETRY_S

    def ailing(self) -> tuple[str, ...]:
        """Tell of a try that takes longer than what it takes back may take."""
        tried_s = self._clock.instant().mono_s - self._from_s
        if self._thread is None or not self._thread.is_alive() or tried_s < self._allowed_s:
            return ()
        return (f"undoing has taken {tried_s:.0f} s",)

    def _try(self) -> None:
        self._pause_s = self._retry(self._pause_s)


def attend(
    daemon: Attended,
    signals: Signals,
    supervisor: Supervisor,
    *,
    in_terminal: bool,
    has_terminal: Callable[[], bool] = terminal,
) -> int:
    """Retry what could not be undone, halt and reload when told to, until a signal to end; return which.

    SIGHUP asks for a reload, unless it says that the terminal we were started from (``in_terminal``) is gone.
    """
    feed_s = supervisor.watchdog_s / FEEDS if supervisor.watchdog_s else RETRY_S
    while True:
        number = signals.wait(min(daemon.retries.poll(), feed_s))
        if number == HALT:
            daemon.halt(f"{signal.Signals(number).name} received")
        elif number == RELOAD and not (in_terminal and not has_terminal()):
            _reload(daemon)
        elif number is not None:
            return number
        daemon.tell()
        if supervisor.watchdog_s:
            _feed(daemon, supervisor)


def _feed(daemon: Attended, supervisor: Supervisor) -> None:
    ailing = daemon.ailing()
    if ailing:
        daemon.stuck(ailing)
    else:
        supervisor.alive()


def _reload(daemon: Attended) -> None:
    try:
        daemon.reload()
    except ConfigError:
        return  # the daemon has told log, metrics and systemd, and goes on as it was
