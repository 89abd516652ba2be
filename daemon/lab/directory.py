"""The lab's directory: claimed before anything is written, removed only when it is ours."""

import shutil
from pathlib import Path

from daemon.lab.errors import LabError

INFO, PROCESSES, LOCK, MARKER = "lab.json", "processes.json", "lab.lock", ".chaosd-lab"


def claim_directory(directory: Path) -> None:
    """Make the lab's directory and mark it as ours. Raises LabError for a directory with somebody else's files."""
    if not directory.is_absolute():
        raise LabError(f"The lab was not started: {directory} is not an absolute path. Give an absolute one.")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        strange = not (directory / MARKER).exists() and any(directory.iterdir())
        if not strange:
            (directory / MARKER).touch()
    except OSError as error:
        raise LabError(f"The lab was not started: {directory}: {error.strerror}. Choose another one.") from error
    if strange:
        raise LabError(
            f"The lab was not started: {directory} holds other files, and `lab down` removes its directory. "
            "Choose an empty or a new one."
        )


def remove_directory(directory: Path) -> None:
    """Remove a lab's directory with everything in it; one without our mark is left alone."""
    if not (directory / MARKER).exists():
        return
    for entry in directory.iterdir():
        if entry.name == MARKER:
            continue  # the mark goes last, so that a removal cut short can be finished
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink(missing_ok=True)
    (directory / MARKER).unlink(missing_ok=True)
    directory.rmdir()
