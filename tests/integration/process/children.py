"""Real child processes for tests: each says when it is ready, and none outlives its test."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from daemon.ports.clock import SystemClock

READY_S = 20.0

# A shell ignores SIGINT for what it runs in the background, and its children inherit that.
SLEEPER = """\
import signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)
print('ready', flush=True)
time.sleep(600)
"""
STUBBORN = (
    "import signal, time; [signal.signal(s, lambda *_: None) for s in (signal.SIGINT, signal.SIGTERM)];"
    "print('ready', flush=True)\nwhile True: time.sleep(600)"
)
LISTENER = (
    "import socket, time; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True);"
    "time.sleep(600)"
)
FAMILY = (  # the child says its pid itself: its parent hears of its start before it has its command line
    "import subprocess, sys, time; nap = 'import os, time; print(os.getpid(), flush=True); time.sleep(600)';"
    "p = subprocess.Popen([sys.executable, '-c', nap, *sys.argv[1:]]); time.sleep(600)"
)
NAMELESS = (  # its child has an empty command line for good, as every program has for a moment while it starts
    "import subprocess, time; p = subprocess.Popen([''], executable='/bin/cat', stdin=subprocess.PIPE);"
    "print(p.pid, flush=True); time.sleep(600)"
)
FORKED = (  # the child is no other program yet, as between fork and exec
    "import os, time; child = os.fork(); child and print(child, flush=True); time.sleep(600)"
)
STUBBORN_FAMILY = (  # the leader dies of SIGTERM, its child does not, and says when it is ready
    f"import subprocess, sys, time; nap = {STUBBORN!r};"
    "p = subprocess.Popen([sys.executable, '-c', nap, *sys.argv[1:]]); time.sleep(600)"
)


def until(condition: Callable[[], bool], timeout_s: float = 10.0) -> bool:
    """Wait until the condition holds, for what the kernel does in its own time; False when it never does."""
    clock = SystemClock()
    deadline_s = clock.instant().mono_s + timeout_s
    while not condition():
        if clock.instant().mono_s > deadline_s:
            return False
        clock.wait(None, 0.01)
    return True


class Child:
    """A running child; ``said`` is its first line."""

    def __init__(self, program: str, mark: str, *, own_group: bool = True) -> None:
        self.mark = mark
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, mark], stdout=subprocess.PIPE, text=True, start_new_session=own_group
        )
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], READY_S)
        assert ready, "the child did not start"
        self.said = self.process.stdout.readline().strip()

    @property
    def pid(self) -> int:
        return self.process.pid

    def ended(self, timeout_s: float = 10.0) -> int:
        """Wait for the end and return the exit code; raises TimeoutExpired."""
        return self.process.wait(timeout_s)

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        if self.process.stdout is not None:
            self.process.stdout.close()


@contextmanager
def child(program: str, mark: str, *, own_group: bool = True) -> Iterator[Child]:
    made = Child(program, mark, own_group=own_group)
    try:
        yield made
    finally:
        if own_group and made.process.poll() is None:
            os.killpg(made.pid, signal.SIGKILL)
        made.kill()
