"""Lock files that a crashed git leaves behind, or that a process at work holds."""

from dataclasses import dataclass
from typing import ClassVar

from daemon.core.parameters import parameter
from faults.git import index_locks, other_locks
from faults.git.entry import modes
from faults.git.family import Family

ENTRIES = (
    *index_locks.ENTRIES,
    *other_locks.ENTRIES,
)
_BY_NAME = {entry.name: entry for entry in ENTRIES}


@dataclass(frozen=True, slots=True, kw_only=True)
class GitLock(Family):
    """Creates a lock file as a killed git leaves it, never in place of one that is there."""

    name: ClassVar[str] = "git-lock"
    summary: ClassVar[str] = "leave a stale lock file in a clone, or let a process hold one"
    modes: ClassVar = modes(ENTRIES)
    entries: ClassVar = _BY_NAME

    mode: str = parameter("index-lock", "what is locked", choices=tuple(_BY_NAME))
    hold: float = parameter(900.0, "after how long a process that holds a lock ends by itself", unit="s", least=1)
