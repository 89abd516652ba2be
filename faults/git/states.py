"""How a state is written."""

from faults.git.entry import Entry


def row(name: str, summary: str, fails: str, scheme: object, tells: str, **more: object) -> Entry:
    """Return a line of the table; what most of these lines have in common is filled in."""
    alike = {"repair": "git merge --abort", "seen": "operation-in-progress", "often": "common", "tells": tells}
    return Entry(name=name, summary=summary, fails=fails, scheme=scheme, **{**alike, **more})  # type: ignore[arg-type]
