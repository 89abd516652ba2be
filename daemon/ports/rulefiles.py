"""The rules of the fault proxy on disk: one file each, whole or not at all, for nobody's eyes but ours.

Written by chaosd, read and (once their time is over) removed by the proxy. The directory outlives both.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from daemon.core.errors import RefusedError
from daemon.core.proxying import Rule
from daemon.ports.keep import sync_directory

_SUFFIX = ".json"
_BYTES_MAX = 1 << 20


class RuleFiles:
    """The rules in ``directory``, which is made when the first is written. Raises OSError where it says no more."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def names(self) -> Iterator[str]:
        """Yield the injections that have a rule."""
        with suppress(FileNotFoundError):
            for entry in sorted(os.listdir(self.directory)):  # noqa: PTH208  ten times as fast, asked often
                if entry.endswith(_SUFFIX) and not entry.startswith("."):
                    yield entry.removesuffix(_SUFFIX)

    def stamp(self, injection: str) -> tuple[int, ...] | None:
        """Return what tells one writing of a rule from the next; None when there is no file."""
        try:
            facts = self._path(injection).stat()
        except FileNotFoundError:
            return None
        return facts.st_ino, facts.st_mtime_ns, facts.st_size

    def read(self, injection: str) -> Rule | None:
        """Return one rule, None when there is none; raises ValueError when the file holds no rule of that name."""
        try:
            with self._path(injection).open("rb") as file:
                content = file.read(_BYTES_MAX + 1)
        except FileNotFoundError:
            return None
        if len(content) > _BYTES_MAX:
            raise ValueError(f"it is larger than {_BYTES_MAX >> 10} KiB")
        rule = msgspec.json.decode(content, type=Rule)  # its errors are ValueErrors
        if rule.injection != injection:
            raise ValueError(f"it is the rule of {rule.injection}")
        return rule

    def write(self, rule: Rule) -> None:
        """Put a rule on disk, durable when this returns; one of the same injection is replaced. Idempotent."""
        if not self.directory.is_dir():
            self.directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.directory.mkdir(mode=0o700, exist_ok=True)
            sync_directory(self.directory.parent)
        path = self._path(rule.injection)
        new = path.with_name(f".{path.name}.new")
        with suppress(FileNotFoundError):
            new.unlink()
        file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            content = memoryview(msgspec.json.encode(rule))
            while content:
                content = content[os.write(file, content) :]
            os.fsync(file)
        finally:
            os.close(file)
        new.replace(path)
        sync_directory(self.directory)

    def remove(self, injection: str) -> bool:
        """Take a rule from disk, a half-written one too, for good when this returns; False when there was none."""
        path = self._path(injection)
        found = False
        for one in (path.with_name(f".{path.name}.new"), path):
            with suppress(FileNotFoundError):
                one.unlink()
                found = True
        if found:
            sync_directory(self.directory)
        return found

    def _path(self, injection: str) -> Path:
        if not injection or injection.startswith(".") or "/" in injection or "\0" in injection:
            raise RefusedError(
                f"no rule was touched: {injection!r} is no injection's name",
                rule="injection",
                hint="`chaosd history` shows the injections",
            )
        return self.directory / f"{injection}{_SUFFIX}"
