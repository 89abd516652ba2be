"""Become another command, tied to the life of the parent: ``python -I -S tether.py PARENT_PID COMMAND...``.

The lab's supervisor may be killed with SIGKILL, and then cannot end its children. So every child starts as this
program, which asks the kernel for a SIGKILL at the parent's death and then *becomes* the command: same pid, same
command line as if it had been started directly. Only Linux can do that; elsewhere the next ``up`` or ``down``
finds the leftovers through ``processes.json``.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(argv: list[str]) -> None:
    """Tie this process to ``argv[1]`` (a pid) and exec ``argv[2:]``.

    The kernel watches the *thread* that started us, so the starter must be a thread that lives on.
    """
    parent, command = int(argv[1]), argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before we asked
        sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606 - an argument list; no shell is wanted here


if __name__ == "__main__":
    main(sys.argv)
