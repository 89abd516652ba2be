"""The proxy in an interpreter of its own: ``python -m daemon.proxy DIRECTORY SETTING``, as chaosd starts it.

One line on standard output says ``ready``, or why not; the log goes to standard error.
"""

import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from daemon.core.errors import ChaosdError
from daemon.ports import proxy_process
from daemon.proxy import process


def main(words: Sequence[str]) -> int:
    """Run until a signal; return the exit code."""
    directory, setting = words
    logging.basicConfig(level=logging.WARNING, format="chaosd proxy: %(levelname)s: %(message)s")
    try:
        wanted = proxy_process.read(setting)
        return process.run(Path(directory), wanted, started=lambda _: _say("ready"), kept=True)
    except ChaosdError as error:
        _say(str(error).replace("\n", " "))
        return error.exit_code


def _say(text: str) -> None:
    os.write(1, f"{text}\n".encode())
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)  # whoever started us reads one line, and waits for its end
    os.close(nothing)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
