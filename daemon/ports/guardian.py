"""The guardian's two ends: how the daemon starts it and talks to it, and what it may do to processes itself.

Forked while the program is small and has one thread, so that starting it costs no interpreter; from a program with
threads a fresh interpreter is started instead. Two pipes: orders go down, one line each, one byte comes back for
each fault it has taken charge of. Whoever dies closes its ends, and the other sees it at once.
"""

import errno
import fcntl
import os
import select
import signal
import stat
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

ACKNOWLEDGED = b"\n"
_COMM = "chaosd-guardian"
_IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_FILES_MAX = 1 << 20
_LONGEST_S = 3600.0
_READ_BYTES = 1 << 16
_STOPPED = frozenset("Tt")


class Wire:
    """The daemon's ends. Nothing here waits for longer than it is told; raises OSError when the other is gone."""

    def __init__(self, orders: int, answers: int, pid: int) -> None:
        os.set_blocking(orders, False)
        os.set_blocking(answers, False)
        self._orders, self._answers, self.pid = orders, answers, pid
        self._ended = False

    def send(self, line: str) -> None:
        """Write one line; raises OSError when nobody reads it (any more, or fast enough)."""
        text = f"{line}\n".encode()
        if os.write(self._orders, text) != len(text):  # shorter than PIPE_BUF it is all or nothing
            raise OSError(errno.EAGAIN, "the guardian does not read its orders")

    def acknowledged(self, within_s: float) -> bool:
        """Wait for the answer to one order; False when none came in time. Raises OSError when the other is gone."""
        waiting = select.poll()
        waiting.register(self._answers, select.POLLIN)
        if not waiting.poll(within_s * 1000):
            return False
        if os.read(self._answers, 1) != ACKNOWLEDGED:
            raise BrokenPipeError(errno.EPIPE, "the guardian has ended")
        return True

    def forget_answers(self) -> None:
        """Throw away what came too late for who asked."""
        with suppress(BlockingIOError):
            while os.read(self._answers, _READ_BYTES):
                pass

    def broken(self) -> bool:
        """Tell whether the other end is gone."""
        if self._ended:
            return True
        ended = select.poll()
        ended.register(self._answers, 0)  # a hang-up is told unasked
        return bool(ended.poll(0))

    def end(self) -> None:
        """End the guardian at once, whatever it was told: somebody else takes over. Idempotent."""
        if not self._ended:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)  # our child, not waited for yet: the pid is still its own
            with suppress(ChildProcessError):
                os.waitpid(self.pid, 0)
        self.close()

    def dismiss(self) -> None:
        """End in good order: nothing that was tried and failed is tried once more now. Idempotent."""
        if not self._ended:
            with suppress(OSError):
                self.send("bye")
            self.close()

    def close(self) -> None:
        """Let go; the guardian sees it at once. Idempotent."""
        if not self._ended:
            self._ended = True
            os.close(self._orders)
            os.close(self._answers)


def start(watch: Callable[["Den"], int], words: Sequence[str]) -> Wire:
    """Start a guardian that runs ``watch``; where there are threads ``words`` start an interpreter that does.

    Raises OSError when the system has no room for another process.
    """
    down, up = _pipe(), _pipe()
    parent = os.getpid()
    if _one_thread():
        pid = os.fork()
        if not pid:
            _become(watch, down[0], up[1], parent)
    else:
        pid = _spawn_with(words, down[0], up[1], parent)
    os.close(down[0])
    os.close(up[1])
    return Wire(down[1], up[0], pid)


def _pipe() -> tuple[int, int]:
    """Make a pipe whose ends are no standard streams, though chaosd was started without some of those."""
    ends = os.pipe()
    low, high = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 3) for end in ends)
    for end in ends:
        os.close(end)
    return low, high


def _spawn_with(words: Sequence[str], orders: int, answers: int, parent: int) -> int:
    ends = (orders, answers)
    for end in ends:
        os.set_inheritable(end, True)
    try:
        command = [*words, *map(str, (*ends, parent))]
        return os.posix_spawn(command[0], command, os.environ)
    finally:
        for end in ends:
            os.set_inheritable(end, False)


def _one_thread() -> bool:
    try:
        return len(os.listdir("/proc/self/task")) == 1  # noqa: PTH208  Python knows not all threads
    except OSError:
        return threading.active_count() == 1


def _become(watch: Callable[["Den"], int], orders: int, answers: int, parent: int) -> NoReturn:
    code = 70
    try:
        code = watch(settled(orders, answers, parent))
    finally:
        os._exit(code)  # the parent's buffers and handlers are the parent's


def settled(orders: int, answers: int, parent: int) -> "Den":
    """Cut this process loose: a session of its own, no file of the parent's but stderr, no signal but SIGKILL."""
    with suppress(PermissionError):  # a fresh interpreter may lead a group already
        os.setsid()
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0, inheritable=True)
    os.dup2(nothing, 1, inheritable=True)
    low, high = sorted((orders, answers))
    for first, beyond in ((3, low), (low + 1, high), (high + 1, _FILES_MAX)):
        os.closerange(first, beyond)
    with suppress(OSError):
        Path("/proc/self/comm").write_text(_COMM)
    return Den(orders, answers, parent)


class Den:
    """The guardian's ends, and what it may do: read orders, look at the daemon, end it, start a reverter."""

    def __init__(self, orders: int, answers: int, parent: int) -> None:
        self._orders, self._answers, self._parent = orders, answers, parent
        self._rest = b""
        self._daemon = _hold(parent)

    def lines(self, within_s: float | None) -> list[str] | None:
        """Return the orders that came within the time (None: whenever they come); None when the daemon is gone."""
        waiting = select.poll()
        waiting.register(self._orders, select.POLLIN)
        # The system counts in milliseconds that must fit into 31 bits: 24 days.
        if not waiting.poll(None if within_s is None else min(max(0.0, within_s), _LONGEST_S) * 1000):
            return []
        found = os.read(self._orders, _READ_BYTES)
        if not found:
            return None
        *whole, self._rest = (self._rest + found).split(b"\n")
        return [line.decode() for line in whole]

    def acknowledge(self) -> None:
        with suppress(OSError):  # whoever asked has gone: the end of the orders says so next
            os.write(self._answers, ACKNOWLEDGED)

    def stopped(self) -> bool:
        """Tell whether the daemon is stopped (SIGSTOP, a debugger): then it does nothing, whatever it holds."""
        if os.getppid() != self._parent:
            return False
        try:
            state = Path(f"/proc/{self._parent}/stat").read_text().rpartition(")")[2].split()[0]
        except (OSError, IndexError):
            return False  # no /proc (macOS): then its silence must speak for itself
        return state in _STOPPED

    def kill(self) -> None:
        """End the daemon, and certainly no other process, now."""
        with suppress(ProcessLookupError):
            if self._daemon is not None:
                signal.pidfd_send_signal(self._daemon, signal.SIGKILL)
            elif os.getppid() == self._parent:
                os.kill(self._parent, signal.SIGKILL)

    def pause(self, seconds: float) -> None:
        """Do nothing for a while."""
        select.poll().poll(seconds * 1000)

    def spawn(self, words: Sequence[str], environment: Mapping[str, str]) -> int:
        """Start a process and return its pid."""
        return os.posix_spawn(words[0], list(words), {**os.environ, **environment})

    def ended(self, pid: int) -> int | None:
        """Return how a process started here ended (negative: by that signal), None while it runs."""
        found, status = os.waitpid(pid, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if found else None

    def end(self, pid: int) -> None:
        """Kill a process started here and wait until it is gone."""
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)

    def say(self, text: str) -> None:
        """Tell whoever reads the daemon's standard error."""
        with suppress(OSError):
            os.write(2, f"{text}\n".encode())

    def let_readers_go(self) -> None:
        """Say nothing more into a pipe: who reads it (``chaosd inject | tee``) waits for its end. Idempotent."""
        with suppress(OSError):  # started without a standard error
            if stat.S_ISFIFO(os.fstat(2).st_mode):
                os.dup2(0, 2, inheritable=True)  # /dev/null since ``settled``


def _hold(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except (OSError, AttributeError):  # an old kernel, or macOS: its being our parent must do
        return None


def interpreter(module: str) -> tuple[str, ...]:
    """Return the words that start a module of chaosd's in a fresh interpreter, whatever the directory holds."""
    return (sys.executable, "-P", "-m", module)
