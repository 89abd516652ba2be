"""A table of plug-ins by name, each imported when it is asked for: a git fault needs no SQS code to strike."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TypeVar, cast

T = TypeVar("T")


class Table(Mapping[str, T]):
    """Names and the places they come from, as ``module:Class``. Raises KeyError for an unknown name.

    The contract suite holds every entry to what the table promises.
    """

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = dict(places)

    def __getitem__(self, name: str) -> T:
        module, _, kind = self._places[name].partition(":")
        return cast("T", getattr(import_module(module), kind))

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)
