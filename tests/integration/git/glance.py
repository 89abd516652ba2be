"""Both probes' findings of a clone, by name; one pair of probes that remembers the healthy clone."""

from collections.abc import Callable
from pathlib import Path

from daemon.core.errors import ChaosdError
from probes.git.health import GitHealth
from probes.git.integrity import GitIntegrity
from tests.fakes import FakeWorld
from tests.integration.git.shed import target_of


def glance() -> Callable[[Path, FakeWorld], set[str]]:
    """Return a look at a clone that names what both probes find."""
    health, integrity = GitHealth(lock_age=0.0), GitIntegrity()

    def look(clone: Path, world: FakeWorld) -> set[str]:
        found: set[str] = set()
        for probe in (health, integrity):
            try:
                found |= {finding.name for finding in probe.observe(target_of(clone), world).findings}
            except ChaosdError as error:
                found.add(f"unknown: {error.message}")
        return found

    return look
