"""What systemd is told about this service, and what it asks of it: the protocol of sd_notify(3).

docs/decisions/016-the-notify-protocol.md says why these lines are our own.
"""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress

from daemon.ports.clock import monotonic_us

STATUS_MOST = 1000  # characters; systemd shows one line


class Supervisor:
    """Tells systemd how we are; does nothing where none listens. Never raises, never waits: none of it may matter.

    Made once from the environment of a process that systemd started; ``watchdog_s`` is within which time ``alive``
    must come again and again, None where nobody waits for it.
    """

    def __init__(self, environment: Mapping[str, str], *, pid: int | None = None) -> None:
        name = environment.get("NOTIFY_SOCKET", "")
        self._address = f"\0{name[1:]}" if name.startswith("@") else name
        if not name.startswith(("/", "@")) or len(name) == 1:  # a virtual machine's vsock, or nonsense
            self._address = ""
        self.watchdog_s = _watchdog_s(environment, os.getpid() if pid is None else pid) if self._address else None

    def ready(self, status: str) -> None:
        """Say that starting or reloading is over."""
        self._tell("READY=1", _status(status))

    def status(self, status: str) -> None:
        """Say in one line what is going on."""
        self._tell(_status(status))

    def reloading(self) -> None:
        """Say that a reload has begun; ``ready`` says that it is over, whatever became of it."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={monotonic_us()}")

    def stopping(self, status: str) -> None:
        """Say that the end has begun."""
        self._tell("STOPPING=1", _status(status))

    def alive(self) -> None:
        """Feed the watchdog."""
        self._tell("WATCHDOG=1")

    def extend(self, seconds: float) -> None:
        """Ask for that much time from now for what is going on: a start, a stop, an undo after the end."""
        self._tell(f"EXTEND_TIMEOUT_USEC={round(seconds * 1e6)}")

    def _tell(self, *lines: str) -> None:
        if not self._address:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.setblocking(False)
            channel.sendto("\n".join(lines).encode(), self._address)


def _status(text: str) -> str:
    return f"STATUS={' '.join(text.split())[:STATUS_MOST]}"


def _watchdog_s(environment: Mapping[str, str], pid: int) -> float | None:
    """Return the watchdog's time; None when it is not set, makes no sense, or is meant for another process."""
    if environment.get("WATCHDOG_PID", str(pid)) != str(pid):
        return None
    text = environment.get("WATCHDOG_USEC", "")
    return int(text) / 1e6 if text.isascii() and text.isdigit() and int(text) else None
