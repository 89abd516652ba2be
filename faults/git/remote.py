"""What happens to the remote, the local repository that is ``origin``, and on the way to it."""

from dataclasses import dataclass
from typing import ClassVar

from daemon.core.parameters import parameter
from faults.git import network, remote_hooks, remote_parts, remote_refs
from faults.git.entry import modes
from faults.git.family import Family

ENTRIES = (
    *remote_refs.ENTRIES,
    *remote_parts.ENTRIES,
    *remote_hooks.ENTRIES,
    *network.ENTRIES,
)
_BY_NAME = {entry.name: entry for entry in ENTRIES}


@dataclass(frozen=True, slots=True, kw_only=True)
class GitRemote(Family):
    """Disturbs the repository that is the clone's origin, when it is a local path, or the way to it."""

    name: ClassVar[str] = "git-remote"
    summary: ClassVar[str] = "let the remote be gone, ahead, refusing, hanging or broken, or the way to it"
    modes: ClassVar = modes(ENTRIES)
    entries: ClassVar = _BY_NAME

    mode: str = parameter("diverged", "what happens to the remote", choices=tuple(_BY_NAME))
    object: str = parameter(
        "any", "what the pack modes choose: any, commit, tree, blob", choices=("any", "commit", "tree", "blob")
    )
    owner: int = parameter(65534, "the user id to whom the owner mode gives the remote", least=1)
    hold: float = parameter(900.0, "after how long what hangs ends by itself", unit="s", least=1)
