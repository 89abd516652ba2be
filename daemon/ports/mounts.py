"""What is mounted where, as /proc/self/mountinfo says."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_ESCAPED = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """One mount: ``MAJOR:MINOR`` of its device, what of the file system is its root, where, kind, options."""

    device: str
    root: str
    point: str
    kind: str
    options: frozenset[str]


def mounts(text: str | None = None) -> Iterator[Mount]:
    """Yield the mounts in the order they were made; none where the system does not say (macOS)."""
    if text is None:
        try:
            text = Path("/proc/self/mountinfo").read_text(errors="surrogateescape")
        except OSError:
            return
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        _, _, device, root, point, *_ = before.split()
        kind, _, *options = after.split()
        yield Mount(device, _plain(root), _plain(point), kind, frozenset(",".join(options).split(",")))


def _plain(path: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 8)), path)
