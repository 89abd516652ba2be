"""The proxy's process: how it is started, found again, and ended."""

import os
import select
import signal
import subprocess
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from daemon.core.errors import ChaosdError
from daemon.core.settings import ProxySetting
from daemon.ports.guardian import interpreter

MODULE = "daemon.proxy"
START_S = 45.0  # a busy machine is slow to start a process
_SAID_MAX = 4096


def configuration(setting: ProxySetting) -> str:
    """Return what a running proxy must say of itself to be the one that is wanted."""
    its_own = replace(setting, start=True)  # whoever starts it, it is the same proxy
    return f"{version('chaosd')} {msgspec.json.encode(its_own).decode()}"


class ProxyProcess:
    """A proxy started by us: a child in a session of its own, which outlives us when we are killed."""

    def __init__(self, child: "subprocess.Popen[bytes]") -> None:
        self._child = child

    @property
    def pid(self) -> int:
        return self._child.pid

    def ended(self) -> int | None:
        """Return its exit code (negative: by that signal), None while it runs."""
        return self._child.poll()


def start(directory: Path, setting: ProxySetting, *, within_s: float = START_S) -> ProxyProcess:
    """Start one and wait until it listens; raises ChaosdError with its own words when it does not come up."""
    words = (*interpreter(MODULE), str(directory), msgspec.json.encode(setting).decode())
    reading, writing = os.pipe()
    try:
        child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=writing, start_new_session=True)
    except OSError as error:
        os.close(reading)
        raise ChaosdError(f"no proxy was started: {error.strerror}", hint="see that the system has room") from error
    finally:
        os.close(writing)
    try:
        ready, _, _ = select.select([reading], [], [], within_s)
        said = os.read(reading, _SAID_MAX) if ready else b""
    finally:
        os.close(reading)
    if said == b"ready\n":
        return ProxyProcess(child)
    with suppress(ProcessLookupError):
        child.kill()
    child.wait()
    text = said.decode("utf-8", "replace").strip() or f"it said nothing within {within_s:g} s"
    raise ChaosdError(f"the proxy did not come up: {text}", hint="`chaosd proxy` in a terminal says more")


def end(pid: int, *, within_s: float) -> bool:
    """End a proxy by its pid in good order, by force when that takes too long; False when it was gone already."""
    try:
        held = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        for number, wait_s in ((signal.SIGTERM, within_s), (signal.SIGKILL, 5.0)):
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(held, number)
            ready, _, _ = select.select([held], [], [], wait_s)
            if ready:
                break
    finally:
        os.close(held)
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    return True


def read(text: str) -> ProxySetting:
    """Read the setting that ``start`` gives its child; raises ValueError."""
    found: Any = msgspec.json.decode(text, type=ProxySetting)
    return found  # type: ignore[no-any-return]
