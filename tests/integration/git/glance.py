"""Both probes' findings of a clone, by name, as probes find them that remember the healthy clone."""

from copy import deepcopy
from pathlib import Path

from daemon.core.errors import ChaosdError
from daemon.core.model import Finding, Status
from probes.git.health import GitHealth
from probes.git.integrity import GitIntegrity
from tests.fakes import FakeWorld
from tests.integration.git.shed import target_of

ALREADY = frozenset(("branch-held",))  # true of every linked work tree: there, only what is said anew counts


class Glance:
    """A pair of probes that has looked at the healthy clone once; each look is as if it were the next one."""

    def __init__(self, clone: Path, world: FakeWorld) -> None:
        self._probes = (GitHealth(lock_age=0.0), GitIntegrity())
        self.before = self._look(self._probes, clone, world)
        for probe in deepcopy(self._probes):
            reading = probe.observe(target_of(clone), world)
            assert reading.status is not Status.FAILING, f"a healthy clone, but {probe.name}: {reading.findings}"

    def look(self, clone: Path, world: FakeWorld) -> set[str]:
        """Return what is said now and was not said of the healthy clone."""
        said = self._look(deepcopy(self._probes), clone, world)
        return {finding.name for finding in said - self.before} | ({f.name for f in said} - ALREADY)

    @staticmethod
    def _look(probes: tuple[GitHealth, GitIntegrity], clone: Path, world: FakeWorld) -> set[Finding]:
        found: set[Finding] = set()
        for probe in probes:
            try:
                found |= set(probe.observe(target_of(clone), world).findings)
            except ChaosdError as error:
                found.add(Finding("unknown", error.message))
        return found
