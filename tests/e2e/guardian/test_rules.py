"""SIGKILL for chaosd, its guardian or both while a rule of the fault proxy is in force: no rule is left."""

import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults import CATALOGUE
from tests import proxies
from tests.e2e.guardian.killing import BOTH, DAEMON, INSTANTS, Table, Victim, at_step, kill_once, sweep
from tests.e2e.guardian.kit import Stage

FAULTS = sorted(name for name in CATALOGUE if name.startswith("aws-"))
CONFIG = """\
version: 1
proxy: {listen: "127.0.0.1:0"}
targets: {worker: {proxy: {aws: true}}}
"""


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A proxy nobody sends anything through, and chaosd in its state directory."""
    config = tmp_path / "chaosd.yaml"
    config.write_text(CONFIG)
    stage = Stage(tmp_path, environment=proxies.CREDENTIALS, words=("-c", str(config)))
    nowhere = ("--listen", "127.0.0.1:0", "--upstream", "http://127.0.0.1:9")
    with proxies.running(stage.state, *nowhere, options=stage.words):
        yield stage


def victim(stage: Stage, fault: str) -> Victim:
    def residue() -> list[str]:
        facts = proxies.facts(stage.state)
        assert facts is not None, "the proxy ended"
        files = (stage.state / "proxy" / "rules").glob("*")
        return [*(f"in force: {name}" for name in facts.rules), *(f"on disk: {path.name}" for path in files)]

    return Victim(fault, ("inject", fault, "--target", "worker", "--for", "500ms"), residue)


@pytest.mark.parametrize("whom", [DAEMON, BOTH])
def test_the_rule_of_a_killed_chaosd_is_taken_out(stage: Stage, whom: str) -> None:
    assert kill_once(stage, victim(stage, "aws-lost-reply"), whom, at_step("injected")) == []


@pytest.mark.torture
@pytest.mark.timeout(3 * 3600)
@pytest.mark.parametrize("fault", FAULTS)
def test_at_every_step_and_at_random_instants_no_rule_is_left(stage: Stage, fault: str) -> None:
    table, left = Table(), ["not begun"]
    try:
        # One seam puts every rule into force and takes it out: the instants are shared out among the faults.
        instants = -(-INSTANTS // len(FAULTS))
        left = sweep(lambda: (stage, victim(stage, fault)), table, random.Random(fault), instants)
    finally:
        sys.stdout.write(f"\n{table}\n")
    assert left == []
