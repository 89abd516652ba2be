"""How a lock is left."""

from collections.abc import Callable

from daemon.core.errors import RefusedError
from faults.git.entry import Entry, Scheme
from faults.git.kinds import FileEdit
from faults.git.sight import Look


def lock(look: Look, name: str, content: bytes | None = None) -> FileEdit:
    """Create ``.git/NAME.lock``; git never reads what is in it, so it says whose it is."""
    path = look.clone.path(f"{name}.lock")
    if look.stat(path) is not None:
        raise RefusedError(
            f"not injecting: {look.clone.shown(path)} is already there in {look.clone.root}",
            rule="locked",
            hint="git is at work here, or died: see whether a git process still runs",
        )
    return look.create(path, look.mark if content is None else content)


def stale(look: Look, name: str) -> Scheme:
    """Put one edit and what is said of it together."""
    return Scheme(
        edits=(lock(look, name),), action=f"create the stale lock .git/{name}.lock", victim={"locked": name}
    )


def named(name: str) -> Callable[[Look], Scheme]:
    """Make a scheme that leaves a lock of a name."""
    return lambda look: stale(look, name)


REMOVE = "remove the lock once no git process runs in the clone"


def row(name: str, summary: str, fails: str, scheme: object, tells: str, **more: object) -> Entry:
    """Return a line of the table; what most of these lines have in common is filled in."""
    alike = {"repair": REMOVE, "seen": "stale-lock", "often": "seen", "tells": tells}
    return Entry(name=name, summary=summary, fails=fails, scheme=scheme, **{**alike, **more})  # type: ignore[arg-type]
