"""Who holds a lock, as far as the kernel says: for people who must find the process that is in the way."""

import os
from contextlib import suppress
from pathlib import Path

_STOPPED = frozenset("Tt")


def holders(path: Path) -> tuple[int, ...]:
    """Return the pids that hold an flock on a file or directory; empty where the system does not say (macOS)."""
    try:
        at = path.stat()
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return ()
    place = f"{os.major(at.st_dev):02x}:{os.minor(at.st_dev):02x}:{at.st_ino}"
    found = (line.split() for line in lines)
    # "1: FLOCK ADVISORY WRITE 4711 fd:01:42 0 EOF"; who waits for it has "->" in second place.
    return tuple(sorted({int(words[4]) for words in found if words[1] == "FLOCK" and words[5] == place}))


def said(pids: tuple[int, ...]) -> str:
    """Return the processes as a sentence's subject, those that are stopped marked."""
    if not pids:
        return "another process"
    names = [f"{pid}{' (stopped)' if _stopped(pid) else ''}" for pid in pids]
    return f"process {' or '.join(names)}"


def _stopped(pid: int) -> bool:
    with suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in _STOPPED
    return False
