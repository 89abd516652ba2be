"""How files of the work tree are chosen and made."""

import posixpath

from faults.git.entry import Entry
from faults.git.kinds import FileEdit
from faults.git.sight import Look


def at(look: Look, name: str) -> str:
    """Return the path of a file of the work tree."""
    return posixpath.join(look.clone.root, name)


def new(look: Look, name: str, content: bytes, mode: int = 0o644) -> FileEdit:
    """Create a file of the work tree that is not there."""
    path = at(look, name)
    if look.node(path) is not None:
        raise look.refused(f"{name} is already there", "changed")
    return look.create(path, content, mode=mode)


def row(name: str, summary: str, fails: str, scheme: object, tells: str, **more: object) -> Entry:
    """Return a line of the table; what most of these lines have in common is filled in."""
    alike = {"repair": "git checkout -- FILE", "seen": "worktree-changed", "often": "seen", "tells": tells}
    return Entry(name=name, summary=summary, fails=fails, scheme=scheme, **{**alike, **more})  # type: ignore[arg-type]


STATUS = "status --porcelain"
