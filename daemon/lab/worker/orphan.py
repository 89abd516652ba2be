"""An editing child that outlives its task: ``python -m daemon.lab.worker.orphan DIRECTORY PATH LINE``.

It stands for a coding agent whose parent was stopped (the defect orphan-children-keep-writing). It ends by itself.
"""

import subprocess
import sys
import threading
from pathlib import Path

from daemon.lab.worker.gitcli import Git

LATE_S = 4.0  # by then the next task has done the message


def leave(directory: Path, path: str, line: str) -> None:
    """Start the child in a session of its own, where the end of the task does not reach it."""
    child = subprocess.Popen(
        (sys.executable, "-m", "daemon.lab.worker.orphan", str(directory), path, line),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    # Somebody must collect it, should the task live longer.
    threading.Thread(target=child.wait, name="orphan", daemon=True).start()


def finish(directory: Path, path: str, line: str) -> None:
    """Write the line and commit it on whatever branch is checked out. Raises GitError or OSError."""
    with (directory / path).open("a", encoding="utf-8") as file:
        file.write(f"{line} (by the child)\n")
    git = Git(directory)
    git.run("add", "--", path)
    git.run("commit", "--quiet", "--no-verify", "--message", line[:72], "--", path)


if __name__ == "__main__":
    threading.Event().wait(LATE_S)
    finish(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
