"""The example workflow: its chaosd commands are ones that this chaosd understands."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

WORKFLOW = Path(__file__).parents[3] / "deploy" / "ci" / "github-workflow.yml"
CHAOSD = str(Path(sys.executable).parent / "chaosd")


def commands() -> list[list[str]]:
    steps = yaml.safe_load(WORKFLOW.read_text())["jobs"]["chaos"]["steps"]
    return [words for step in steps if (words := shlex.split(step.get("run", "")))[:1] == ["chaosd"]]


def test_the_workflow_checks_runs_and_recovers() -> None:
    said = " ".join(word for words in commands() for word in words)
    assert all(verb in said for verb in ("config check", " ci ", " recover"))


@pytest.mark.parametrize("words", commands(), ids=lambda words: words[-1])
def test_chaosd_understands_it(words: list[str], tmp_path: Path) -> None:
    config = tmp_path / "chaosd.yaml"
    config.write_text("version: 1\n")
    here = ["chaosd.yaml", "$RUNNER_TEMP/chaosd"]
    arguments = [str(tmp_path / Path(w).name) if w in here else w for w in words[1:]]
    ran = subprocess.run(
        [CHAOSD, *arguments], capture_output=True, text=True, check=False, timeout=60, cwd=tmp_path
    )
    if "ci" in words:  # an empty configuration has nothing to carry out, and says so
        assert ran.stderr.startswith("chaosd: nothing was injected: the configuration has no experiments")
    else:
        assert ran.returncode == 0, ran.stderr
