"""The ten lines of the README are a configuration, and every command the docs show exists."""

import re
from pathlib import Path

import pytest

from daemon.config import load
from daemon.engine.scheduler import cron_trigger
from daemon.faces.cli import main
from faults import CATALOGUE as FAULTS
from probes import CATALOGUE as PROBES

ROOT = Path(__file__).parents[3]


def test_the_example_of_the_readme_loads(tmp_path: Path) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    path = tmp_path / "chaosd.yaml"
    path.write_text(example)
    settings = load(path, environment={}, overrides={}, faults=FAULTS, probes=PROBES, check_cron=cron_trigger)
    assert [e.name for e in settings.experiments] == ["stop-a-task"]
    assert settings.steady_state == {"editor": ("tasks",)}


@pytest.mark.parametrize("page", ["README.md", "docs/guide.md"])
def test_every_command_a_page_shows_exists(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = set(re.findall(r"(?:`|\$ )chaosd ([a-z-]+)", (ROOT / page).read_text()))
    assert words
    assert main(["--help"]) == 0
    listed = set(re.findall(r"^  ([a-z-]+) ", capsys.readouterr().out, re.MULTILINE))
    assert words - listed == set()
