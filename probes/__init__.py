"""The probes chaosd measures with, one module a domain; ``CATALOGUE`` is the table, entry points add to it."""

from collections.abc import Mapping

from daemon.core.seams import Probe

CATALOGUE: Mapping[str, type[Probe]] = {}
