"""Every shipped rule on a real Prometheus that scrapes a real daemon; the short sample of test_lab.py."""

import sys
from pathlib import Path

import pytest

from tests import promql
from tests.e2e.git.tree import make_repository
from tests.integration.prometheus.kit import (
    PATIENCE_S,
    RULES,
    Service,
    Told,
    fires,
    free_port,
    resolves,
    serving,
    sound,
)
from tests.integration.prometheus.server import PROMETHEUS, running
from tests.waiting import wait_for

pytestmark = pytest.mark.skipif(PROMETHEUS is None, reason="no prometheus on this system (Debian: prometheus)")
CHAOSD = [str(Path(sys.executable).parent / "chaosd")]
CLONE = """\
version: 1
targets: {{clone: {{repository: {{worktree: {repository}}}, limits: {{recover: 5s}}}}}}
probes: [{{name: health, probe: git-health, target: clone, every: 1s}}]
steady_state: {{clone: [health]}}
experiments:
  - {{name: corrupt, fault: git-corrupt, target: clone, every: 1h, for: 1s, set: {{mode: head-garbage}}}}
guard: {{allow: {{repositories: [{repository}]}}}}
sampling: {{stable_for: 500ms}}
api: {{listen: "127.0.0.1:{port}"}}
"""
ASKED = {"fault": "git-corrupt", "target": "clone", "parameters": {"mode": "head-garbage"}, "duration_s": 1}


def test_the_hurry_changes_durations_and_nothing_else() -> None:
    for name, text in RULES.items():
        shipped = (promql.RULES / name).read_text()
        assert len(text.splitlines()) == len(shipped.splitlines())
        assert "[15m]" not in text
        assert "[1d]" in text or name == "chaosd-alerts.yml"
    assert RULES["chaosd-alerts.yml"].count("for: 2s") == sum("for" in rule for rule in promql.rules())


@pytest.mark.timeout(1800)
def test_a_scraped_daemon_feeds_the_rules_and_its_absence_is_an_alert(tmp_path: Path) -> None:
    """The short sample: one daemon on one clone. `make torture` does the rest in the lab."""
    port = free_port()
    told: Told = {}
    config = tmp_path / "chaosd.yaml"
    config.write_text(CLONE.format(repository=make_repository(tmp_path / "clone"), port=port))
    home = tmp_path / "prometheus"
    home.mkdir()
    with (
        serving(Service(tmp_path, config, CHAOSD, {})) as service,
        running(home, {"chaosd": [f"127.0.0.1:{port}"]}, RULES) as server,
    ):
        wait_for("it is scraped", lambda: server.series('up{job="chaosd"} == 1'), PATIENCE_S, 0.2)
        sound(server)
        service.inject(ASKED)
        fires(server, "ChaosdExperimentRunning", told)
        fires(server, "ChaosdNotRecovered", told)
        assert server.series('chaosd_experiments_finished_total{experiment="manual",verdict="not-recovered"} == 1')
        resolves(server, "ChaosdExperimentRunning", told)
        empty = [e for e in promql.of_dashboards() if not server.series(e.text)]
        print("without a workload, a queue and a recovery:", *(e.where for e in empty), sep="\n  ")  # noqa: T201
        assert len(empty) < len(promql.of_dashboards()) / 3
        service.stop()
        fires(server, "ChaosdDown", told)
        service.start()
        resolves(server, "ChaosdDown", told)
