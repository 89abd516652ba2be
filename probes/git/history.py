"""Does history go on where it is to go on? A shallow clone that forgot its border looks whole to all but a walk."""

from collections import deque

from daemon.core.gitclone import Clone
from daemon.core.gitobjects import commit_links
from daemon.core.gitpacks import read_object
from daemon.core.gitwalk import border
from daemon.core.model import Finding
from daemon.core.seams import Files, FileStat
from probes.git.conditions import Key, key

_COMMITS_MAX = 64


class History:
    """Walks the youngest commits, and those that were the border at the last look; only when something changed."""

    def __init__(self) -> None:
        self._asked: tuple[str | None, Key | None, Key | None] = (None, None, None)
        self._border: frozenset[str] = frozenset()
        self._loose: dict[str, Key | None] = {}
        self._said: list[Finding] = []

    def look(self, files: Files, clone: Clone, commit: str | None) -> list[Finding]:
        """Return the commits that others name as their parents and that are not there."""
        borrows = files.lstat(clone.path("objects", "info", "alternates")) is not None
        if commit is None or clone.partial or borrows:  # what is not here may well be elsewhere
            return []
        asked = (commit, _key(files.lstat(clone.path("shallow"))), _key(files.lstat(clone.path("objects", "pack"))))
        if asked != self._asked or any(_key(files.lstat(path)) != known for path, known in self._loose.items()):
            self._loose = {}
            now = border(files, clone)
            self._said = self._walk(files, clone, [commit, *sorted(self._border - now)], now)
            # What is missing now is to be told until it is there: the border it was named by is kept.
            self._border, self._asked = now | (self._border if self._said else frozenset()), asked
        return self._said

    def _walk(self, files: Files, clone: Clone, start: list[str], until: frozenset[str]) -> list[Finding]:
        todo, seen, missing = deque(start), set(start), dict[str, str]()
        for _ in range(_COMMITS_MAX + len(start)):
            if not todo:
                break
            name = todo.popleft()
            path = clone.object_path(name)
            self._loose[path] = _key(files.lstat(path))  # None of a packed one: its pack has a key of its own
            found = read_object(files, clone, name)
            if found is None or found.kind != "commit" or name in until:
                continue
            for parent in commit_links(found.payload, clone.algorithm)[1]:
                if parent not in seen:
                    seen.add(parent)
                    todo.append(parent)
                    if read_object(files, clone, parent) is None:
                        missing[parent] = name
        return [Finding("object-missing", f"commit {name}, parent of {child}") for name, child in missing.items()]


def _key(stat: FileStat | None) -> Key | None:
    return None if stat is None else key(stat)
