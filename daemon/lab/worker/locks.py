"""Stale git locks: which there are, and which are safe to remove."""

import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from daemon.lab.worker.gitcli import Git
from daemon.lab.worker.say import say


def clear_stale_locks(git: Git, *, older_than_s: float) -> int:
    """Remove the locks that no living process can own; return how many were removed.

    A lock is removed when it is older than ``older_than_s`` seconds, no process has it open and no git works in
    this clone. The clone is ours alone (its slot is locked), so such a lock is a dead process's.
    """
    # A time in the future says nothing; then it is for the other two conditions to tell.
    old = [path for path in locks(git.folder) if not 0 <= _age_s(path) < older_than_s]
    if not old or _somebody_works_in(git.directory, old):
        return 0
    for path in old:
        path.unlink(missing_ok=True)
        say("lock.removed", level="WARNING", path=str(path.relative_to(git.folder)))
    return len(old)


def locks(folder: Path) -> Iterator[Path]:
    """Yield every lock file of a repository, whatever its age."""
    yield from folder.glob("*.lock")
    yield from (folder / "refs").rglob("*.lock")


def _age_s(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:  # gone in the meantime: its owner lives
        return 0.0


def _somebody_works_in(directory: Path, held: list[Path]) -> bool:
    directory = directory.resolve()  # the kernel tells where a process stands without any symbolic links
    names = {str(path.resolve()) for path in held}
    for process in psutil.process_iter(["name", "cwd", "open_files"]):
        facts = process.info
        if any(opened.path in names for opened in facts["open_files"] or ()):
            return True
        if (facts["name"] or "").startswith("git") and Path(facts["cwd"] or "/").is_relative_to(directory):
            return True
    return False
