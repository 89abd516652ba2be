"""States in which a clone is found: operations not ended, HEAD on no branch, unfinished work."""

from dataclasses import dataclass
from typing import ClassVar

from daemon.core.parameters import parameter
from faults.git import conflicts, stalled, unfinished
from faults.git.entry import modes
from faults.git.family import Family

ENTRIES = (
    *conflicts.ENTRIES,
    *unfinished.ENTRIES,
    *stalled.ENTRIES,
)
_BY_NAME = {entry.name: entry for entry in ENTRIES}


@dataclass(frozen=True, slots=True, kw_only=True)
class GitState(Family):
    """Leaves a clone in the middle of something, by writing the files that git would have written."""

    name: ClassVar[str] = "git-state"
    summary: ClassVar[str] = (
        "leave a merge, rebase, pick, revert or bisect unfinished, HEAD detached, or work undone"
    )
    modes: ClassVar = modes(ENTRIES)
    entries: ClassVar = _BY_NAME

    mode: str = parameter("merge-conflict", "the state in which the clone is left", choices=tuple(_BY_NAME))
