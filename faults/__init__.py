"""The faults chaosd can inject, one module a domain; ``CATALOGUE`` is the table, entry points add to it."""

from collections.abc import Mapping

from daemon.core.seams import Fault

CATALOGUE: Mapping[str, type[Fault]] = {}
