"""Both probes' findings of a clone, by name, as probes find them that remember the healthy clone."""

from copy import deepcopy
from pathlib import Path

from daemon.core.errors import ChaosdError
from probes.git.health import GitHealth
from probes.git.integrity import GitIntegrity
from tests.fakes import FakeWorld
from tests.integration.git.shed import target_of


class Glance:
    """A pair of probes that has looked at the healthy clone once; each look is as if it were the next one."""

    def __init__(self, clone: Path, world: FakeWorld) -> None:
        self._probes = (GitHealth(lock_age=0.0), GitIntegrity())
        self.before = self._look(self._probes, clone, world)

    def look(self, clone: Path, world: FakeWorld) -> set[str]:
        return self._look(deepcopy(self._probes), clone, world)

    @staticmethod
    def _look(probes: tuple[GitHealth, GitIntegrity], clone: Path, world: FakeWorld) -> set[str]:
        found: set[str] = set()
        for probe in probes:
            try:
                found |= {finding.name for finding in probe.observe(target_of(clone), world).findings}
            except ChaosdError as error:
                found.add(f"unknown: {error.message}")
        return found
