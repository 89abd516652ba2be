"""What can be injected and looked with: the built-in tables, and what plug-ins add to them."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TypeVar

from daemon.core.errors import ConfigError
from daemon.core.seams import Fault, Probe
from faults import CATALOGUE as FAULTS
from probes import CATALOGUE as PROBES

T = TypeVar("T")


def faults() -> Mapping[str, type[Fault]]:
    """Return the fault kinds: the built-in table, then the entry points ``chaosd.faults``."""
    return Catalogue(FAULTS, "chaosd.faults")


def probes() -> Mapping[str, type[Probe]]:
    """Return the probe kinds: the built-in table, then the entry points ``chaosd.probes``."""
    return Catalogue(PROBES, "chaosd.probes")


class Catalogue(Mapping[str, T]):
    """A built-in table that plug-ins add to; they are looked for only when the table has no answer.

    Looking costs more than everything else `chaosd inject` does before it starts. Raises ConfigError when a
    plug-in claims a built-in name.
    """

    def __init__(self, built_in: Mapping[str, T], group: str) -> None:
        self._built_in = built_in
        self._group = group

    @cached_property
    def _all(self) -> Mapping[str, T]:
        from importlib.metadata import entry_points  # noqa: PLC0415  30 ms, see above

        found = dict(self._built_in)
        for entry in entry_points(group=self._group):
            if entry.name in found:
                raise ConfigError(
                    f"nothing was started: plug-in {entry.value} claims the name {entry.name!r}, which is taken",
                    hint=f"uninstall it or let it choose another name in the entry points {self._group}",
                )
            found[entry.name] = entry.load()
        return found

    def __getitem__(self, name: str) -> T:
        return self._built_in[name] if name in self._built_in else self._all[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)
