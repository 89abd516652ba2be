"""The rules as shipped: promtool tries them, and every alert has a case that fires and one that does not."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy/prometheus"
CASES = Path(__file__).parent / "prometheus"
RUNBOOK = ROOT / "docs/runbook.md"
WANTED = {
    "ChaosdDown",
    "ChaosdFaultStuck",
    "ChaosdUndoFailed",
    "ChaosdNotRecovered",
    "ChaosdInvariantViolated",
    "ChaosdRecoverySlower",
    "ChaosdScheduleStalled",
    "ChaosdExperimentRunning",
    "ChaosdProxyDown",
}


def rules(name: str) -> list[dict[str, Any]]:
    groups = yaml.safe_load((DEPLOY / name).read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


ALERTS = rules("chaosd-alerts.yml")


def tool(*words: str, cwd: Path = DEPLOY) -> subprocess.CompletedProcess[str]:
    """Run one of Prometheus's tools; it must be installed (Debian: prometheus, prometheus-alertmanager)."""
    return subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False, timeout=110)


def test_promtool_and_amtool_accept_the_files() -> None:
    files = sorted(p.name for p in DEPLOY.glob("chaosd-*.yml"))
    assert len(files) == 2
    for words in (
        ("promtool", "check", "rules", "--lint=all", "--lint-fatal", *files),
        ("promtool", "check", "config", "prometheus.yml"),
        ("amtool", "check-config", "alertmanager.yml"),
    ):
        done = tool(*words)
        assert done.returncode == 0, done.stdout + done.stderr


def tried(deploy: Path) -> subprocess.CompletedProcess[str]:
    """Run every case against the rules in ``deploy``."""
    room = deploy.parent / "cases"
    room.mkdir(exist_ok=True)
    for case in CASES.glob("*.test.yml"):
        (room / case.name).write_text(case.read_text().replace("../../../../deploy/prometheus", str(deploy)))
    return tool("promtool", "test", "rules", *sorted(p.name for p in room.iterdir()), cwd=room)


def test_every_case_comes_out_as_written(tmp_path: Path) -> None:
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    done = tried(tmp_path / "deploy")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("SUCCESS") == len(list(CASES.glob("*.test.yml"))) == 5


@pytest.mark.parametrize("instead", ["vector(0) > 1", "vector(1)"], ids=["never", "always"])
def test_no_alert_could_be_silent_or_cry_without_a_case_that_fails(tmp_path: Path, instead: str) -> None:
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    planted = {"groups": [{"name": "chaosd", "rules": [dict(rule, expr=instead) for rule in ALERTS]}]}
    (tmp_path / "deploy/chaosd-alerts.yml").write_text(yaml.safe_dump(planted))
    done = tried(tmp_path / "deploy")
    assert done.returncode == 1
    told = done.stdout + done.stderr
    for rule in ALERTS:
        wanted = r"\[\]" if instead == "vector(1)" else r"\[\n"  # a case that wanted silence, one that wanted a cry
        assert re.search(rf"alertname: {rule['alert']}, time: [^\n]+\n\s+exp:{wanted}", told), rule["alert"]


def test_every_alert_says_what_it_is_and_where_to_read_on() -> None:
    names = {rule["alert"] for rule in ALERTS}
    assert names >= WANTED
    headings = set(re.findall(r"^## (\w+)$", RUNBOOK.read_text(), re.MULTILINE))
    assert headings == names
    for rule in ALERTS:
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
        assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in {"critical", "warning", "none"}
        entry = RUNBOOK.read_text().split(f"## {rule['alert']}\n")[1].split("\n## ")[0]
        assert "**Means.**" in entry, rule["alert"]
        assert "**At night.**" in entry, rule["alert"]


def test_the_inhibition_names_an_alert_there_is() -> None:
    (inhibit,) = yaml.safe_load((DEPLOY / "alertmanager.yml").read_text())["inhibit_rules"]
    assert inhibit["source_matchers"] == ["alertname = ChaosdExperimentRunning"]
    assert inhibit["equal"] == ["target"]
