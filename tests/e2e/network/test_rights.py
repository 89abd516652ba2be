"""With the capabilities of its drop-in the network faults work, without them nothing is touched."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.guardian.kit import CHAOSD
from tests.integration.network.netns import FAR, Pair, pair

ROOT = Path(__file__).parents[3]
DROP_IN = ROOT / "deploy/systemd/chaosd.service.d/network.conf"
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, ("nft", "nsenter", "setpriv"))),
    reason="makes network namespaces: needs root, nftables and util-linux",
)


@pytest.fixture
def wire() -> Iterator[Pair]:
    with pair() as made:
        yield made


def inject(wire: Pair, directory: Path, *capabilities: str) -> "subprocess.CompletedProcess[str]":
    """Run chaosd in the namespace as nobody, with these capabilities and no others."""
    directory.chmod(0o755)
    config, state = directory / "chaosd.yaml", directory / "state"
    config.write_text("version: 1\ntargets: {editor: {network: {through: host}}}\n")
    state.mkdir()
    os.chown(state, 65534, 65534)
    held = ",".join(("-all", *(f"+{name}" for name in capabilities)))
    words = (
        *(
            "nsenter",
            f"--net=/run/netns/{wire.near}",
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
        ),
        *("--no-new-privs", f"--inh-caps={held}", f"--ambient-caps={held}", f"--bounding-set={held}"),
        *(*CHAOSD, "-c", str(config), "--state-dir", str(state), "inject", "network-partition"),
        *("--target", "editor", "--set", f"hosts={FAR}", "--for", "200ms", "-o", "json"),
    )
    return subprocess.run(words, capture_output=True, text=True, timeout=60, cwd=directory, check=False)


def readable_from_everywhere(directory: Path) -> Path:
    """Return a directory that nobody may enter: pytest's own are their user's alone."""
    made = Path("/tmp") / f"chaosd-rights-{os.getpid()}-{directory.name}"  # noqa: S108  removed by the fixture below
    made.mkdir(mode=0o755)
    return made


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    made = readable_from_everywhere(tmp_path)
    yield made
    shutil.rmtree(made)


def test_the_capabilities_of_the_drop_in_are_enough(wire: Pair, directory: Path) -> None:
    before = wire.rules()
    given = re.findall(r"^AmbientCapabilities=(.*)$", DROP_IN.read_text(), re.MULTILINE)
    assert given == re.findall(r"^CapabilityBoundingSet=(.*)$", DROP_IN.read_text(), re.MULTILINE)
    capabilities = [name.removeprefix("CAP_").lower() for name in " ".join(given).split()]
    done = inject(wire, directory, *capabilities)
    assert '"proved": true' in done.stdout, done.stderr
    assert wire.rules() == before


def test_without_them_it_is_refused_and_nothing_is_touched(wire: Pair, directory: Path) -> None:
    before = wire.rules()
    done = inject(wire, directory)
    assert done.returncode == 77, done.stderr
    assert "no packet was touched" in done.stderr
    assert "CAP_NET_ADMIN" in done.stderr
    assert wire.rules() == before
