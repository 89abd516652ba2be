"""What happens to a work tree: files in the way, lost, emptied or odd; rights and owners; a full disk."""

from dataclasses import dataclass
from typing import ClassVar

from daemon.core.parameters import parameter
from faults.git import losses, obstacles, oddities, ownership
from faults.git.entry import modes
from faults.git.family import Family

ENTRIES = (
    *obstacles.ENTRIES,
    *losses.ENTRIES,
    *oddities.ENTRIES,
    *ownership.ENTRIES,
)
_BY_NAME = {entry.name: entry for entry in ENTRIES}


@dataclass(frozen=True, slots=True, kw_only=True)
class GitWorktree(Family):
    """Disturbs the files beside ``.git``, who may use them, and the room for them."""

    name: ClassVar[str] = "git-worktree"
    summary: ClassVar[str] = "put files in the way, lose, change or lock them; take rights, owner or room away"
    modes: ClassVar = modes(ENTRIES)
    entries: ClassVar = _BY_NAME

    mode: str = parameter("untracked-in-the-way", "what happens to the work tree", choices=tuple(_BY_NAME))
    owner: int = parameter(65534, "the user id to whom the owner modes give files", least=1)
    room: float = parameter(1024.0, "size in MiB up to which a file system may be filled", least=1)
