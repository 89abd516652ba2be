"""Small processes of chaosd's own that hold something for a fault, found by the mark in their command line."""

import os
import select
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from daemon.core.errors import RefusedError, UndoFailedError
from daemon.core.seams import Clock, Process, ProcessTable

_PROGRAM = str(Path(__file__).with_name("holding.py"))
_PRESSING = str(Path(__file__).with_name("pressing.py"))
_PROGRAMS = {"memory": _PRESSING, "duty": _PRESSING}
_WORD = "chaosd-holder"
_READY_S, _END_S, _STEP_S = 30.0, 2.0, 0.02  # a busy machine is slow to start a process


class LocalHolders:
    """Implements ``Holders``. A holder is in a session of its own: no signal to chaosd's group reaches it."""

    def __init__(self, clock: Clock, processes: ProcessTable) -> None:
        self._clock = clock
        self._processes = processes

    def start(self, mark: str, what: str, arguments: Sequence[str], *, seconds: float) -> None:
        program = _PROGRAMS.get(what, _PROGRAM)
        command = [sys.executable, "-I", "-S", program, _WORD, mark, f"{seconds:g}", what, *arguments]
        reading, writing = os.pipe()
        try:
            null = os.open(os.devnull, os.O_RDWR)
            actions = [
                (os.POSIX_SPAWN_DUP2, null, 0),
                (os.POSIX_SPAWN_DUP2, writing, 1),
                (os.POSIX_SPAWN_DUP2, null, 2),
            ]
            os.posix_spawn(sys.executable, command, {"LC_ALL": "C"}, file_actions=actions, setsid=True)
            os.close(null)
            os.close(writing)
            writing = -1
            told, _, _ = select.select([reading], [], [], _READY_S)
            if not told or os.read(reading, 16) != b"ready\n":
                self.stop(mark)
                raise RefusedError(
                    f"not injected: a process that should hold {what} {' '.join(arguments)} could not",
                    rule="holder",
                    hint="the port, the file or the process is somebody else's, or gone; try again",
                )
        finally:
            os.close(reading)
            if writing >= 0:
                os.close(writing)

    def stop(self, mark: str) -> bool:
        # By the program's name: another installation of chaosd may have started it.
        programs = [f"/{Path(one).name} {_WORD} {mark} " for one in (_PROGRAM, _PRESSING)]
        running = self._processes.find(match=f"{_WORD} {mark} ")
        found = [p for p in running if any(program in p.command for program in programs)]
        for process in found:
            if not any(self._ended(process, number) for number in (signal.SIGTERM, signal.SIGKILL)):
                raise UndoFailedError(
                    f"not taken back: process {process.pid}, which holds for {mark}, does not end",
                    hint="end it by hand, then `chaosd recover`",
                )
        return bool(found)

    def _ended(self, process: Process, number: int) -> bool:
        """Send a signal and wait a while; tell whether the process is gone."""
        self._processes.signal(process, number)
        for _ in range(int(_END_S / _STEP_S)):
            with suppress(ChildProcessError):
                os.waitpid(process.pid, os.WNOHANG)
            if not self._processes.alive(process):
                return True
            self._clock.wait(None, _STEP_S)
        return False
