"""Standard input, output and error: there for whoever starts us without one."""

import os
import sys


def occupy() -> None:
    """Open what is closed of the three on the null device; for the children as well.

    Else the next file opened (a lock, the audit log) would bear one of their numbers, and whoever writes to
    standard error, a guardian or git, would write into it. And an undo would end in a traceback for want of a
    place to say so.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest free number, so this one
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  for as long as the process
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
