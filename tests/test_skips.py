"""Continuous integration has everything that a test needs: there a skipped test is a failure."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NEEDS_PROMETHEUS = "tests/integration/prometheus/test_rules.py::test_the_hurry_changes_durations_and_nothing_else"


def tried(what: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run one test file with nothing but the hook: other plug-ins take seconds to load."""
    alone = [
        "-c",
        os.devnull,
        "--rootdir",
        str(ROOT),
        "--noconftest",
        "--import-mode=importlib",
        "-p",
        "tests.skips",
    ]
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *alone, what]
    given = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **environment}
    return subprocess.run(words, cwd=ROOT, env=given, capture_output=True, text=True, check=False)


def test_a_test_whose_tool_is_missing_fails_in_ci(tmp_path: Path) -> None:
    done = tried(NEEDS_PROMETHEUS, PATH=str(tmp_path), CHAOSD_NO_SKIPS="1")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "CHAOSD_NO_SKIPS is set: Skipped: no prometheus on this system" in done.stdout


@pytest.mark.parametrize(("forbidden", "code"), [("1", 1), ("", 0)])
def test_what_skips_itself_in_its_midst_fails_in_ci_and_nowhere_else(
    tmp_path: Path, forbidden: str, code: int
) -> None:
    (tmp_path / "test_it.py").write_text("import pytest\ndef test_it():\n    pytest.skip('no browser')\n")
    done = tried(str(tmp_path), CHAOSD_NO_SKIPS=forbidden)
    assert done.returncode == code, done.stdout + done.stderr
    assert ("1 failed" in done.stdout) is (code == 1)


def test_a_file_that_skips_itself_fails_in_ci(tmp_path: Path) -> None:
    whole = "import pytest\npytest.skip('no browser', allow_module_level=True)\n"
    (tmp_path / "test_whole.py").write_text(whole)
    (tmp_path / "test_it.py").write_text("def test_it():\n    pass\n")
    done = tried(str(tmp_path), CHAOSD_NO_SKIPS="1")
    assert done.returncode != 0, done.stdout + done.stderr
    assert "CHAOSD_NO_SKIPS is set" in done.stdout


def test_ci_forbids_it() -> None:
    assert "CHAOSD_NO_SKIPS=1 make test" in (ROOT / ".ci/run").read_text()
