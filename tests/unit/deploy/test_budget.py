"""The error budget's own questions, as Prometheus answers them when the daemon asked about was replaced."""

import subprocess
from pathlib import Path

import pytest
import yaml

from daemon.core.levers import ErrorBudget

PROBE = 'chaosd_probe_success{probe="site", target="edit", instance="%s"}'
STEADY = 'chaosd_steady_state{target="edit", instance="%s"}'
OTHERS = (
    'chaosd_steady_state{target="other", instance="first"}',
    'chaosd_probe_success{probe="site", target="other"}',
)


@pytest.mark.parametrize(("probe", "series"), [(None, STEADY), ("site", PROBE)])
def test_a_replaced_task_is_no_week_of_outage(tmp_path: Path, probe: str | None, series: str) -> None:
    """Of 100 looks the first one of the new task was bad: the mean of both tasks' means would be three quarters."""
    budget = ErrorBudget(objective=0.99, prometheus="http://p", probe=probe)
    told = {series % "first": "1x97 stale", series % "next": "_x98 0 1", **dict.fromkeys(OTHERS, "0x99")}
    case = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in told.items()],
        "promql_expr_test": [
            {"expr": budget.question("edit"), "eval_time": "99m", "exp_samples": [{"labels": "{}", "value": 0.99}]},
            {"expr": budget.question("nobody"), "eval_time": "99m", "exp_samples": []},
        ],
    }
    (tmp_path / "case.yml").write_text(yaml.safe_dump({"tests": [case]}))
    words = ["promtool", "test", "rules", str(tmp_path / "case.yml")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
