"""What the modes that damage reflogs and stash have in common."""

from faults.git.entry import Entry


def row(name: str, summary: str, fails: str, scheme: object, **more: object) -> Entry:
    """Return a line of the table; what most of these lines have in common is filled in."""
    alike = {"tells": "stash list", "seen": "stash-broken", "often": "rare"}
    return Entry(name=name, summary=summary, fails=fails, scheme=scheme, **{**alike, **more})  # type: ignore[arg-type]
