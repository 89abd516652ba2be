"""Third parties' faults come through entry points, and only when they are asked for."""

import subprocess
import sys
from pathlib import Path

import pytest

PLUGIN = """
from faults.git.lock import GitLock
class Other(GitLock):
    name = "other-fault"
"""


def run(site: Path, code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(site)!r})\n{code}"],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "other.py").write_text(PLUGIN)
    info = tmp_path / "other-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    return tmp_path


def register(site: Path, name: str) -> None:
    (site / "other-1.0.dist-info" / "entry_points.txt").write_text(f"[chaosd.faults]\n{name} = other:Other\n")


def test_a_plug_in_s_fault_stands_beside_the_built_in_ones(site: Path) -> None:
    register(site, "other-fault")
    done = run(
        site,
        "from daemon import wiring; f = wiring.faults();"
        "print(f['other-fault'].__name__, len(f) - len(wiring.catalogue.FAULTS), 'git-lock' in f)",
    )
    assert done.stdout == "Other 1 True\n", done.stderr


def test_a_plug_in_that_claims_a_built_in_name_is_one_clear_error(site: Path) -> None:
    register(site, "git-lock")
    done = run(site, "from daemon import wiring; list(wiring.faults())")
    assert "claims the name 'git-lock'" in done.stderr


def test_a_built_in_fault_is_found_without_looking_for_plug_ins(site: Path) -> None:
    register(site, "other-fault")
    done = run(
        site, "import sys; from daemon import wiring; wiring.faults()['git-lock']; print('other' in sys.modules)"
    )
    assert done.stdout == "False\n", done.stderr
